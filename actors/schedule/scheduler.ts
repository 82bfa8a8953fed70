/**
 * Fires the schedules that are due.
 *
 * Every worker process runs one. They need no leader: whoever is first changes the schedule and owes its task in one
 * step, and the others find it changed. What is owed lies in the outbox of the schedules' partition, and is relayed by
 * whichever scheduler comes next, also when the one that fired has died. It sleeps until the next slot, and a few
 * seconds at most; a schedule that is created wakes one.
 */
import { Cause, Duration, Effect, Random, Schedule } from "effect"
import { defineActor } from "../../runtime/actor/definition.ts"
import { Settings } from "../../runtime/config.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import {
  type Due,
  Schedules,
  schedulesAtOnce,
  schedulesOfAllMax,
  schedulesPartition,
  type StoredSchedule
} from "../../runtime/schedules.ts"
import { Store, type StoreError } from "../../runtime/store.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { describe } from "../../runtime/fault.ts"
import { type Complaint, Complaints } from "../../runtime/telemetry/complaints.ts"
import { makeTally } from "../tally.ts"
import { relay } from "../work/relay.ts"
import { decide } from "./due.ts"
import { fire } from "./firing.ts"
import { ruleOf } from "./definition.ts"
import { makeSlotTasks } from "./slot-task.ts"
import { decodeState } from "./state.ts"

/** How long it waits after a pass that failed, in milliseconds. */
const afterFailureMs = 1_000

/** How many schedules it remembers to have complained of. */
const complaintsMax = 1_000

/** Why a running task is cancelled by the overlap policy `cancel`. */
const overtaken = (id: string) => `the next run of its schedule ${id} takes its place`

/** Carries away what is owed. */
export const relayOwed = relay(schedulesPartition)

/** Whether a task that was submitted has not ended. */
export const lives = Effect.fnUntraced(function* (id: TaskId | undefined) {
  if (id === undefined) return false
  const [record] = yield* Store.use((store) => store.ended(partitionOfId(id), [ulidOfId(id)]))
  return record === true
})

/** Whether a schedule that was looked at needs no further look now. */
type Looked = "done" | "still due"

