/**
 * Makes of what was decided for a schedule the one change that does it: its next state, what became of its slots, and the
 * tasks that are owed from then on.
 */
import { Effect } from "effect"
import type { UnknownHandler } from "../../runtime/registry.ts"
import type { Change, StoredSchedule } from "../../runtime/schedules.ts"
import type { Span } from "../../runtime/telemetry/tracing.ts"
import type { Decision } from "./due.ts"
import type { makeSlotTasks, SlotTask } from "./slot-task.ts"
import { advance, encodeNote, encodeState, lookAt, type ScheduleState, type SlotNote } from "./state.ts"

/** A version that no other change has. */
export const freshVersion = (): string => crypto.randomUUID().slice(0, 13)

/** A change of what a schedule is, without runs. */
export const changeTo = (
  { id, version }: { readonly id: string; readonly version: string | undefined },
  state: ScheduleState,
  now: number,
  retentionMs: number
): Change => ({
  id,
  from: version,
  to: { version: freshVersion(), text: encodeState(state), lookAt: lookAt(state, now, retentionMs) },
  slot: undefined,
  notes: [],
  submits: []
})

/** A change that fires, and what became of each slot. */
export interface Firing {
  readonly change: Change
  readonly notes: ReadonlyArray<SlotNote>
  /** The slots as spans, to be ended once the change is made. */
  readonly spans: ReadonlyArray<Span>
}

type Ready = { readonly note: SlotNote; readonly owed: SlotTask | undefined }

export const fire = Effect.fnUntraced(function* (
  stored: StoredSchedule,
  state: ScheduleState,
  decision: Decision & { readonly slot: number | undefined },
  {
    now,
    retentionMs,
    tasks
  }: {
    readonly now: number
    readonly retentionMs: number
    readonly tasks: Effect.Success<typeof makeSlotTasks>
  }
): Effect.fn.Return<Firing, UnknownHandler> {
  const ready: ReadonlyArray<Ready> = yield* Effect.forEach(decision.fire, (run) => {
    const byHand = run.manual === undefined ? {} : ({ manual: true } as const)
    const note = { slot: run.slot, at: now, ...byHand }
    return tasks.of(stored.id, state.definition, run, now).pipe(
      Effect.map((owed): Ready => ({ owed, note: { ...note, outcome: "submitted", task: owed.id } })),
      // What its handler does not take any more costs it this run, and not the next one.
      Effect.catchTag("ScheduleRefused", ({ message }) =>
        Effect.succeed<Ready>({
          owed: undefined,
          note: { ...note, outcome: "refused", error: message.slice(0, 1_000) }
        })
      )
    )
  })
  const passed = decision.passed.map(({ from, manual, to, why }): SlotNote => ({
    slot: from,
    at: now,
    outcome: why,
    ...(to === from ? {} : { to }),
    ...(manual === undefined ? {} : { manual: true })
  }))
  const notes = [...passed, ...ready.map(({ note }) => note)].sort((one, other) => one.slot - other.slot)
  const next = advance(state, { notes, slot: decision.slot, waiting: decision.waiting }, now)
  const isManual = decision.fire.every(({ manual }) => manual !== undefined)
  const change = changeTo(stored, next, now, retentionMs)
  return {
    notes,
    spans: ready.flatMap(({ owed }) => owed?.span ?? []),
    change: {
      ...change,
      slot: isManual ? undefined : Math.max(...decision.fire.map(({ slot }) => slot)),
      notes: notes.map(encodeNote),
      submits: ready.flatMap(({ owed }) =>
        owed === undefined ? [] : [{ partition: owed.partition, task: owed.task }]
      )
    }
  }
})
