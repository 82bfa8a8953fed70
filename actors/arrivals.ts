/**
 * Counts what was submitted, and keeps the names of the queues it was submitted to: for those who look at the system.
 *
 * Nobody waits for it, and counts are told once a second: a submit costs no more for it. What a process that is killed
 * has not told yet is missing from the statistics.
 */
import { Duration, Effect, type Scope } from "effect"
import { Operations } from "../runtime/operations.ts"
import type { Partition } from "../runtime/task.ts"

const tellEvery = Duration.seconds(1)

export interface Arrivals {
  readonly submitted: (partition: Partition, count: number) => void
}

export const makeArrivals: Effect.Effect<Arrivals, never, Operations | Scope.Scope> = Effect.gen(
  function* () {
    const operations = yield* Operations
    const scope = yield* Effect.scope
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    let counts = new Map<Partition, number>()

    const tell = Effect.suspend(() => {
      const told = counts
      counts = new Map()
      return Effect.forEach(
        told,
        ([partition, submitted]) => Effect.ignore(operations.count(partition, { submitted })),
        { concurrency: "unbounded", discard: true }
      )
    })
    yield* Effect.addFinalizer(() => Effect.timeoutOption(tell, tellEvery))

    const submitted: Arrivals["submitted"] = (partition, count) => {
      if (counts.size === 0) fork(Effect.forkIn(Effect.delay(tell, tellEvery), scope))
      if (!counts.has(partition)) fork(Effect.ignore(operations.note(partition)))
      counts.set(partition, (counts.get(partition) ?? 0) + count)
    }
    return { submitted }
  }
)
