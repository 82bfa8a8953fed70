/**
 * What a provider's failure means for the run that asked it: decided over plain values.
 *
 * A refusal that stays is fatal. One that says when to come back pauses everybody who uses the limit `model` until then.
 * All else may pass, and is tried again as the retry policy says.
 */
import { Schema } from "effect"
import { Fatal, RetryAfter } from "../../runtime/handler.ts"

/** The limit that runs of models share, so that one who is told to wait lets all others wait. */
export const modelLimit = "model"

/** The provider cannot answer now: it is down, over its limit, stalls, or broke off. Worth another try later. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  model: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.model}: ${this.reason}`
  }
}

/** Why a model gave no answer. */
export type ModelFailure = Fatal | RetryAfter | ProviderUnavailable

/** A provider that says to come back later than this is asked then all the same. */
const retryAfterMaxMs = 24 * 3_600_000

/** The request is left out of what is said: it holds the documents. `now` in Unix milliseconds. */
export const failureOf = (model: string, cause: unknown, now: number): ModelFailure => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const { isRetryable, responseHeaders, statusCode } = cause as {
    readonly isRetryable?: unknown
    readonly statusCode?: unknown
    readonly responseHeaders?: Readonly<Record<string, string>>
  }
  if (typeof statusCode !== "number") return new ProviderUnavailable({ model, reason })
  const afterMs = retryAfterMs(responseHeaders ?? {}, now)
  if (afterMs !== undefined && (statusCode === 429 || statusCode >= 500)) {
    return new RetryAfter(afterMs, {
      message: `${model}: the provider answered ${statusCode} and asks to wait ${afterMs} ms: ${reason}`,
      limit: modelLimit,
      // Waiting one's turn is no failed try; a provider that is down has failed one.
      counted: statusCode !== 429
    })
  }
  return statusCode >= 400 && statusCode < 500 && isRetryable !== true
    ? new Fatal(`${model}: the provider answered ${statusCode}: ${reason}`, { type: "ProviderRefused" })
    : new ProviderUnavailable({ model, reason })
}

/** How long an answer asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date. */
export const retryAfterMs = (headers: Readonly<Record<string, string>>, now: number): number | undefined => {
  const millis = Number.parseFloat(headers["retry-after-ms"] ?? "")
  const said = headers["retry-after"] ?? ""
  const after = !Number.isNaN(millis)
    ? millis
    : /^\s*\d+(\.\d+)?\s*$/.test(said)
      ? Number.parseFloat(said) * 1_000
      : Date.parse(said) - now
  return Number.isNaN(after) ? undefined : Math.min(Math.max(0, Math.ceil(after)), retryAfterMaxMs)
}
