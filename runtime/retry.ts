/**
 * When a failed attempt is tried again: a decision over plain values, without a clock.
 *
 * The words are the field's: `attempts` counts the first try, backoff is exponential with a cap, and jitter is
 * "full" (a random part of the whole delay), which spreads a crowd that failed together best. Source: AWS
 * Architecture Blog, "Exponential Backoff And Jitter", 2015.
 */
import { Duration, Schema } from "effect"

export interface Backoff {
  /** Delay before the second attempt, in milliseconds. */
  readonly baseMs: number
  /** Each further delay is this many times the one before. */
  readonly factor: number
  /** No delay is longer, in milliseconds. */
  readonly capMs: number
  /** Whether the delay is a random time between 0 and what was computed. */
  readonly jitter: boolean
}

export interface RetryPolicy {
  /** Runs that may fail, the first included. A worker's death is not one of them. */
  readonly attempts: number
  readonly backoff: Backoff
}

/** Three attempts, 1 s and 2 s apart on average half of it. */
export const defaultRetry: RetryPolicy = {
  attempts: 3,
  backoff: { baseMs: 1_000, factor: 2, capMs: 60_000, jitter: true }
}

/** A retry policy as callers write it, all parts optional; durations as Effect writes them or in milliseconds. */
export interface RetryOptions {
  readonly attempts?: number
  readonly backoff?: {
    readonly base?: Duration.Input
    readonly factor?: number
    readonly cap?: Duration.Input
    readonly jitter?: boolean
  }
}

/** The same over HTTP, where durations are milliseconds and end in `Ms`. */
export const RetryJson = Schema.Struct({
  attempts: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  backoff: Schema.optionalKey(
    Schema.Struct({
      baseMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))),
      factor: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
      capMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 604_800_000 }))),
      jitter: Schema.optionalKey(Schema.Boolean)
    })
  )
})
export type RetryJson = typeof RetryJson.Type

export const retryJson = (options: RetryOptions): RetryJson => ({
  ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
  ...(options.backoff === undefined
    ? {}
    : {
        backoff: {
          ...(options.backoff.base === undefined ? {} : { baseMs: Duration.toMillis(options.backoff.base) }),
          ...(options.backoff.factor === undefined ? {} : { factor: options.backoff.factor }),
          ...(options.backoff.cap === undefined ? {} : { capMs: Duration.toMillis(options.backoff.cap) }),
          ...(options.backoff.jitter === undefined ? {} : { jitter: options.backoff.jitter })
        }
      })
})

/** Lays what is said later over what is said earlier, over the default. */
export const retryPolicy = (...layers: ReadonlyArray<RetryJson | undefined>): RetryPolicy =>
  layers.reduce<RetryPolicy>(
    (policy, layer) => ({
      attempts: layer?.attempts ?? policy.attempts,
      backoff: { ...policy.backoff, ...layer?.backoff }
    }),
    defaultRetry
  )

/**
 * The delay before the next attempt in milliseconds, or `undefined` when the attempts are spent. `failed` is how
 * many attempts have failed, this one included; `random` is in [0, 1).
 */
export const nextDelay = (policy: RetryPolicy, failed: number, random: number): number | undefined => {
  if (failed >= policy.attempts) return undefined
  const { baseMs, factor, capMs, jitter } = policy.backoff
  // 0 times a power too large for a number would be none.
  const delay = baseMs === 0 ? 0 : Math.min(capMs, baseMs * factor ** (failed - 1))
  return Math.round(jitter ? delay * random : delay)
}
