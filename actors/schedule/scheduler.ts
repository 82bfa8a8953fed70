/**
 * Fires the schedules that are due.
 *
 * Every worker process runs one. They need no leader: whoever is first changes the schedule and owes its task in one
 * step, and the others find it changed. What is owed lies in the outbox of the schedules' partition, and is relayed by
 * whichever scheduler comes next, also when the one that fired has died. It sleeps until the next slot, and a few
 * seconds at most; a schedule that is created wakes one.
 */
import { Cause, Duration, Effect, Schedule } from "effect"
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
import { Store } from "../../runtime/store.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { describe } from "../../runtime/fault.ts"
import { type Complaint, Complaints } from "../../runtime/telemetry/complaints.ts"
import { makeTally } from "../tally.ts"
import { relay } from "../work/relay.ts"
import { decide } from "./due.ts"
import { fire, type Firing } from "./firing.ts"
import { ruleOf } from "./definition.ts"
import { makeSlotTasks } from "./slot-task.ts"
import { decodeState, type ScheduleState } from "./state.ts"

/** How long it waits after a pass that failed, in milliseconds. */
const afterFailureMs = 1_000

/** How many schedules it remembers to have complained of. */
const complaintsMax = 1_000

/** Why a running task is cancelled by the overlap policy `cancel`. */
const overtaken = (id: string) => `the next run of its schedule ${id} takes its place`

/** Carries away what is owed. */
export const relayOwed = relay(schedulesPartition)

/** Those of some tasks that have not ended. */
export const living = Effect.fnUntraced(function* (ids: ReadonlyArray<TaskId>) {
  const store = yield* Store
  const alive = new Set<TaskId>()
  for (const [partition, some] of Map.groupBy(ids, partitionOfId)) {
    const found = yield* store.ended(partition, some.map(ulidOfId))
    for (const [at, id] of some.entries()) if (found[at] === true) alive.add(id)
  }
  return alive
})

/** A schedule as it was read. */
interface Read {
  readonly stored: StoredSchedule
  readonly state: ScheduleState
}

/** What is to be done about a schedule. */
interface Plan extends Firing {
  /** The run that the next one takes the place of. */
  readonly overtakes: TaskId | undefined
}

const dropOf = ({ id, version }: StoredSchedule): Plan => ({
  change: { id, from: version, to: undefined, slot: undefined, notes: [], submits: [] },
  notes: [],
  spans: [],
  overtakes: undefined
})

