/**
 * When a failed attempt is tried again: a decision over plain values, without a clock.
 *
 * The words are the field's: `attempts` counts the first try, backoff is exponential with a cap, and jitter is
 * "full" (a random part of the whole delay), which spreads a crowd that failed together best. Source: AWS
 * Architecture Blog, "Exponential Backoff And Jitter", 2015.
 *
 * Only failures that count use up attempts. A worker's death, a run that was handed back, a snooze and a run that
 * ended to wait for its children do not, though each makes the next run's number greater: see `lastRun`.
 */
import { Duration, Schema } from "effect"
import { millisOf } from "./duration.ts"
import type { TaskError } from "./task-error.ts"

export interface Backoff {
  /** Delay before the second attempt, in milliseconds. */
  readonly baseMs: number
  /** Each further delay is this many times the one before. */
  readonly factor: number
  /** No delay is longer, in milliseconds. Where only a longer base is said, it is as long as that. */
  readonly capMs: number
  /** Whether the delay is a random time between 0 and what was computed. */
  readonly jitter: boolean
  /** Every delay is exactly this long, in milliseconds; nothing of the above counts then. */
  readonly fixedMs?: number
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

/** The longest delay before a retry, in milliseconds: a week. */
export const retryDelayMaxMs = 7 * 86_400_000

/** A retry policy as callers write it, all parts optional; durations as Effect writes them or in milliseconds. */
export interface RetryOptions {
  /** Runs that may fail, the first included. Default 3. */
  readonly attempts?: number
  /** Exponential, from 1 second by 2 up to a minute, with jitter; or always the same. */
  readonly backoff?: ExponentialOptions | FixedOptions
}

interface ExponentialOptions {
  readonly base?: Duration.Input
  readonly factor?: number
  readonly cap?: Duration.Input
  readonly jitter?: boolean
  readonly fixed?: never
}

interface FixedOptions {
  /** Every delay is exactly this long. */
  readonly fixed: Duration.Input
}

/**
 * Gives the delay after a failure. `failed` is how many attempts have failed, this one included; `error` is what is
 * kept of this failure. One that throws, or gives no duration, is passed over for the backoff that would be there
 * without it.
 */
export type BackoffFunction = (failed: number, error: TaskError) => Duration.Input

/** The same of a handler, which is code and so may also say it by a function. */
export interface HandlerRetryOptions extends Omit<RetryOptions, "backoff"> {
  readonly backoff?: RetryOptions["backoff"] | BackoffFunction
}

/** A fixed delay and what would make it grow leave each other out. */
const eitherBackoff = (backoff: object) =>
  "fixedMs" in backoff && Object.keys(backoff).length > 1
    ? { path: ["fixedMs"], issue: "give either this, or baseMs, factor, capMs and jitter" }
    : undefined

/** The same over HTTP, where durations are milliseconds and end in `Ms`. */
export const RetryJson = Schema.Struct({
  attempts: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  backoff: Schema.optionalKey(
    Schema.Struct({
      baseMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))),
      factor: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
      capMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: retryDelayMaxMs }))),
      jitter: Schema.optionalKey(Schema.Boolean),
      /** In place of all of these. */
      fixedMs: Schema.optionalKey(
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: retryDelayMaxMs }))
      )
    }).check(Schema.makeFilter(eitherBackoff))
  )
})
export type RetryJson = typeof RetryJson.Type

const backoffJson = (backoff: ExponentialOptions | FixedOptions): NonNullable<RetryJson["backoff"]> => {
  if (backoff.fixed !== undefined) return { fixedMs: Duration.toMillis(backoff.fixed) }
  return {
    ...(backoff.base === undefined ? {} : { baseMs: Duration.toMillis(backoff.base) }),
    ...(backoff.factor === undefined ? {} : { factor: backoff.factor }),
    ...(backoff.cap === undefined ? {} : { capMs: Duration.toMillis(backoff.cap) }),
    ...(backoff.jitter === undefined ? {} : { jitter: backoff.jitter })
  }
}

/** A function is left out: it stays with its handler. */
export const retryJson = (options: HandlerRetryOptions): RetryJson => ({
  ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
  ...(options.backoff === undefined || typeof options.backoff === "function"
    ? {}
    : { backoff: backoffJson(options.backoff) })
})

/** Whether a backoff is said, in part or as a whole: it then counts before a handler's function. */
export const saysBackoff = (retry: RetryJson | undefined): boolean =>
  retry?.backoff !== undefined && Object.keys(retry.backoff).length > 0

/**
 * A fixed delay takes the place of an exponential one that was said before it, and the other way round. A base that is
 * longer than the cap before it lifts that one: who wants to wait for an hour has said so.
 */
const layBackoff = (under: Backoff, over: RetryJson["backoff"]): Backoff => {
  if (over === undefined || Object.keys(over).length === 0) return under
  const { fixedMs: _, ...exponential } = under
  return { ...exponential, capMs: Math.max(under.capMs, over.baseMs ?? 0), ...over }
}

/** Lays what is said later over what is said earlier, over the default. */
export const retryPolicy = (...layers: ReadonlyArray<RetryJson | undefined>): RetryPolicy =>
  layers.reduce<RetryPolicy>(
    (policy, layer) => ({
      attempts: layer?.attempts ?? policy.attempts,
      backoff: layBackoff(policy.backoff, layer?.backoff)
    }),
    defaultRetry
  )

/**
 * The delay before the next attempt in milliseconds, or `undefined` when the attempts are spent. `failed` is how
 * many attempts have failed, this one included; `random` is in [0, 1).
 */
export const nextDelay = (policy: RetryPolicy, failed: number, random: number): number | undefined => {
  if (failed >= policy.attempts) return undefined
  const { baseMs, capMs, factor, fixedMs, jitter } = policy.backoff
  if (fixedMs !== undefined) return fixedMs
  // 0 times a power too large for a number would be none.
  const delay = baseMs === 0 ? 0 : Math.min(capMs, baseMs * factor ** (failed - 1))
  return Math.round(jitter ? delay * random : delay)
}

/** What a function says, in whole milliseconds from 0 to `retryDelayMaxMs`; `undefined` when that is no duration. */
export const delayFrom = (backoff: BackoffFunction, failed: number, error: TaskError): number | undefined => {
  try {
    const millis = millisOf(backoff(failed, error))
    return millis === undefined ? undefined : Math.round(Math.min(Math.max(millis, 0), retryDelayMaxMs))
  } catch {
    return undefined
  }
}

/**
 * The number of the run whose failure would be the task's, as things stand: "attempt 2 of 3". `run` is its newest run,
 * and `failed` how many before that one have failed and count. A run that was lost, handed back, snoozed or ended to
 * wait moves it up by one, so that no run is ever above it.
 */
export const lastRun = (policy: RetryPolicy, run: number, failed: number): number =>
  Math.max(run, policy.attempts + run - 1 - failed)
