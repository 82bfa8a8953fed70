/**
 * What is asked of schedules and done to them: the one way in for the API, the command line and the library.
 *
 * A schedule is checked when it is made, as a submit of its task would be. Each change is made to what the schedule is at
 * that moment: one that another change overtakes is made again. After a `StoreError` it may have been made.
 */
import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import { type Change, Schedules, schedulesMax, schedulesOfAllMax } from "../../runtime/schedules.ts"
import { Store, StoreError, type StoreFull } from "../../runtime/store.ts"
import { type Partition, partitionOfId, type State, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { storedTenant, Tenant } from "../../runtime/tenant.ts"
import { makeUlid } from "../../runtime/ulid.ts"
import { standingOf } from "../../runtime/view.ts"
import { type QueryRefused, reader } from "../operate/fields.ts"
import { makeTally } from "../tally.ts"
import { readSchedule, ScheduleId, ScheduleRefused } from "./definition.ts"
import { overlapping } from "./due.ts"
import { changeTo, fire, freshVersion } from "./firing.ts"
import { living, relayOwed } from "./scheduler.ts"
import { idOfKept, keptName } from "./names.ts"
import { makeSlotTasks } from "./slot-task.ts"
import {
  begin,
  decodeNote,
  decodeState,
  pause,
  redefine,
  resume,
  sameDefinition,
  type ScheduleState
} from "./state.ts"
import { type ScheduleDetail, type ScheduleView, viewOf } from "./view.ts"

/** There is no such schedule: it was deleted, or is over for long. */
export class ScheduleNotFound extends Schema.TaggedError<ScheduleNotFound>()("ScheduleNotFound", {
  id: Schema.String
}) {
  override get message() {
    return `there is no schedule ${this.id}`
  }
}

/** Another schedule has this id. Nothing was stored: update that one, or take another id. */
export class ScheduleExists extends Schema.TaggedError<ScheduleExists>()("ScheduleExists", {
  id: Schema.String
}) {
  override get message() {
    return `there is a schedule ${this.id} already, and it is another one`
  }
}

/** Its last run has not ended, and its overlap policy lets no other begin. Nothing was submitted. */
export class ScheduleBusy extends Schema.TaggedError<ScheduleBusy>()("ScheduleBusy", {
  id: Schema.String,
  task: Schema.String
}) {
  override get message() {
    return `schedule ${this.id} runs already, as ${this.task}, and its overlap policy lets no other run begin`
  }
}

/** There are as many schedules as there may be. Nothing was stored: delete some. */
export class SchedulesFull extends Schema.TaggedError<SchedulesFull>()("SchedulesFull", {}) {
  override get message() {
    return `there are ${schedulesMax} schedules already, or of all tenants ${schedulesOfAllMax}`
  }
}

/** What came of asking for a run. */
export type RunNow =
  | { readonly outcome: "submitted"; readonly task: TaskId }
  /** It begins when the last one has ended. */
  | { readonly outcome: "waiting" }

/** Some schedules, by id; `next`, if there may be more, is the `cursor` of the next page. */
export interface SchedulePage {
  readonly schedules: ReadonlyArray<ScheduleView>
  /** Where the next page begins; absent on the last one. */
  readonly next?: string
}

/** How many schedules one page holds at most, and when nobody says. */
const pageMax = 100
const pageDefault = 50

export const ScheduleQuery = Schema.Struct({
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))),
  cursor: Schema.optionalKey(ScheduleId)
})
export type ScheduleQuery = typeof ScheduleQuery.Type
const readQuery = reader(ScheduleQuery)

/** How often a change is made again that others overtake. */
const overtakenMax = 20

export type DefineError = UnknownHandler | ScheduleRefused | StoreError

export class ScheduleOperator extends Context.Service<
  ScheduleOperator,
  {
    /** Makes a schedule of a `NewScheduleJson`; the very same one with the same id is found again. */
    readonly create: (
      schedule: unknown
    ) => Effect.Effect<
      { readonly schedule: ScheduleView; readonly existing?: true },
      DefineError | ScheduleExists | SchedulesFull
    >
    /** Puts another one in its place, with its history; a rule that stays the same keeps its next slot. */
    readonly update: (
      id: string,
      schedule: unknown
    ) => Effect.Effect<ScheduleView, DefineError | ScheduleNotFound>
    readonly get: (id: string) => Effect.Effect<ScheduleDetail, ScheduleNotFound | StoreError>
    /** A page of them, in the order of their ids. */
    readonly list: (query: unknown) => Effect.Effect<SchedulePage, QueryRefused | StoreError>
    /** Lets no slot be fired. What runs goes on; slots that pass meanwhile are not made up for. */
    readonly pause: (id: string) => Effect.Effect<ScheduleView, ScheduleNotFound | StoreError>
    readonly resume: (id: string) => Effect.Effect<ScheduleView, ScheduleNotFound | StoreError>
    /** Runs it now, beside its slots, also when it is paused. The overlap policy counts. */
    readonly run: (
      id: string
    ) => Effect.Effect<RunNow, DefineError | StoreFull | ScheduleNotFound | ScheduleBusy>
    /** Deletes it with its history. Tasks that it has submitted go on. */
    readonly remove: (id: string) => Effect.Effect<void, ScheduleNotFound | StoreError>
  }
