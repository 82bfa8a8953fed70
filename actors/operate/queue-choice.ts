/**
 * Which queues are told of where there are more than can be: those that somebody serves first, then those with work, each by
 * their names. Decisions over plain values.
 *
 * What is not told of is glanced at now and then, what was never seen first, so that it is found when it becomes of interest.
 */
import type { Partition } from "../../runtime/task.ts"

/** How much somebody who watches cares: it is served, it has work, or neither. */
export type Interest = "served" | "work" | "none"

const order = { served: 0, work: 1, none: 2 } as const satisfies Record<Interest, number>

export class QueueChoice {
  readonly #most: number
  readonly #seen = new Map<Partition, { readonly interest: Interest; readonly glance: number }>()
  #glances = 0

  /** How many are told of. */
  constructor(most: number) {
    this.#most = most
  }

  /** It was looked at. */
  saw(partition: Partition, interest: Interest): void {
    this.#glances += 1
    this.#seen.set(partition, { interest, glance: this.#glances })
  }

  /** Those that are told of, by their names. */
  of(all: ReadonlyArray<Partition>): ReadonlyArray<Partition> {
    if (all.length <= this.#most) return all
    const interest = (partition: Partition) => order[this.#seen.get(partition)?.interest ?? "none"]
    return all
      .toSorted((one, other) => interest(one) - interest(other) || (one < other ? -1 : 1))
      .slice(0, this.#most)
      .sort()
  }

  /** Up to `count` others to be glanced at before that, those that were seen the longest ago; what is gone is forgotten. */
  glances(all: ReadonlyArray<Partition>, count: number): ReadonlyArray<Partition> {
    const there = new Set(all)
    for (const partition of this.#seen.keys()) if (!there.has(partition)) this.#seen.delete(partition)
    if (all.length <= this.#most) return []
    const told = new Set(this.of(all))
    const last = (partition: Partition) => this.#seen.get(partition)?.glance ?? 0
    return all
      .filter((partition) => !told.has(partition) || last(partition) === 0)
      .toSorted((one, other) => last(one) - last(other))
      .slice(0, count)
  }
}
