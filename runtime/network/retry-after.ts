/**
 * What a server says of when to come back: the header `Retry-After`, whole seconds or a date, and nothing else (RFC 9110,
 * section 10.2.3). What a lenient reader makes of `2.5` or `-1` is a day of 2001, which is past: it would ask again at once.
 */

const wholeSeconds = /^\d+$/

/** As HTTP writes a date today, and as it did in two ways before. */
const dates = [
  /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
  /^[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/
]

/** In milliseconds, from 0 to `maxMs`; nothing where the header is absent or says neither. `now` in Unix milliseconds. */
export const retryAfterMs = (header: string | null, now: number, maxMs: number): number | undefined => {
  if (header === null) return undefined
  const ms = wholeSeconds.test(header) ? Number(header) * 1_000 : dateOf(header) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), maxMs)
}

/** In Unix milliseconds; no number where it is no date. The last of the three leaves out that it is GMT. */
const dateOf = (text: string): number =>
  dates.some((date) => date.test(text)) ? Date.parse(text.endsWith("GMT") ? text : `${text} GMT`) : Number.NaN
