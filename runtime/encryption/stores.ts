/**
 * The stores with every payload sealed: what goes in is sealed on its way, what comes out is opened.
 *
 * Nobody on either side knows of it. What Lua and operators need stays clear: ids, names of handlers, queues, keys, limits,
 * steps and timers, times and counts. What cannot be opened is not lost, and keeps nobody else from anything: a task waits,
 * uncounted, until its key is there again; so does an agent whose state it is.
 */
import { Context, Effect, Layer, Redacted, Result } from "effect"
import { Admission } from "../admission.ts"
import { Agents } from "../agents.ts"
import { Settings } from "../config.ts"
import { LifecycleLog } from "../lifecycle.ts"
import { Operations } from "../operations.ts"
import { type Change, Schedules, type StoredSchedule } from "../schedules.ts"
import { type Step, Steps } from "../steps.ts"
import { Store, StoreError } from "../store.ts"
import type { AgentAddress } from "../mailbox.ts"
import { idIn, type Partition, type TaskId, ulidOfEntry } from "../task.ts"
import { storeOver } from "./hot-path.ts"
import type { KeyRing } from "./key-ring.ts"
import { opening, progressPlace, sealTask, statePlace, unreadableJson } from "./payloads.ts"
import { openHead, openRecord, sealReason, sealRecord } from "./records.ts"

type Sealed = Store | Steps | Admission | Agents | Schedules | Operations | LifecycleLog

/** Later than any version: a worker leaves the state alone, and its messages wait. */
const unknownVersion = Number.MAX_SAFE_INTEGER

const refuse = (operation: string, cause: unknown) => Effect.fail(new StoreError({ operation, cause }))

const stepsOver = (ring: KeyRing, steps: Steps["Service"]): Steps["Service"] => {
  const placeOf = (id: TaskId, number: number) => `step ${id} ${number}`
  const sealStep = <S extends Step>(id: TaskId, step: S): S => ({
    ...step,
    value: ring.seal(placeOf(id, step.number), step.value)
  })
  const openStep = (id: TaskId, step: Step): Effect.Effect<Step, StoreError> => {
    const opened = opening(ring, placeOf(id, step.number), step.value)
    return Result.isFailure(opened)
      ? refuse("Steps.recall", opened.failure)
      : Effect.succeed({ ...step, value: opened.success })
  }
  return {
    ...steps,
    recall: (partition, ulid) =>
      Effect.flatMap(steps.recall(partition, ulid), (all) =>
        Effect.forEach(all, (step) => openStep(idIn(partition, ulid), step))
      ),
    remember: (partition, worker, entry, step) => {
      const id = idIn(partition, ulidOfEntry(entry))
      return Effect.flatMap(steps.remember(partition, worker, entry, sealStep(id, step)), (kept) =>
        openStep(id, kept)
      )
    },
    adopt: (partition, worker, entry, step) => {
      const id = idIn(partition, ulidOfEntry(entry))
      return Effect.flatMap(steps.adopt(partition, worker, entry, sealStep(id, step)), (kept) =>
        openStep(id, kept)
      )
    }
  }
}

const agentsOver = (ring: KeyRing, agents: Agents["Service"]): Agents["Service"] => {
  const open = (
    partition: Partition,
    agent: AgentAddress,
    state: { readonly json: string; readonly version: number }
  ) => Result.map(opening(ring, statePlace(partition, agent), state.json), (json) => ({ ...state, json }))
  return {
    ...agents,
    load: (partition, addresses) =>
      Effect.map(agents.load(partition, addresses), (all) =>
        all.map((stored, at) =>
          stored.state === undefined
            ? stored
            : {
                ...stored,
                state: Result.getOrElse(open(partition, addresses[at]!, stored.state), (unreadable) => ({
                  json: unreadableJson(unreadable),
                  version: unknownVersion
                }))
              }
        )
      ),
    read: (partition, agent, box) =>
      Effect.map(agents.read(partition, agent, box), (found) => {
        if (found?.state === undefined) return found
        const { state } = found
        return {
          ...found,
          state: Result.getOrElse(open(partition, agent, state), (unreadable) => ({
            ...state,
            json: unreadableJson(unreadable)
          }))
        }
      }),
    stop: (partition, agent, options) =>
      agents.stop(partition, agent, { ...options, reason: sealReason(ring, partition, options.reason) })
  }
}

