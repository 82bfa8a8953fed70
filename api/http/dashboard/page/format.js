/** Numbers, times and texts as people read them. */

const numbers = new Intl.NumberFormat("en")

export const count = (number) => numbers.format(number)

/** `1 task`, `2 tasks`. */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`

const rounded = (number, digits) => String(Number(number.toFixed(digits)))

/** A rate: what is below ten has a digit after the point. */
export const rate = (number) => (number < 10 ? rounded(number, 1) : count(Math.round(number)))

export const percent = (fraction) =>
  // What is not all is never said to be.
  fraction < 1 && fraction > 0.999 ? "99.9 %" : `${rounded(fraction * 100, 1)} %`

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

export const bytes = (number) => {
  const power = number < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(number) / 10))
  return `${rounded(number / 1024 ** power, power === 0 ? 0 : 1)} ${units[power]}`
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const twoParts = (ms, large, largeName, small, smallName) => {
  const whole = Math.floor(ms / large)
  const rest = Math.floor((ms % large) / small)
  return rest === 0 ? `${whole} ${largeName}` : `${whole} ${largeName} ${rest} ${smallName}`
}

/** How long something took: `812 ms`, `5.2 s`, `3 min 10 s`, `2 h 5 min`, `4 d 3 h`. */
export const duration = (ms) => {
  if (ms < second) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 10 * second) return `${rounded(Math.floor(ms / 100) / 10, 1)} s`
  if (ms < minute) return `${Math.floor(ms / second)} s`
  if (ms < hour) return twoParts(ms, minute, "min", second, "s")
  if (ms < day) return twoParts(ms, hour, "h", minute, "min")
  return twoParts(ms, day, "d", hour, "h")
}

/** How long ago something was, or how soon it will be, from one time in Unix milliseconds to another. */
export const away = (at, now) => {
  const ms = at - now
  if (Math.abs(ms) < second) return "now"
  return ms < 0 ? `${duration(Math.floor(-ms / second) * second)} ago` : `in ${duration(ms)}`
}

/** A time on the reader's clock: without its day where that is today's. */
export const clockTime = (iso, now, timeZone) => {
  const zoned = timeZone === undefined ? {} : { timeZone }
  const dayOf = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", ...zoned })
  const at = new Date(iso)
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", ...zoned }).format(at)
  const date = dayOf.format(at)
  return date === dayOf.format(new Date(now)) ? time : `${date}, ${time}`
}

/** The last letters of a task's id, which tell it from its neighbours. */
export const shortId = (id) => (id.length > 8 ? `…${id.slice(-8)}` : id)

/** A text that may be very long, and how many characters of it are left out. */
export const cut = (text, max) =>
  text.length <= max ? { text, left: 0 } : { text: text.slice(0, max), left: text.length - max }

/** Any JSON value, to be read. */
export const json = (value) => (value === undefined ? "" : JSON.stringify(value, null, 2))

/** A time in UTC as a field for local times has it, and back; empty where there is none. */
export const localField = (iso) => {
  const at = new Date(iso ?? "")
  if (Number.isNaN(at.getTime())) return ""
  return new Date(at.getTime() - at.getTimezoneOffset() * minute).toISOString().slice(0, 16)
}
export const fromLocalField = (text) => {
  const at = new Date(text)
  return text === "" || Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}
