/** For how long a service wants to be left alone that answers 429. */

/** Where it does not say. */
const pauseDefaultMs = 10_000

const pauseMaxMs = 3_600_000

/** In milliseconds. It says seconds, milliseconds or a date; `now` is in Unix milliseconds, and names are in lower case. */
export const pauseOf = (headers: Readonly<Record<string, string>>, now: number): number => {
  const millis = Number.parseFloat(headers["retry-after-ms"] ?? "")
  const text = headers["retry-after"] ?? ""
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  const said = [millis, seconds].find((one) => Number.isFinite(one))
  return said === undefined ? pauseDefaultMs : Math.min(pauseMaxMs, Math.max(0, Math.ceil(said)))
}