export const makeScheduler = Effect.gen(function* () {
  const schedules = yield* Schedules
  const store = yield* Store
  const retentionMs = Duration.toMillis((yield* Settings).retention)
  const tasks = yield* makeSlotTasks
  const tally = yield* makeTally
  /** Schedules that cannot be fired here, by what was last said of them. */
  const complaints = new Map<string, string>()

  const complain = (id: string, what: string) =>
    Effect.suspend(() => {
      if (complaints.get(id) === what) return Effect.void
      if (complaints.size >= complaintsMax) complaints.clear()
      complaints.set(id, what)
      return Effect.logWarning(`schedule ${id} ${what}`)
    })

  /** What comes of each schedule of which something comes: one that cannot be fired does not keep the others from it. */
  const ofEach = <A, B>(
    some: ReadonlyArray<A>,
    idOf: (one: A) => string,
    make: (one: A) => Effect.Effect<B, UnknownHandler>
  ): Effect.Effect<ReadonlyArray<B>> =>
    Effect.map(
      Effect.forEach(some, (one) =>
        Effect.suspend(() => make(one)).pipe(
          Effect.map((made): ReadonlyArray<B> => [made]),
          Effect.catchTag("UnknownHandler", ({ message }) =>
            Effect.as(complain(idOf(one), `waits for a process that can fire it: here ${message}`), [])
          ),
          Effect.catchDefect((defect) =>
            Effect.as(complain(idOf(one), `cannot be fired: ${describe(defect).message}`), [])
          )
        )
      ),
      (made) => made.flat()
    )

  const plan = Effect.fnUntraced(function* (
    { state, stored }: Read,
    alive: ReadonlySet<TaskId>,
    now: number
  ): Effect.fn.Return<Plan, UnknownHandler> {
    const { last, over, since, slot, waiting } = state
    if (over !== undefined && waiting === undefined) return dropOf(stored)
    const { missed, overlap } = state.definition
    const lives = last !== undefined && alive.has(last)
    const decision = decide(
      { rule: ruleOf(state.definition, since), missed, overlap, slot, waiting, lives },
      now
    )
    const firing = yield* fire(stored, state, decision, { now, retentionMs, tasks })
    return { ...firing, overtakes: decision.cancel && firing.change.submits.length > 0 ? last : undefined }
  })

  /** What is told of a change that was made. */
  const tell = Effect.fnUntraced(function* ({ change: { id, submits }, notes, spans }: Plan) {
    for (const span of spans) span.end()
    for (const { partition } of submits) tally.submitted(partition, 1)
    for (const { error, outcome, slot } of notes) {
      const time = new Date(slot).toISOString()
      if (outcome === "refused") yield* Effect.logWarning(`schedule ${id} could not run at ${time}: ${error}`)
      else if (outcome === "missed") yield* Effect.logWarning(`schedule ${id} has missed its slot at ${time}`)
    }
  })

  /** Fires some schedules, all by one call of each kind; says how many of them are due still, and whether something is owed. */
  const fireAll = Effect.fnUntraced(function* (due: ReadonlyArray<StoredSchedule>, now: number) {
    const read = yield* ofEach(
      due,
      ({ id }) => id,
      (stored) => Effect.sync((): Read => ({ stored, state: decodeState(stored.text) }))
    )
    const last = read.flatMap(({ state }) =>
      state.last === undefined || state.definition.overlap === "allow" ? [] : [state.last]
    )
    const alive = yield* Effect.provideService(living(last), Store, store)
    const plans = yield* ofEach(
      read,
      ({ stored }) => stored.id,
      (one) => plan(one, alive, now)
    )
    // Before, so that whoever dies in between leaves no two of them running.
    for (const { change, overtakes } of plans) {
      if (overtakes !== undefined)
        yield* store.cancel(partitionOfId(overtakes), ulidOfId(overtakes), overtaken(change.id))
    }
    const answers = yield* schedules.changeAll(plans.map(({ change }) => change))
    let stillDue = due.length - plans.length
    let owes = false
    for (const [at, answer] of answers.entries()) {
      const { change } = plans[at]!
      if (answer === "early") stillDue += 1
      else complaints.delete(change.id)
      if (answer !== "changed") continue
      owes ||= change.submits.length > 0
      yield* tell(plans[at]!)
    }
    return { stillDue, owes }
  })

  /** What is due, with nothing owed: what a run's task is can be told only when it was stored. */
  const settled = Effect.fnUntraced(function* (
    skip: number,
    owes = false
  ): Effect.fn.Return<Due, Effect.Error<typeof relayOwed>> {
    const carry = Effect.provideService(relayOwed, Store, store)
    if (owes) yield* carry
    let due = yield* schedules.due(skip)
    while (due.outbox) {
      yield* carry
      due = yield* schedules.due(skip)
    }
    return due
  })

  /** Fires what is due, and says in how many milliseconds it is to be looked again. */
  const pass = Effect.gen(function* () {
    let stillDue = 0
    let due = yield* settled(0)
    for (let looked = 0; due.schedules.length > 0 && looked < schedulesOfAllMax; looked += schedulesAtOnce) {
      const { owes, stillDue: more } = yield* fireAll(due.schedules, due.now)
      stillDue += more
      due = yield* settled(stillDue, owes)
    }
    const { next, now } = due
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