const schedulesOver = (ring: KeyRing, schedules: Schedules["Service"]): Schedules["Service"] => {
  const placeOf = (id: string) => `schedule ${id}`
  const notePlace = (id: string) => `slot ${id}`
  const openSchedule = (stored: StoredSchedule) =>
    Result.map(opening(ring, placeOf(stored.id), stored.text), (text) => ({ ...stored, text }))
  const openAll = (all: ReadonlyArray<StoredSchedule>) =>
    Effect.gen(function* () {
      const opened: Array<StoredSchedule> = []
      for (const stored of all) {
        const one = openSchedule(stored)
        if (Result.isSuccess(one)) opened.push(one.success)
        else yield* Effect.logWarning(`schedule ${stored.id} cannot be read: ${one.failure.message}`)
      }
      return opened
    })
  const sealChange = (change: Change): Change => ({
    ...change,
    to:
      change.to === undefined
        ? undefined
        : { ...change.to, text: ring.seal(placeOf(change.id), change.to.text) },
    notes: change.notes.map((note) => ring.seal(notePlace(change.id), note)),
    submits: change.submits.map(({ partition, task }) => ({
      partition,
      task: sealTask(ring, partition, task)
    }))
  })
  return {
    ...schedules,
    due: (skip) =>
      Effect.flatMap(schedules.due(skip), (due) =>
        Effect.map(openAll(due.schedules), (schedules) => ({ ...due, schedules }))
      ),
    list: (after, most) =>
      Effect.flatMap(schedules.list(after, most), (page) =>
        Effect.map(openAll(page.schedules), (schedules) => ({ ...page, schedules }))
      ),
    read: (id) =>
      Effect.flatMap(schedules.read(id), (found) => {
        const schedule = found.schedule === undefined ? undefined : openSchedule(found.schedule)
        if (schedule !== undefined && Result.isFailure(schedule)) {
          return refuse("Schedules.read", schedule.failure)
        }
        const notes = found.notes.map((note) => opening(ring, notePlace(id), note))
        return Effect.succeed({
          ...found,
          schedule: schedule?.success,
          notes: notes.filter(Result.isSuccess).map(({ success }) => success)
        })
      }),
    change: (change) => schedules.change(sealChange(change)),
    changeAll: (changes) => schedules.changeAll(changes.map(sealChange))
  }
}

const operationsOver = (
  ring: KeyRing,
  store: Store["Service"],
  operations: Operations["Service"]
): Operations["Service"] => ({
  ...operations,
  purge: (partition, most, reason) => operations.purge(partition, most, sealReason(ring, partition, reason)),
  revive: Effect.fnUntraced(function* (partition, revivals) {
    // What a letter is expected to be is what lies there, sealed by whichever key.
    const lying = yield* store.read(
      partition,
      revivals.map(({ ulid }) => ulid)
    )
    const sealed = []
    for (const [at, revival] of revivals.entries()) {
      const { expected, record, ulid } = revival
      const id = idIn(partition, ulid)
      const lies = lying[at]?.record
      const opened = lies === undefined ? undefined : openRecord(ring, id, lies)
      if (opened?.unreadable !== undefined) return yield* refuse("Operations.revive", opened.unreadable)
      sealed.push({
        ...revival,
        expected: lies !== undefined && opened?.record === expected ? lies : expected,
        record: sealRecord(ring, id, record)
      })
    }
    return yield* operations.revive(partition, sealed)
  })
})

const lifecycleOver = (ring: KeyRing, log: LifecycleLog["Service"]): LifecycleLog["Service"] => ({
  ...log,
  read: (partition, after, limit) =>
    Effect.map(log.read(partition, after, limit), (lives) =>
      lives.map((life) => {
        const id = idIn(partition, life.ulid)
        const opened = opening(ring, progressPlace(id, life.attempt), life.more)
        return { ...life, head: openHead(ring, id, life.head), more: Result.getOrElse(opened, () => "") }
      })
    )
})

const admissionOver = (ring: KeyRing, admission: Admission["Service"]): Admission["Service"] => ({
  admit: (partition, task, guards) => admission.admit(partition, sealTask(ring, partition, task), guards)
})

const over = <A>(ring: KeyRing, stores: Context.Context<A | Sealed>): Context.Context<A | Sealed> => {
  const store = Context.get(stores, Store)
  return stores.pipe(
    Context.add(Store, storeOver(ring, store)),
    Context.add(Steps, stepsOver(ring, Context.get(stores, Steps))),
    Context.add(Admission, admissionOver(ring, Context.get(stores, Admission))),
    Context.add(Agents, agentsOver(ring, Context.get(stores, Agents))),
    Context.add(Schedules, schedulesOver(ring, Context.get(stores, Schedules))),
    Context.add(LifecycleLog, lifecycleOver(ring, Context.get(stores, LifecycleLog))),
    Context.add(Operations, operationsOver(ring, store, Context.get(stores, Operations)))
  )
}

/** Stores as they are, or with every payload sealed where the settings name keys. */
export const sealing = <A, E, R>(
  stores: Layer.Layer<A | Sealed, E, R>
): Layer.Layer<A | Sealed, E, R | Settings> =>
  Layer.unwrap(
    Settings.useSync(({ encryptionKeys }): Layer.Layer<A | Sealed, E, R> =>
      encryptionKeys === undefined
        ? stores
        : Layer.effectContext(
            Effect.map(Layer.build(stores), (context) => over(Redacted.value(encryptionKeys), context))
          )
    )
  )
