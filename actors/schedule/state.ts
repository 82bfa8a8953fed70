/**
 * A schedule as it stands, how that is written, and how it changes: decisions over plain values. Times are Unix
 * milliseconds on the store's clock.
 */
import { Equal } from "effect"
import type { TaskId } from "../../runtime/task.ts"
import { type Definition, firstSlot } from "./definition.ts"
import { type Run, waitPollMs } from "./due.ts"

/** What became of a slot, or of several in a row. */
export interface SlotNote {
  readonly slot: number
  /** When that was decided. */
  readonly at: number
  /**
   * `submitted`: `task` was submitted. `missed`, `overlap`: it was passed over, since nobody could fire it in time, or
   * since an earlier run had not ended. `refused`: its task did not fit any more; `error` says why.
   */
  readonly outcome: "submitted" | "missed" | "overlap" | "refused"
  /** The last of several in a row that were passed over. */
  readonly to?: number
  readonly task?: TaskId
  readonly error?: string
  /** It was asked for by hand. */
  readonly manual?: true
}

export interface ScheduleState {
  readonly definition: Definition
  readonly paused: boolean
  readonly createdAt: number
  readonly updatedAt: number
  /** Since when its rule counts. */
  readonly since: number
  /** Its next slot, if there is one. */
  readonly slot?: number
  /** The latest slot that was handled. */
  readonly handled?: number
  /** The run that waits until the last one has ended. */
  readonly waiting?: Run
  /** The task of the last run. */
  readonly last?: TaskId
  readonly lastRun?: SlotNote
  /** When it had its last slot: nothing will come any more. */
  readonly over?: number
}

export const encodeState = (state: ScheduleState): string => JSON.stringify(state)

/** A text of ours always parses. */
export const decodeState = (text: string): ScheduleState => JSON.parse(text) as ScheduleState

export const encodeNote = (note: SlotNote): string => JSON.stringify(note)
export const decodeNote = (text: string): SlotNote => JSON.parse(text) as SlotNote

/** How far a clock may have been ahead for its slots to be remembered when an operator changes a schedule. */
const aheadMs = 3_600_000

/** Its next slot from now on, past those that a clock which was ahead has handled. */
const slotFrom = (
  { definition, handled = 0, since }: Pick<ScheduleState, "definition" | "handled" | "since">,
  now: number
) => firstSlot(definition, since, handled - now < aheadMs ? Math.max(now, handled) : now)

/** The same state with its next slot, or without any more. */
const withSlot = (state: ScheduleState, slot: number | undefined, now: number): ScheduleState => {
  const { over: _, slot: __, ...rest } = state
  if (slot !== undefined) return { ...rest, slot }
  return rest.paused || rest.waiting !== undefined ? rest : { ...rest, over: now }
}

export const begin = (definition: Definition, paused: boolean, now: number): ScheduleState => {
  const state = { definition, paused, createdAt: now, updatedAt: now, since: now }
  return paused ? state : withSlot(state, slotFrom(state, now), now)
}

const ruleFields = ["cron", "timeZone", "everyMs", "at", "startAt"] as const

const sameRule = (one: Definition, other: Definition) =>
  ruleFields.every((field) => one[field] === other[field])

/** Whether a definition says what a stored one does. */
export const sameDefinition = (stored: Definition, other: Definition): boolean =>
  Equal.equals(stored, JSON.parse(JSON.stringify(other)))

/** Another definition: a rule that stays the same keeps its next slot. */
export const redefine = (
  state: ScheduleState,
  definition: Definition,
  paused: boolean,
  now: number
): ScheduleState => {
  const same = sameRule(state.definition, definition)
  const next = { ...state, definition, updatedAt: now, since: same ? state.since : now }
  if (paused) return pause(next, now)
  if (same && !state.paused) return { ...next, paused }
  return withSlot({ ...next, paused }, slotFrom(next, now), now)
}

/** Slots that pass while it is paused are not made up for, and what waits is given up. */
export const pause = (state: ScheduleState, now: number): ScheduleState => {
  const { over: _, slot: __, waiting: ___, ...rest } = state
  return { ...rest, paused: true, updatedAt: now }
}

export const resume = (state: ScheduleState, now: number): ScheduleState =>
  state.paused ? withSlot({ ...state, paused: false, updatedAt: now }, slotFrom(state, now), now) : state

/** What a look at it has led to. */
export interface Step {
  readonly notes: ReadonlyArray<SlotNote>
  readonly waiting: Run | undefined
  readonly slot: number | undefined
}

export const advance = (state: ScheduleState, { notes, slot, waiting }: Step, now: number): ScheduleState => {
  const { waiting: _, ...rest } = state
  const ran = notes.findLast(({ outcome }) => outcome === "submitted" || outcome === "refused")
  const last = notes.findLast(({ task }) => task !== undefined)?.task
  const slots = notes.flatMap((note) => (note.manual === true ? [] : [note.to ?? note.slot]))
  if (waiting !== undefined && waiting.manual === undefined) slots.push(waiting.slot)
  const next: ScheduleState = {
    ...rest,
    ...(waiting === undefined ? {} : { waiting }),
    ...(ran === undefined ? {} : { lastRun: ran }),
    ...(last === undefined ? {} : { last }),
    ...(slots.length === 0 ? {} : { handled: Math.max(state.handled ?? 0, ...slots) })
  }
  return state.paused ? next : withSlot(next, slot, state.over ?? now)
}

/** When it is to be looked at next. One that is over goes when its results do. */
export const lookAt = (
  { over, paused, slot, waiting }: ScheduleState,
  now: number,
  retentionMs: number
): number | undefined => {
  if (over !== undefined) return over + retentionMs
  const wait = waiting === undefined ? undefined : now + waitPollMs
  if (paused || slot === undefined) return wait
  return wait === undefined ? slot : Math.min(slot, wait)
}
