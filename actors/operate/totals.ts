/**
 * Counters that only grow, made of what was counted minute by minute: decisions over plain values.
 *
 * The store keeps counts of minutes, which come and go. Who reads them again and again adds what is new since the last
 * time; what was there at the first time is where it starts from. So it starts at 0 as its process does, and never falls.
 */
import type { Minute } from "../../runtime/operations.ts"
import type { Partition } from "../../runtime/task.ts"
import type { Distribution } from "../../runtime/telemetry/exposition.ts"
import { boundsMs } from "../tally.ts"

export type Counts = Readonly<Record<string, number>>

export class Totals {
  readonly #seen = new Map<Partition, ReadonlyMap<number, Counts>>()
  readonly #sums = new Map<Partition, Record<string, number>>()
  #begun = false

  /**
   * Takes in partitions as they were read at one time, of all that there are. One that is new since the first time starts
   * from nothing, and one that is gone is forgotten.
   */
  take(read: ReadonlyMap<Partition, ReadonlyArray<Minute>>, all: ReadonlyArray<Partition>): void {
    const there = new Set(all)
    for (const partition of this.#sums.keys()) {
      if (there.has(partition)) continue
      this.#sums.delete(partition)
      this.#seen.delete(partition)
    }
    for (const [partition, minutes] of read) {
      const before = this.#seen.get(partition)
      const sums = this.#sums.get(partition) ?? {}
      this.#sums.set(partition, sums)
      for (const { at, counts } of minutes) {
        for (const [counter, count] of Object.entries(counts)) {
          const known = before?.get(at)?.[counter] ?? 0
          const news = this.#begun ? Math.max(0, count - known) : 0
          sums[counter] = (sums[counter] ?? 0) + news
        }
      }
      this.#seen.set(partition, new Map(minutes.map(({ at, counts }) => [at, counts])))
    }
    this.#begun = true
  }

  /** What was counted of a partition since the first time. */
  of(partition: Partition): Counts {
    return this.#sums.get(partition) ?? {}
  }
}

/** The histogram of a kind, in seconds. What lies over the last bound is in `count` alone. */
export const distributionOf = (counts: Counts, kind: "wait" | "run"): Distribution => {
  const finite = boundsMs.slice(0, -1)
  let below = 0
  const buckets = finite.map((bound): readonly [number, number] => {
    below += counts[`${kind}:${bound}`] ?? 0
    return [bound / 1_000, below]
  })
  const count = below + (counts[`${kind}:${boundsMs.at(-1)}`] ?? 0)
  return { buckets, count, sum: (counts[`${kind}Us`] ?? 0) / 1e6 }
}
