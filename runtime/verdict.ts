/**
 * What a run may say by failing, beside an ordinary error, which is tried again as the retry policy says.
 *
 * A plain handler throws them; one in Effect fails with them.
 */
import type { Duration } from "effect"
import { millisOf, written } from "./duration.ts"

/** This input can never succeed. The task fails at once, whatever attempts it has left. */
export class Fatal extends Error {
  override readonly name: string

  /** `type` names the kind of failure in the task's record; default `Fatal`. */
  constructor(message: string, options?: ErrorOptions & { readonly type?: string }) {
    super(message, options)
    this.name = options?.type ?? "Fatal"
  }
}

/** The longest a run may ask to be left alone: ten years. */
const delayMaxMs = 3_650 * 86_400_000

/** In whole milliseconds. Throws `TypeError` on what is no duration from 0 to `delayMaxMs`. */
const millis = (who: string, duration: Duration.Input): number => {
  const millis = millisOf(duration)
  if (millis === undefined || millis < 0 || millis > delayMaxMs) {
    throw new TypeError(`${who}: ${written(duration)} is no duration of at most ten years`)
  }
  return Math.ceil(millis)
}

/**
 * Not now: try again after this long, exactly, as when a service answers 429 with `Retry-After`. It is a failed
 * attempt like any other, and the last one fails the task; with `counted: false` it uses up no attempt, and the task
 * goes on for as long as this is said.
 */
export class RetryAfter extends Error {
  override readonly name = "RetryAfter"
  readonly afterMs: number
  readonly counted: boolean
  readonly limit: string | false | undefined

  constructor(
    duration: Duration.Input,
    options: {
      readonly message?: string
      readonly cause?: unknown
      /** Whether it uses up an attempt. Default: it does. */
      readonly counted?: boolean
      /**
       * The limit that nobody may use until then. Default: all limits of the handler, since it is their service that
       * said so. `false`: none, where only this task is to wait.
       */
      readonly limit?: string | false
    } = {}
  ) {
    const afterMs = millis("RetryAfter", duration)
    super(
      options.message ?? `asked to try again after ${afterMs} ms`,
      options.cause === undefined ? undefined : { cause: options.cause }
    )
    this.afterMs = afterMs
    this.counted = options.counted ?? true
    this.limit = options.limit
  }
}

/** There is nothing to do yet: run again after this long. It is no failure, uses up no attempt and leaves no error. */
export class Snooze extends Error {
  override readonly name = "Snooze"
  readonly afterMs: number

  constructor(duration: Duration.Input) {
    const afterMs = millis("Snooze", duration)
    super(`runs again after ${afterMs} ms`)
    this.afterMs = afterMs
  }
}
