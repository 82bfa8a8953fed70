/**
 * When a schedule is due: the slots of a rule, over plain values. Times are Unix milliseconds.
 *
 * A calendar rule (`cron`) is read on the clock of its time zone. When that clock is put forward, a slot in the hour that
 * does not exist comes later by as much as was left out, once: at 03:30 instead of 02:30. When it is put back, a rule that
 * names hours has its slots in the first of the two hours only; a rule for every hour (`*`) goes on through both.
 */
import { Cron, Result } from "effect"
import type { Fault } from "../../runtime/handler.ts"

export type Rule =
  | { readonly kind: "cron"; readonly cron: string; readonly timeZone: string }
  /** Every so many milliseconds, counted from `anchor`, which is a slot itself if nothing before it was. */
  | { readonly kind: "every"; readonly everyMs: number; readonly anchor: number }
  | { readonly kind: "at"; readonly at: number }

/** The shortest interval between two slots, in milliseconds. */
export const everyMinMs = 1_000

// ---------------------------------------------------------------------------------------------------------
// Calendars
// ---------------------------------------------------------------------------------------------------------

const hoursOfDay = 24

/** A rule for every hour would leave out an hour if it were told to have each slot once. */
const parse = (cron: string, timeZone: string): Result.Result<Cron.Cron, Cron.CronParseError> =>
  Result.map(Cron.parse(cron, timeZone), (once) =>
    once.hours.size === 0 || once.hours.size === hoursOfDay
      ? Result.getOrThrow(Cron.parse(cron, timeZone, { onDstOverlap: "both" }))
      : once
  )

/** Reading a rule takes longer than finding its next slot. */
const parsedMax = 1_000
const parsed = new Map<string, Cron.Cron>()

const cronOf = (cron: string, timeZone: string): Cron.Cron => {
  const name = `${timeZone} ${cron}`
  const there = parsed.get(name)
  if (there !== undefined) return there
  if (parsed.size >= parsedMax) parsed.clear()
  const made = Result.getOrThrow(parse(cron, timeZone))
  parsed.set(name, made)
  return made
}

const next = (cron: Cron.Cron, time: number) => Cron.next(cron, new Date(time)).getTime()

/**
 * The first slot after a time. Where the clock was put forward, what comes next depends on where one starts: a slot
 * that was moved out of the gap is only found from before it. So it starts at the slot before.
 */
const cronAfter = (cron: Cron.Cron, time: number): number => {
  let slot = next(cron, before(cron, time))
  while (slot <= time) slot = next(cron, slot)
  return slot
}

const before = (cron: Cron.Cron, time: number): number => {
  try {
    return Cron.prev(cron, new Date(time)).getTime()
  } catch {
    // The rule had none within the years that are looked at.
    return time
  }
}

/** Every fault of a calendar rule. `now` is where its first slot is looked for. */
export const faultsOfCron = (cron: string, timeZone: string, now: number): ReadonlyArray<Fault> => {
  const zone = Cron.parse("* * * * *", timeZone)
  if (Result.isFailure(zone)) {
    return [
      { path: "/timeZone", message: `there is no time zone "${timeZone}"; say one as in Europe/Berlin` }
    ]
  }
  const read = parse(cron, timeZone)
  if (Result.isFailure(read)) {
    const { input = "", message } = read.failure
    const fields = "five fields (minute hour day month weekday), or six with seconds first"
    return [{ path: "/cron", message: `${message}${input === cron ? "" : ` in "${input}"`}; give ${fields}` }]
  }
  try {
    next(read.success, now)
    return []
  } catch {
    return [{ path: "/cron", message: "never comes: no such day is in the calendar" }]
  }
}

// ---------------------------------------------------------------------------------------------------------
// Slots
// ---------------------------------------------------------------------------------------------------------

/** The first slot after a time; `undefined` when there is none. */
export const slotAfter = (rule: Rule, time: number): number | undefined => {
  switch (rule.kind) {
    case "cron":
      return cronAfter(cronOf(rule.cron, rule.timeZone), time)
    case "every": {
      const { anchor, everyMs } = rule
      return time < anchor ? anchor : anchor + (Math.floor((time - anchor) / everyMs) + 1) * everyMs
    }
    case "at":
      return time < rule.at ? rule.at : undefined
  }
}

/** The slot that follows a slot. */
export const nextSlot = (rule: Rule, slot: number): number | undefined =>
  rule.kind === "cron" ? next(cronOf(rule.cron, rule.timeZone), slot) : slotAfter(rule, slot)

/** Up to `count` slots from one on, none of them after `until`. */
export const slotsFrom = (
  rule: Rule,
  slot: number | undefined,
  count: number,
  until = Infinity
): ReadonlyArray<number> => {
  const slots: Array<number> = []
  for (let at = slot; at !== undefined && at <= until && slots.length < count; at = nextSlot(rule, at))
    slots.push(at)
  return slots
}

/**
 * The newest slots from one on up to a time, oldest first, `most` of them. After a long time there may be millions: it
 * does not go through them.
 */
export const slotsUpTo = (rule: Rule, slot: number, time: number, most: number): ReadonlyArray<number> => {
  const within = (from: number | undefined, count: number) => slotsFrom(rule, from, count, time)
  const first = within(slot, most + 1)
  if (first.length <= most) return first
  const from = Math.max(slot, early(rule, time, most))
  // Where the clock was put forward there may be some more than were counted backward.
  return within(from === slot ? slot : slotAfter(rule, from), 2 * most).slice(-most)
}

/** A time before the last `most` slots up to a time. */
const early = (rule: Rule, time: number, most: number): number => {
  switch (rule.kind) {
    case "cron": {
      const cron = cronOf(rule.cron, rule.timeZone)
      let at = time + 1
      for (let steps = 0; steps <= most; steps++) at = before(cron, at)
      return at
    }
    case "every":
      return time - (most + 1) * rule.everyMs
    case "at":
      return rule.at
  }
}
