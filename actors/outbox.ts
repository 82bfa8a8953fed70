/**
 * Gathers the submits of one process into as few scripts as possible: those of the same tick share one, and while
 * some are on their way the next gather. Nothing waits for a timer.
 *
 * A script that got no answer is said again until `submitMax` is over; its tasks are stored once however often
 * that happens.
 */
import { Deferred, Duration, Effect, Schedule } from "effect"
import { type NewTask, Store, StoreError, type StoreFull } from "../runtime/store.ts"
import type { Partition } from "../runtime/task.ts"

/** How many tasks, and how many characters of them, one script stores at most. */
const batchMax = 1_000
const batchCharactersMax = 4 * 1024 * 1024

/** How many scripts of one partition are on their way at once. */
const flightsMax = 4

/** How long a submit is tried before its caller hears that the store cannot be reached. */
export const submitMax = Duration.seconds(10)

const delays = Schedule.min([Schedule.exponential("25 millis"), Schedule.spaced("1 second")]).pipe(Schedule.jittered)

type Failed = StoreError | StoreFull

interface Batch {
  readonly tasks: ReadonlyArray<NewTask>
  readonly stored: Deferred.Deferred<void, Failed>
}

interface Lane {
  readonly waiting: Array<Batch>
  flights: number
  scheduled: boolean
}

export interface Outbox {
  /** Succeeds once all the tasks are stored. After a `StoreError` some may be, under the ids they were given. */
  readonly submit: (partition: Partition, tasks: ReadonlyArray<NewTask>) => Effect.Effect<void, Failed>
}

export const makeOutbox: Effect.Effect<Outbox, never, Store> = Effect.gen(function*() {
  const store = yield* Store
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const lanes = new Map<Partition, Lane>()

  const take = (waiting: Array<Batch>): ReadonlyArray<Batch> => {
    let tasks = 0
    let characters = 0
    let count = 0
    for (const batch of waiting) {
      const more = batch.tasks.reduce((sum, { record }) => sum + record.length, 0)
      if (count > 0 && (tasks + batch.tasks.length > batchMax || characters + more > batchCharactersMax)) break
      tasks += batch.tasks.length
      characters += more
      count += 1
    }
    return waiting.splice(0, count)
  }

  const flush = (partition: Partition, lane: Lane) => {
    while (lane.waiting.length > 0 && lane.flights < flightsMax) {
      const batches = take(lane.waiting)
      lane.flights += 1
      const send = store.submit(partition, batches.flatMap(({ tasks }) => tasks)).pipe(
        Effect.retry({ schedule: delays.pipe(Schedule.upTo({ duration: submitMax })), while: isUnanswered }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            lane.flights -= 1
            for (const { stored } of batches) Deferred.doneUnsafe(stored, exit)
            flush(partition, lane)
          })
        )
      )
      fork(Effect.exit(send))
    }
  }

  return {
    submit: (partition, tasks) =>
      Effect.suspend(() => {
        const lane = lanes.get(partition) ?? { waiting: [], flights: 0, scheduled: false }
        lanes.set(partition, lane)
        const batches: Array<Batch> = []
        for (let at = 0; at < tasks.length; at += batchMax) {
          batches.push({ tasks: tasks.slice(at, at + batchMax), stored: Deferred.makeUnsafe() })
        }
        lane.waiting.push(...batches)
        if (!lane.scheduled) {
          lane.scheduled = true
          queueMicrotask(() => {
            lane.scheduled = false
            flush(partition, lane)
          })
        }
        const [first] = batches
        return batches.length === 1 && first !== undefined
          ? Deferred.await(first.stored)
          : Effect.forEach(batches, ({ stored }) => Deferred.await(stored), { discard: true })
      })
  }
})

const isUnanswered = (error: Failed) => error instanceof StoreError
