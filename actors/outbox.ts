/**
 * Gathers the submits of one process into as few scripts as possible: those of the same tick share one, and while
 * some are on their way the next gather. Nothing waits for a timer.
 *
 * A script that got no answer is said again until `submitMax` is over; its tasks are stored once however often
 * that happens.
 */
import { Duration, Effect, type Exit, Schedule } from "effect"
import { type NewTask, Store, StoreError, type StoreFull } from "../runtime/store.ts"
import type { Partition } from "../runtime/task.ts"

/** How many tasks, and how many characters of them, one script stores at most. */
const batchMax = 1_000
const batchCharactersMax = 4 * 1024 * 1024

/** How many scripts of one partition are on their way at once. */
const flightsMax = 4

/** How long a submit is tried before its caller hears that the store cannot be reached. */
export const submitMax = Duration.seconds(10)

const delays = Schedule.min([Schedule.exponential("25 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered
)

type Failed = StoreError | StoreFull

type Done = (exit: Exit.Exit<void, Failed>) => void

interface Batch {
  readonly tasks: ReadonlyArray<NewTask>
  readonly characters: number
  readonly done: Done
}

interface Lane {
  readonly waiting: Array<Batch>
  flights: number
  scheduled: boolean
}

export interface Outbox {
  /** Succeeds once all the tasks are stored. After a `StoreError` some may be, under the ids they were given. */
  readonly submit: (partition: Partition, tasks: ReadonlyArray<NewTask>) => Effect.Effect<void, Failed>

  /** The same for up to `batchMax` tasks, telling how it went by a call. It cannot be taken back. */
  readonly push: (partition: Partition, tasks: ReadonlyArray<NewTask>, done: Done) => void
}

export const makeOutbox: Effect.Effect<Outbox, never, Store> = Effect.gen(function* () {
  const store = yield* Store
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const lanes = new Map<Partition, Lane>()

  const take = (waiting: Array<Batch>): ReadonlyArray<Batch> => {
    let tasks = 0
    let characters = 0
    let count = 0
    for (const batch of waiting) {
      if (
        count > 0 &&
        (tasks + batch.tasks.length > batchMax || characters + batch.characters > batchCharactersMax)
      )
        break
      tasks += batch.tasks.length
      characters += batch.characters
      count += 1
    }
    return waiting.splice(0, count)
  }

  /** Said once, and only if that got no answer again and again. */
  const send = (partition: Partition, tasks: ReadonlyArray<NewTask>) => {
    const once = store.submit(partition, tasks)
    return Effect.catchIf(once, isUnanswered, () =>
      Effect.retry(once, {
        schedule: delays.pipe(Schedule.upTo({ duration: submitMax })),
        while: isUnanswered
      })
    )
  }

  const flush = (partition: Partition, lane: Lane) => {
    while (lane.waiting.length > 0 && lane.flights < flightsMax) {
      const batches = take(lane.waiting)
      lane.flights += 1
      fork(
        send(
          partition,
          batches.flatMap(({ tasks }) => tasks)
        )
      ).addObserver((exit) => {
        lane.flights -= 1
        for (const { done } of batches) done(exit)
        flush(partition, lane)
      })
    }
  }

  const push: Outbox["push"] = (partition, tasks, done) => {
    const lane = lanes.get(partition) ?? { waiting: [], flights: 0, scheduled: false }
    lanes.set(partition, lane)
    lane.waiting.push({ tasks, characters: tasks.reduce((sum, { record }) => sum + record.length, 0), done })
    if (lane.scheduled) return
    lane.scheduled = true
    queueMicrotask(() => {
      lane.scheduled = false
      flush(partition, lane)
    })
  }

  const part = (partition: Partition, tasks: ReadonlyArray<NewTask>) =>
    Effect.callback<void, Failed>((resume) => push(partition, tasks, resume))

  return {
    push,
    submit: (partition, tasks) => {
      if (tasks.length <= batchMax) return part(partition, tasks)
      const parts = Array.from({ length: Math.ceil(tasks.length / batchMax) }, (_, at) =>
        tasks.slice(at * batchMax, (at + 1) * batchMax)
      )
      return Effect.forEach(parts, (some) => part(partition, some), {
        concurrency: "unbounded",
        discard: true
      })
    }
  }
})

const isUnanswered = (error: Failed): error is StoreError => error instanceof StoreError
