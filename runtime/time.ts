/**
 * A time as people and programs write it, in ISO 8601: a date, which begins at midnight, or a date and a time; in UTC, unless
 * it says how far from it.
 *
 * What JavaScript reads beyond that is refused: it takes "1" for a year, and a day that its month does not have for one of the
 * next month.
 */

/** Why a text is no time. */
export const timeExpected = "not a time in ISO 8601, such as 2030-01-31T09:00:00Z"

const form = /^(\d{4}-\d\d-\d\d)(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/i

/** Whether a text is a date, of a day that there is. */
export const isDate = (text: string): boolean => {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}

/** In Unix milliseconds; `undefined` for what is no time. */
export const readTime = (text: string): number | undefined => {
  const [, date, time, , , , zone] = form.exec(text) ?? []
  if (date === undefined || !isDate(date)) return undefined
  const millis = Date.parse(time === undefined || zone !== undefined ? text : `${text}Z`)
  return Number.isNaN(millis) ? undefined : millis
}
