/**
 * The logs of all queues, as those of a process who listen share them: each is kept up, and read on when a hint of it comes,
 * while anybody listens, and for a while after.
 */
import { Cause, Effect, type Scope } from "effect"
import { LifecycleLog } from "../../runtime/lifecycle.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { StoreError } from "../../runtime/store.ts"
import { type Partition, partitionOf } from "../../runtime/task.ts"
import { upkeepPause } from "../../runtime/upkeep.ts"
import { type Log, openLog, pageMax } from "./lifecycle-queue.ts"

/** How long the log of a queue is kept up after a listener's last word, and how often that is said, in milliseconds. */
const leaseMs = 90_000
const renewMs = 15_000

/** How often new queues are looked for, and all is read again in case a hint was lost. */
const lookEvery = "2 seconds"

/** How many queues are read or renewed at once. */
const atOnce = 8

/** Wakes all who wait. Who has looked at some version waits only if there was nothing since. */
const makeNews = () => {
  let version = 0
  const waiters = new Set<() => void>()
  return {
    version: () => version,
    tell: () => {
      version++
      // Who is woken may wait again at once: for the next time.
      for (const wake of [...waiters]) wake()
    },
    after: (seen: number) =>
      Effect.callback<void>((resume) => {
        if (version !== seen) return resume(Effect.void)
        const wake = () => {
          waiters.delete(wake)
          resume(Effect.void)
        }
        waiters.add(wake)
        return Effect.sync(() => waiters.delete(wake))
      })
  }
}

/** Opens the logs of all queues, for as long as the scope is open; `life` is that of the process. */
export const openLogs = Effect.fnUntraced(function* (life: Scope.Scope) {
  const log = yield* LifecycleLog
  const operations = yield* Operations
  const handlers = yield* Handlers
  const { next, tune } = yield* log.hints
  const logs = new Map<Partition, Log>()
  const opening = new Set<Partition>()
  const news = makeNews()

  const add = Effect.fnUntraced(function* (partition: Partition) {
    if (logs.has(partition) || opening.has(partition)) return
    opening.add(partition)
    yield* Effect.gen(function* () {
      yield* tune(partition)
      logs.set(partition, openLog(partition, yield* log.listen(partition, leaseMs)))
    }).pipe(Effect.ensuring(Effect.sync(() => opening.delete(partition))))
  })

  const named = new Set([partitionOf("default"), ...handlers.all.map(({ queue }) => partitionOf(queue))])

  /** The queues that have tasks, and those that handlers name: nothing is missed of the first task of one. */
  const addAll = Effect.flatMap(operations.partitions, (partitions) =>
    Effect.forEach(new Set([...partitions, ...named]), add, { concurrency: atOnce, discard: true })
  )
  yield* addAll

  /** Reads on, one read of a queue at a time; what is hinted at meanwhile is read after it. */
  const reading = new Map<Partition, boolean>()
  const read = (partition: Partition): Effect.Effect<void> =>
    Effect.gen(function* () {
      const one = logs.get(partition)
      if (one === undefined) return
      if (reading.has(partition)) return void reading.set(partition, true)
      reading.set(partition, true)
      while (reading.get(partition) === true) {
        reading.set(partition, false)
        const lives = yield* log.read(partition, one.tip(), pageMax)
        one.add(lives)
        if (lives.length > 0) news.tell()
        if (lives.length === pageMax) reading.set(partition, true)
      }
    }).pipe(
      // It is read again within seconds.
      Effect.catch((error) => Effect.logDebug(error.message)),
      Effect.ensuring(Effect.sync(() => reading.delete(partition)))
    )
  const readAll = Effect.suspend(() =>
    Effect.forEach([...logs.keys()], read, { concurrency: atOnce, discard: true })
  )

  const renew = Effect.suspend(() =>
    Effect.forEach(
      [...logs],
      ([partition, one]) =>
        Effect.map(log.listen(partition, leaseMs), (place) => {
          if (one.renewed(place)) news.tell()
        }),
      { concurrency: atOnce, discard: true }
    )
  )

  const forever = (what: string, step: Effect.Effect<unknown, StoreError>) =>
    Effect.forever(
      // The store answers again, or it does not: nobody here can do more than to go on.
      step.pipe(Effect.catch((error) => Effect.logDebug(error.message)))
    ).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${what} stopped`, cause)
      ),
      Effect.forkScoped
    )
  // Each in a fiber of its own, so that one slow queue does not hold the others back.
  const fork = yield* Effect.context<Scope.Scope>()
  const readSoon = (partition: Partition) => Effect.provideContext(Effect.forkScoped(read(partition)), fork)
  yield* forever(
    "hearing of lifecycle events",
    Effect.flatMap(next, (hint) => (hint === undefined ? readAll : readSoon(hint)))
  )
  yield* forever(
    "looking for queues",
    Effect.andThen(upkeepPause(lookEvery), Effect.andThen(addAll, readAll))
  )
  yield* forever("listening on", Effect.andThen(upkeepPause(renewMs), renew))

  // Nobody comes back after the last lease is over: then nothing is to be left of it.
  yield* Effect.addFinalizer(() =>
    upkeepPause(leaseMs + 1_000).pipe(
      Effect.andThen(Effect.forEach([...logs.keys()], log.forget, { discard: true })),
      Effect.ignore,
      Effect.forkIn(life)
    )
  )

  return { log, logs, named, news, addAll }
})

export type Logs = Effect.Success<ReturnType<typeof openLogs>>
