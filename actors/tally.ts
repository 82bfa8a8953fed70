/**
 * Counts what happens to tasks, and stores the counts once a second, so that statistics cost the hot path nothing.
 * What a process that dies has counted in its last second is not stored.
 */
import { Duration, Effect, Schedule, type Scope } from "effect"
import { Operations } from "../runtime/operations.ts"
import type { Partition } from "../runtime/task.ts"

const storeEvery = Duration.seconds(1)

/** How often the store is told again that a queue is in use. */
const noteEveryMs = Duration.toMillis("1 hour")

/** Upper bounds of the histograms' buckets, in milliseconds: about three to a power of ten. */
const boundsMs = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 86_400_000
]

/** The bucket of a time: the least bound that is not below it. */
export const bucketOf = (ms: number): number => boundsMs.find((bound) => ms <= bound) ?? boundsMs.at(-1)!

export interface Tally {
  readonly add: (partition: Partition, counter: string, count: number) => void
  /** So many tasks were stored. A queue that is new to this process is noted. */
  readonly submitted: (partition: Partition, count: number) => void
}

/** Opens a tally. When the scope closes, what was counted is stored. */
export const makeTally: Effect.Effect<Tally, never, Operations | Scope.Scope> = Effect.gen(function* () {
  const operations = yield* Operations
  let counts = new Map<Partition, Record<string, number>>()
  let unnoted = new Set<Partition>()
  const notedAt = new Map<Partition, number>()

  const store = Effect.suspend(() => {
    const counted = counts
    const fresh = unnoted
    counts = new Map()
    unnoted = new Set()
    return Effect.andThen(
      Effect.forEach(fresh, (partition) => operations.note(partition), { discard: true }),
      Effect.forEach(counted, ([partition, all]) => operations.count(partition, all), { discard: true })
    )
  }).pipe(Effect.catch((error) => Effect.logWarning(`some statistics are lost: ${error.message}`)))
  yield* Effect.addFinalizer(() => Effect.timeoutOption(store, storeEvery))
  yield* Effect.repeat(store, Schedule.spaced(storeEvery)).pipe(Effect.forkScoped)

  const add: Tally["add"] = (partition, counter, count) => {
    if (count === 0) return
    const all = counts.get(partition) ?? {}
    counts.set(partition, all)
    all[counter] = (all[counter] ?? 0) + count
  }
  return {
    add,
    submitted: (partition, count) => {
      add(partition, "submitted", count)
      const now = performance.now()
      if (now - (notedAt.get(partition) ?? -Infinity) < noteEveryMs) return
      notedAt.set(partition, now)
      unnoted.add(partition)
    }
  }
})
