/**
 * Counts what happens to tasks, and stores the counts once a second, so that statistics cost the hot path nothing.
 * What a process that dies has counted in its last second is not stored.
 */
import { Duration, Effect, type Scope } from "effect"
import { Operations } from "../runtime/operations.ts"
import type { Partition } from "../runtime/task.ts"

const storeEvery = Duration.seconds(1)

/** Upper bounds of the histograms' buckets, in milliseconds: about three to a power of ten. */
export const boundsMs = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 86_400_000
]

/** The counters of a histogram. The counter of a time is that of the least bound which is not below it. */
export const histogram = (name: string): ((ms: number) => string) => {
  const counters = boundsMs.map((bound) => `${name}:${bound}`)
  return (ms) => {
    let at = 0
    while (at < boundsMs.length - 1 && ms > boundsMs[at]!) at += 1
    return counters[at]!
  }
}

export interface Tally {
  readonly add: (partition: Partition, counter: string, count: number) => void
  /** So many tasks were stored. The name of a queue that is new to this process is kept for those who look. */
  readonly submitted: (partition: Partition, count: number) => void
}

/** Opens a tally. When the scope closes, what was counted is stored. */
export const makeTally: Effect.Effect<Tally, never, Operations | Scope.Scope> = Effect.gen(function* () {
  const operations = yield* Operations
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let counts = new Map<Partition, Record<string, number>>()

  const store = Effect.suspend(() => {
    const counted = counts
    counts = new Map()
    return Effect.forEach(counted, ([partition, all]) => Effect.ignore(operations.count(partition, all)), {
      concurrency: "unbounded",
      discard: true
    })
  })
  yield* Effect.addFinalizer(() => Effect.timeoutOption(store, storeEvery))

  const add: Tally["add"] = (partition, counter, count) => {
    if (count === 0) return
    if (counts.size === 0) fork(Effect.forkIn(Effect.delay(store, storeEvery), scope))
    let all = counts.get(partition)
    if (all === undefined) counts.set(partition, (all = {}))
    all[counter] = (all[counter] ?? 0) + count
  }
  return {
    add,
    submitted: (partition, count) => {
      // Cheap: the store is told anew once in a while.
      if (counts.get(partition)?.["submitted"] === undefined) fork(Effect.ignore(operations.note(partition)))
      add(partition, "submitted", count)
    }
  }
})
