/**
 * What a provider's failure means for the run that asked it: decided over plain values.
 *
 * A refusal that stays is fatal. One that says when to come back pauses everybody who uses the limit `model` until then.
 * All else may pass, and is tried again as the retry policy says.
 */
import { Schema } from "effect"
import { Fatal, RetryAfter } from "../../runtime/handler.ts"
import { pauseOf } from "../pause/retry-after.ts"

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

/**
 * The request is left out of what is said: it holds the documents. `now` in Unix milliseconds; `withoutKey` takes the key out of
 * what the provider says, which may say back what it was sent.
 */
export const failureOf = (
  model: string,
  cause: unknown,
  now: number,
  withoutKey: (text: string) => string = (text) => text
): ModelFailure => {
  const reason = withoutKey(cause instanceof Error ? cause.message : String(cause))
  const { isRetryable, responseHeaders, statusCode } = cause as {
    readonly isRetryable?: unknown
    readonly statusCode?: unknown
    readonly responseHeaders?: Readonly<Record<string, string>>
  }
  if (typeof statusCode !== "number") return new ProviderUnavailable({ model, reason })
  const headers = responseHeaders ?? {}
  const says = headers["retry-after-ms"] !== undefined || headers["retry-after"] !== undefined
  if (says && (statusCode === 429 || statusCode >= 500)) {
    const afterMs = pauseOf(headers, now)
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
