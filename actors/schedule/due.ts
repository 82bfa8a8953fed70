/**
 * What is to be done with a schedule that is due: which of its slots are run, which wait, and which are passed over. A
 * decision over plain values; times are Unix milliseconds on the store's clock.
 *
 * A slot is handled once: `next` lies after all that are named here. A clock that goes back finds them handled; one that
 * goes forward finds slots that are late, and for those the missed-run policy speaks.
 */
import { nextSlot, type Rule, slotsUpTo } from "./rule.ts"

/** What becomes of slots that nobody could fire in time. */
export const missedPolicies = ["skip", "run-once", "run-all"] as const
/** What becomes of slots that nobody was there for: none is run, one, or all, up to 100 of them. Default: `run-once`. */
export type MissedPolicy = (typeof missedPolicies)[number]

/** What becomes of a slot while the task of an earlier one has not ended. */
export const overlapPolicies = ["allow", "skip", "queue", "cancel"] as const
/**
 * What becomes of a slot while the last run has not ended: it runs beside it, is left out, waits, or takes its place.
 * Default: `allow`.
 */
export type OverlapPolicy = (typeof overlapPolicies)[number]

/** A slot that is fired later than this was missed, in milliseconds: longer than schedulers sleep. */
export const lateAfterMs = 15_000

/** How many missed slots `run-all` runs at most; the newest ones. */
export const missedRunsMax = 100

/** How many slots are fired in one go. The others follow at once. */
export const firedAtOnce = 25

/** How soon it is looked again whether the task has ended that a slot waits for, in milliseconds. */
export const waitPollMs = 1_000

/** A slot that is to be run. One that was asked for by hand has a text that no other has. */
export interface Run {
  readonly slot: number
  readonly manual?: string
}

/** Slots that are not run, and why: they were missed, or an earlier run had not ended. */
export interface Passed {
  readonly why: "missed" | "overlap"
  readonly from: number
  readonly to: number
  readonly manual?: string
}

export interface Standing {
  readonly rule: Rule
  readonly missed: MissedPolicy
  readonly overlap: OverlapPolicy
  /** Its next slot, if it has one. */
  readonly slot: number | undefined
  /** The run that waits for the last one to end. */
  readonly waiting: Run | undefined
  /** Whether the task of its last run has not ended. */
  readonly lives: boolean
}

export interface Decision {
  /** Oldest first. */
  readonly fire: ReadonlyArray<Run>
  readonly waiting: Run | undefined
  readonly passed: ReadonlyArray<Passed>
  /** Whether the task of the last run is to be cancelled before. */
  readonly cancel: boolean
}

/** What the overlap policy makes of runs that are wanted now, oldest first. */
export const overlapping = (
  wanted: ReadonlyArray<Run>,
  { lives, overlap }: Pick<Standing, "lives" | "overlap">
): Decision => {
  const pass = (runs: ReadonlyArray<Run>) =>
    runs.map(({ slot, ...run }): Passed => ({ why: "overlap", from: slot, to: slot, ...run }))
  const [first, second] = wanted
  const none = { waiting: undefined, passed: [], cancel: false }
  if (first === undefined) return { ...none, fire: [] }
  switch (overlap) {
    case "allow":
      return { ...none, fire: wanted }
    case "skip":
      return lives
        ? { ...none, fire: [], passed: pass(wanted) }
        : { ...none, fire: [first], passed: pass(wanted.slice(1)) }
    case "queue":
      return lives
        ? { ...none, fire: [], waiting: first, passed: pass(wanted.slice(1)) }
        : { ...none, fire: [first], waiting: second, passed: pass(wanted.slice(2)) }
    case "cancel":
      return { ...none, fire: wanted.slice(-1), passed: pass(wanted.slice(0, -1)), cancel: lives }
  }
}

/** Of the slots that have come, oldest first, those that the missed-run policy lets run. */
const inTime = (slots: ReadonlyArray<number>, missed: MissedPolicy, now: number): ReadonlyArray<number> => {
  const fresh = slots.filter((slot) => now - slot <= lateAfterMs)
  switch (missed) {
    case "skip":
      return fresh
    case "run-once":
      // One that is in time stands for those that were missed.
      return fresh.length > 0 ? fresh : slots.slice(-1)
    case "run-all":
      return slots.slice(-missedRunsMax)
  }
}

/** What is to be done now, and the slot that comes after. */
export const decide = (standing: Standing, now: number): Decision & { readonly slot: number | undefined } => {
  const { missed, overlap, rule, slot, waiting } = standing
  // One more than may be run: the last of those that are too old.
  const due = slot === undefined || slot > now ? [] : slotsUpTo(rule, slot, now, missedRunsMax + 1)
  const latest = due.at(-1)
  const runs = inTime(due, missed, now)
  // What is too much for one go stays due.
  const some = overlap === "allow" ? runs.slice(0, firedAtOnce) : runs
  const wanted = some.map((slot): Run => ({ slot }))
  const decision = overlapping(waiting === undefined ? wanted : [waiting, ...wanted], standing)
  const late = due[due.length - runs.length - 1]
  const passed: ReadonlyArray<Passed> =
    slot === undefined || late === undefined ? [] : [{ why: "missed", from: slot, to: late }]
  return {
    ...decision,
    passed: [...passed, ...decision.passed],
    slot: runs[some.length] ?? (latest === undefined ? slot : nextSlot(rule, latest))
  }
}