>()("troupe/ScheduleOperator") {}

const make = Effect.gen(function* () {
  const schedules = yield* Schedules
  const store = yield* Store
  const clock = yield* Clock.Clock
  const retentionMs = Duration.toMillis((yield* Settings).retention)
  const tasks = yield* makeSlotTasks
  const tally = yield* makeTally
  const ulid = makeUlid()

  /** Does it again while others change the schedule meanwhile. */
  const untilMade = <A, E>(attempt: Effect.Effect<A | undefined, E>) =>
    Effect.gen(function* () {
      for (let times = 0; times < overtakenMax; times++) {
        const made = yield* attempt
        if (made !== undefined) return made
      }
      const cause = new Error("others change this schedule all the time")
      return yield* new StoreError({ operation: "Schedules.change", cause })
    })

  const find = Effect.fnUntraced(function* (id: string) {
    // What cannot be an id is not looked for.
    if (!Schema.is(ScheduleId)(id)) return yield* new ScheduleNotFound({ id })
    const { notes, now, schedule } = yield* schedules.read(keptName(id, storedTenant(yield* Tenant)))
    if (schedule === undefined) return yield* new ScheduleNotFound({ id })
    return { stored: schedule, state: decodeState(schedule.text), notes, now }
  })

  const changed = (change: Change) => Effect.map(schedules.change(change), (answer) => answer === "changed")

  /** Makes of a schedule another one, by what it is at that moment. */
  const alter = (id: string, to: (state: ScheduleState, now: number) => ScheduleState) =>
    untilMade(
      Effect.gen(function* () {
        const { now, state, stored } = yield* find(id)
        const next = to(state, now)
        if (next === state) return viewOf(id, state)
        return (yield* changed(changeTo(stored, next, now, retentionMs))) ? viewOf(id, next) : undefined
      })
    )

  /** The definition that somebody gives, with a task that would be taken. */
  const define = Effect.fnUntraced(function* (given: unknown) {
    // Slots are judged on the store's clock, and so is what is over.
    const { now } = yield* schedules.list(undefined, 0)
    const read = yield* Effect.fromResult(readSchedule(given, now))
    const tenant = storedTenant(yield* Tenant)
    const definition = tenant === undefined ? read.definition : { ...read.definition, tenant }
    yield* tasks.check(definition, now)
    return { ...read, definition }
  })

  const create: ScheduleOperator["Service"]["create"] = Effect.fn("Schedules.create")(function* (given) {
    const { definition, id: named, paused = false } = yield* define(given)
    const id = named ?? ulid(clock.currentTimeMillisUnsafe()).toLowerCase()
    const name = keptName(id, definition.tenant)
    return yield* untilMade(
      Effect.gen(function* () {
        const { now, schedule } = yield* schedules.read(name)
        if (schedule !== undefined) {
          const state = decodeState(schedule.text)
          if (!sameDefinition(state.definition, definition)) return yield* new ScheduleExists({ id })
          return { schedule: viewOf(id, state), existing: true as const }
        }
        const state = begin(definition, paused, now)
        const answer = yield* schedules.change(
          changeTo({ id: name, version: undefined }, state, now, retentionMs)
        )
        if (answer === "full") return yield* new SchedulesFull()
        return answer === "changed" ? { schedule: viewOf(id, state) } : undefined
      })
    )
  })

  const update: ScheduleOperator["Service"]["update"] = Effect.fn("Schedules.update")(function* (id, given) {
    yield* find(id)
    const { definition, id: named = id, paused } = yield* define(given)
    if (named !== id) {
      const message = `is not that of the schedule, which is called ${id}`
      return yield* new ScheduleRefused({ faults: [{ path: "/id", message }] })
    }
    return yield* alter(id, (state, now) => redefine(state, definition, paused ?? state.paused, now))
  })

  /** The states of tasks, as far as they are kept. */
  const statesOf = Effect.fnUntraced(function* (ids: ReadonlyArray<TaskId>) {
    const states = new Map<TaskId, State>()
    const homes = new Set<Partition>(ids.map(partitionOfId))
    for (const home of homes) {
      const there = ids.filter((id) => partitionOfId(id) === home)
      const found = yield* store.read(home, there.map(ulidOfId))
      for (const [at, one] of found.entries()) {
        if (one !== undefined) states.set(there[at]!, standingOf(one).state)
      }
    }
    return states
  })

  /** Carries away what is owed, so that a task somebody is told of is there. What fails, a scheduler does. */
  const carryOwed = Effect.ignore(Effect.provideService(relayOwed, Store, store))

  const get: ScheduleOperator["Service"]["get"] = Effect.fn("Schedules.get")(function* (id) {
    const { notes, state } = yield* find(id)
    yield* carryOwed
    const history = notes.map(decodeNote)
    const states = yield* statesOf(history.flatMap(({ task }) => (task === undefined ? [] : [task])))
    return {
      ...viewOf(id, state),
      history: history.map((note) => {
        const state = note.task === undefined ? undefined : states.get(note.task)
        return state === undefined ? note : { ...note, state }
      })
    }
  })

  const list: ScheduleOperator["Service"]["list"] = Effect.fn("Schedules.list")(function* (query) {
    const { cursor, limit = pageDefault } = yield* Effect.fromResult(readQuery(query))
    const tenant = storedTenant(yield* Tenant)
    const after = cursor === undefined && tenant === undefined ? undefined : keptName(cursor ?? "", tenant)
    const { schedules: listed } = yield* schedules.list(after, limit + 1)
    yield* carryOwed
    // Those of other tenants come after one's own.
    const found = listed.flatMap(({ id: name, text }) => {
      const id = idOfKept(name, tenant)
      return id === undefined ? [] : [{ id, text }]
    })
    const page = found.slice(0, limit)
    const views = yield* Effect.forEach(page, ({ id, text }) =>
      // The slots of a calendar take their time: others come in between.
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => viewOf(id, decodeState(text)))
      )
    )
    const last = page.at(-1)
    return { schedules: views, ...(found.length > limit && last !== undefined ? { next: last.id } : {}) }
  })

  /** Runs it once; `undefined` when another change came in between. */
  const runOnce = Effect.fnUntraced(function* (id: string) {
    const { now, state, stored } = yield* find(id)
    const { overlap } = state.definition
    // The task of the last run may still be owed.
    if (overlap !== "allow") yield* Effect.provideService(relayOwed, Store, store)
    const last = overlap === "allow" || state.last === undefined ? [] : [state.last]
    const alive = yield* Effect.provideService(living(last), Store, store)
    const wanted = { slot: now, manual: freshVersion() }
    const before = state.waiting === undefined ? [] : [state.waiting]
    const decision = overlapping([...before, wanted], { lives: alive.size > 0, overlap })
    const isFired = decision.fire.includes(wanted)
    if (!isFired && decision.waiting !== wanted) {
      return yield* new ScheduleBusy({ id, task: state.last ?? "a run that waits" })
    }
    const { change, notes, spans } = yield* fire(
      stored,
      state,
      { ...decision, slot: state.slot },
      {
        now,
        retentionMs,
        tasks
      }
    )
    const note = notes.at(-1)
    if (isFired && note?.error !== undefined) {
      return yield* new ScheduleRefused({ faults: [{ path: "", message: note.error }] })
    }
    if (decision.cancel && state.last !== undefined) {
      yield* store.cancel(
        partitionOfId(state.last),
        ulidOfId(state.last),
        `a run of its schedule ${id} that was asked for takes its place`
      )
    }
    if (!(yield* changed(change))) return undefined
    for (const span of spans) span.end()
    for (const { partition } of change.submits) tally.submitted(partition, 1)
    const answer: RunNow =
      isFired && note?.task !== undefined ? { outcome: "submitted", task: note.task } : { outcome: "waiting" }
    return answer
  })

  const run: ScheduleOperator["Service"]["run"] = Effect.fn("Schedules.run")(function* (id) {
    const answer = yield* untilMade(runOnce(id))
    if (answer.outcome === "submitted") yield* carryOwed
    return answer
  })

  const remove: ScheduleOperator["Service"]["remove"] = Effect.fn("Schedules.remove")(function* (id) {
    yield* untilMade(
      Effect.gen(function* () {
        const { stored } = yield* find(id)
        const gone = {
          id: stored.id,
          from: stored.version,
          to: undefined,
          slot: undefined,
          notes: [],
          submits: []
        }
        return (yield* changed(gone)) ? true : undefined
      })
    )
  })

  return ScheduleOperator.of({
    create,
    update,
    get,
    list,
    pause: (id) => alter(id, (state, now) => (state.paused ? state : pause(state, now))),
    resume: (id) => alter(id, resume),
    run,
    remove
  })
})

/** Give it the stores, the handlers and the settings. */
export const layer = Layer.effect(ScheduleOperator, make)
