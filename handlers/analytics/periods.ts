/**
 * Hours, and the days of a time zone, as spans of Unix milliseconds. Decisions over plain values.
 *
 * A day lasts from one midnight of its zone to the next: 23 or 25 hours where clocks change, and where a zone is half an
 * hour apart, not on the hours of UTC. All zones change at whole quarters of an hour.
 */
import { DateTime, Option } from "effect"

/** From the first, and before the second. */
export interface Span {
  readonly from: number
  readonly to: number
}

export const hourMs = 3_600_000
export const quarterMs = hourMs / 4

export const hourOf = (at: number): number => Math.floor(at / hourMs) * hourMs

/** As `2026-11-22t14`, in UTC. */
export const hourName = (hour: number): string => new Date(hour).toISOString().slice(0, 13).toLowerCase()

/** The hours of UTC that have a part in a span. */
export const hoursIn = ({ from, to }: Span): ReadonlyArray<number> => {
  const hours: Array<number> = []
  for (let hour = hourOf(from); hour < to; hour += hourMs) hours.push(hour)
  return hours
}

export const isTimeZone = (zone: string): boolean => Option.isSome(DateTime.zoneMakeNamed(zone))

/** The date of a moment where a zone's clocks hang. */
export const dateIn = (zone: string, at: number): string =>
  DateTime.formatIsoDate(DateTime.makeZonedUnsafe(at, { timeZone: zone }))

/** So many days after a date, or before it. */
export const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * 24 * hourMs).toISOString().slice(0, 10)

/** When a date begins in a zone. Where a clock skips midnight, it begins when the clock goes on. */
export const midnight = (zone: string, date: string): number =>
  DateTime.toEpochMillis(
    DateTime.makeZonedUnsafe(`${date}T00:00:00.000Z`, { timeZone: zone, adjustForTimeZone: true })
  )

export const dayIn = (zone: string, date: string): Span => ({
  from: midnight(zone, date),
  to: midnight(zone, dateAfter(date, 1))
})

/** The dates from one on and before another. */
export const datesBetween = (from: string, before: string): ReadonlyArray<string> => {
  const dates: Array<string> = []
  for (let date = from; date < before; date = dateAfter(date, 1)) dates.push(date)
  return dates
}

/** The last whole day, week (from Monday) or month before a moment, as the dates it goes from and ends before. */
export const lastWhole = (
  period: "day" | "week" | "month",
  zone: string,
  at: number
): { readonly from: string; readonly before: string } => {
  const today = dateIn(zone, at)
  if (period === "day") return { from: dateAfter(today, -1), before: today }
  if (period === "week") {
    const monday = dateAfter(today, -((new Date(`${today}T00:00:00Z`).getUTCDay() + 6) % 7))
    return { from: dateAfter(monday, -7), before: monday }
  }
  const first = `${today.slice(0, 7)}-01`
  return { from: `${dateAfter(first, -1).slice(0, 7)}-01`, before: first }
}
