/**
 * Gathers the submits of one process into few scripts: those of the same tick share some, and while these are on their way
 * the next gather. Nothing waits for a timer.
 *
 * A script that got no answer is said again until `submitMax` is over; its tasks are stored once however often
 * that happens.
 */
import { Cause, Duration, Effect, Exit, Option, Schedule } from "effect"
import { AgentQuarantined, QueueFull, Store, StoreError, type StoreFull } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Partition } from "../../runtime/task.ts"

/** How many tasks, and how many characters of them, one script stores at most. */
export const batchMax = 1_000
const batchCharactersMax = 4 * 1024 * 1024

/** Batches share a script up to so many tasks: while Redis stores those, the next ones are made. A larger one goes alone. */
const gatherMax = 100

/** How many scripts of one partition are on their way at once. */
const flightsMax = 4

/** How long a submit is tried before its caller hears that the store cannot be reached. */
export const submitMax = Duration.seconds(10)

const delays = Schedule.min([Schedule.exponential("25 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered
)

/** Says again what got no answer, if that does no harm; `unanswered` hears of the first time. */
export const untilAnswered = <A, E, R>(
  once: Effect.Effect<A, E | StoreError, R>,
  unanswered: () => void = () => {}
): Effect.Effect<A, E | StoreError, R> =>
  Effect.catchIf(once, isUnanswered, () => {
    unanswered()
    return Effect.retry(once, {
      schedule: delays.pipe(Schedule.upTo({ duration: submitMax })),
      while: isUnanswered
    })
  })

type Failed = StoreError | StoreFull | QueueFull | AgentQuarantined

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
  /**
   * Succeeds once up to `batchMax` tasks are stored, all of them or none. After a `StoreError` they may be, under the
   * ids they were given.
   */
  readonly submit: (partition: Partition, tasks: ReadonlyArray<NewTask>) => Effect.Effect<void, Failed>

  /** The same, telling how it went by a call. It cannot be taken back. */
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
        (tasks + batch.tasks.length > gatherMax || characters + batch.characters > batchCharactersMax)
      )
        break
      tasks += batch.tasks.length
      characters += batch.characters
      count += 1
    }
    return waiting.splice(0, count)
  }

  /** Stores what was gathered, and tells each batch. */
  const send = (partition: Partition, batches: ReadonlyArray<Batch>): Effect.Effect<void> => {
    let isClear = true
    const all = store.submit(
      partition,
      batches.flatMap(({ tasks }) => tasks)
    )
    const stored = untilAnswered(all, () => {
      isClear = false
    })
    return Effect.flatMap(Effect.exit(stored), (exit) => {
      // What fits in is let in, though others that happened to be gathered with it do not. Only after a clear no: a
      // call that was given up may still run, and must then find its first task.
      if (batches.length > 1 && isClear && isRefused(exit)) {
        return Effect.forEach(batches, (batch) => send(partition, [batch]), { discard: true })
      }
      for (const { done } of batches) done(exit)
      return Effect.void
    })
  }

  const flush = (partition: Partition, lane: Lane) => {
    while (lane.waiting.length > 0 && lane.flights < flightsMax) {
      lane.flights += 1
      fork(send(partition, take(lane.waiting))).addObserver(() => {
        lane.flights -= 1
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

  return {
    push,
    submit: (partition, tasks) => Effect.callback<void, Failed>((resume) => push(partition, tasks, resume))
  }
})

const isUnanswered = (error: unknown): error is StoreError => error instanceof StoreError

/** Whether a bound of the queue refuses what may fit in by itself: one of age refuses everything. */
const isRefused = (exit: Exit.Exit<void, Failed>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(
    Cause.findErrorOption(exit.cause),
    (error) => error instanceof AgentQuarantined || (error instanceof QueueFull && error.bound !== "maxAgeMs")
  )
