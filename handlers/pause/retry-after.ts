/** For how long a service wants to be left alone that answers 429. */
import { retryAfterMs } from "../../runtime/network/retry-after.ts"

/** Where it does not say. */
const pauseDefaultMs = 10_000

/** Waiting uses up no attempt, so nothing else would end the asking of a service that says 0. */
const pauseMinMs = 1_000

const pauseMaxMs = 3_600_000

/** In milliseconds. It says milliseconds, seconds or a date; `now` is in Unix milliseconds, and names are in lower case. */
export const pauseOf = (headers: Readonly<Record<string, string>>, now: number): number => {
  const said =
    millisOf(headers["retry-after-ms"] ?? "") ??
    retryAfterMs(headers["retry-after"] ?? null, now, pauseMaxMs) ??
    pauseDefaultMs
  return Math.min(pauseMaxMs, Math.max(pauseMinMs, said))
}

/** What providers of models send beside the header that all know. */
const millisOf = (text: string): number | undefined =>
  /^\d+(\.\d+)?$/.test(text) ? Math.ceil(Number(text)) : undefined