export const makeScheduler = Effect.gen(function* () {
  const schedules = yield* Schedules
  const store = yield* Store
  const retentionMs = Duration.toMillis((yield* Settings).retention)
  const tasks = yield* makeSlotTasks
  const tally = yield* makeTally
  const random = yield* Random.Random
  /** Schedules that cannot be fired here, by what was last said of them. */
  const complaints = new Map<string, string>()

  const complain = (id: string, what: string) =>
    Effect.suspend(() => {
      if (complaints.get(id) === what) return Effect.void
      if (complaints.size >= complaintsMax) complaints.clear()
      complaints.set(id, what)
      return Effect.logWarning(`schedule ${id} ${what}`)
    })

  const look = Effect.fnUntraced(function* (
    stored: StoredSchedule,
    now: number
  ): Effect.fn.Return<Looked, StoreError | UnknownHandler> {
    const { id } = stored
    const state = decodeState(stored.text)
    if (state.over !== undefined && state.waiting === undefined) {
      const gone = { id, from: stored.version, to: undefined, slot: undefined, notes: [], submits: [] }
      yield* schedules.change(gone)
      return "done"
    }
    const { missed, overlap } = state.definition
    const decision = decide(
      {
        rule: ruleOf(state.definition, state.since),
        missed,
        overlap,
        slot: state.slot,
        waiting: state.waiting,
        lives: overlap !== "allow" && (yield* Effect.provideService(lives(state.last), Store, store))
      },
      now
    )
    const { change, notes, spans } = yield* fire(stored, state, decision, { now, retentionMs, tasks })
    // Before, so that whoever dies in between leaves no two of them running.
    if (decision.cancel && state.last !== undefined && change.submits.length > 0) {
      yield* store.cancel(partitionOfId(state.last), ulidOfId(state.last), overtaken(id))
    }
    const changed = yield* schedules.change(change)
    if (changed === "early") return "still due"
    complaints.delete(id)
    if (changed !== "changed") return "done"
    for (const span of spans) span.end()
    for (const { partition } of change.submits) tally.submitted(partition, 1)
    for (const { error, outcome, slot } of notes) {
      const time = new Date(slot).toISOString()
      if (outcome === "refused") yield* Effect.logWarning(`schedule ${id} could not run at ${time}: ${error}`)
      else if (outcome === "missed") yield* Effect.logWarning(`schedule ${id} has missed its slot at ${time}`)
    }
    return "done"
  })

  /** One schedule that cannot be fired does not keep the others from it. */
  const lookAlone = (stored: StoredSchedule, now: number): Effect.Effect<Looked, StoreError> =>
    look(stored, now).pipe(
      Effect.catchTag("UnknownHandler", ({ message }) =>
        Effect.as(
          complain(stored.id, `waits for a process that can fire it: here ${message}`),
          "still due" as const
        )
      ),
      Effect.catchDefect((defect) =>
        Effect.as(complain(stored.id, `cannot be fired: ${describe(defect).message}`), "still due" as const)
      )
    )

  /** What is due, with nothing owed: what a run's task is can be told only when it was stored. */
  const settled = Effect.fnUntraced(function* (
    skip: number
  ): Effect.fn.Return<Due, Effect.Error<typeof relayOwed>> {
    let due = yield* schedules.due(skip)
    while (due.outbox) {
      yield* Effect.provideService(relayOwed, Store, store)
      due = yield* schedules.due(skip)
    }
    return due
  })

  /** Fires what is due, and says in how many milliseconds it is to be looked again. */
  const pass = Effect.gen(function* () {
    let stillDue = 0
    for (let looked = 0; looked < schedulesOfAllMax; looked += schedulesAtOnce) {
      const due = yield* settled(stillDue)
      // Those that look at the same time begin at different places.
      const from = Math.floor(random.nextDoubleUnsafe() * due.schedules.length)
      for (const stored of [...due.schedules.slice(from), ...due.schedules.slice(0, from)]) {
        if ((yield* lookAlone(stored, due.now)) === "still due") stillDue += 1
      }
      if (due.schedules.length < schedulesAtOnce) break
    }
    const { next, now } = yield* settled(stillDue)
    return next === undefined ? Number.POSITIVE_INFINITY : Math.max(1, next - now)
  })

  return { pass }
})

/** What is due is to be looked at: the time has come, or a schedule was changed. */
interface Message {
  readonly _tag: "Look"
}

const lookNow: Message = { _tag: "Look" }

const failed = (unfired: Complaint) => (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.failCause(cause as Cause.Cause<never>)
    : Effect.as(unfired.wrong(describe(Cause.squash(cause)).message), afterFailureMs)

/** It needs the stores, the handlers and the settings. */
export const scheduler = defineActor<Message>()({
  name: "scheduler",
  // One look that waits is as good as many.
  capacity: 1,
  whenFull: "drop",
  onStart: ({ beside, ref, timers }) =>
    Effect.gen(function* () {
      const { ear } = yield* Schedules
      const complaints = yield* Complaints
      const unheard = complaints.about("schedules cannot be heard of", "schedules are heard of again")
      const unfired = complaints.about("schedules could not be fired", "schedules are fired again")
      const hearing = Effect.flatMap(ear, ({ wait }) =>
        Effect.forever(
          Effect.andThen(
            wait(Number.POSITIVE_INFINITY),
            Effect.suspend(() => Effect.andThen(unheard.well() ?? Effect.void, ref.tell(lookNow)))
          )
        )
      ).pipe(
        Effect.scoped,
        Effect.tapError(({ message }) => unheard.wrong(message)),
        Effect.retry(Schedule.spaced(afterFailureMs))
      )
      yield* beside(hearing)
      yield* timers.startSingle("look", lookNow, 0)
      return { ...(yield* makeScheduler), unfired }
    }),
  handle: {
    Look: (_, { state, timers }) =>
      state.pass.pipe(
        Effect.tap(() => state.unfired.well() ?? Effect.void),
        Effect.catchCause(failed(state.unfired)),
        Effect.flatMap((ms) => timers.startSingle("look", lookNow, ms))
      )
  }
})
