/**
 * Bounds the queues that submitters make up. A queue costs Redis keys and everybody who lists or measures queues a look,
 * and whoever may submit may name any: so of queues that nobody serves a tenant may name so many, in each process.
 *
 * A queue that was named before costs a look into a Set, and no call. Only at the bound the store is asked which of them are
 * still there, and whether somebody serves the new one.
 */
import { Clock, Effect } from "effect"
import { Operations } from "../../runtime/operations.ts"
import { type Partition, partitionOfId, queueOf } from "../../runtime/task.ts"
import type { Lookout } from "./lookout.ts"
import { SubmitRefused } from "./new-task.ts"
import type { Prepared } from "./preparation.ts"

/** How many queues that nobody serves the submitters of a tenant may name in one process, beside those of handlers. */
export const madeUpMax = 100

/** How often the store is asked at most which queues there are, in milliseconds. */
const listEveryMs = 5_000

export interface MadeUpQueues {
  /** Whether a task may go where it is to go, as far as is known without a call. */
  readonly isFine: (one: Prepared) => boolean

  /** Lets it go there, or refuses it. */
  readonly check: (one: Prepared) => Effect.Effect<void, SubmitRefused>
}

const refused = (partition: Partition) =>
  new SubmitRefused({
    faults: [
      {
        path: "/queue",
        message:
          `nobody serves queue ${queueOf(partition)}, and ${madeUpMax} queues that nobody serves were named here already: ` +
          "name one that workers serve, or leave this out, and the task goes to the queue of its handler"
      }
    ]
  })

export const makeMadeUpQueues = Effect.fnUntraced(function* (lookout: Lookout) {
  const operations = yield* Operations
  const clock = yield* Clock.Clock
  /** Where tasks may go: what was counted, and what was found to be served or to be there anyway. */
  const fine = new Set<Partition>()
  const counted = new Map<string, Set<Partition>>()
  let listed: ReadonlySet<Partition> = new Set()
  let listedAt = Number.NEGATIVE_INFINITY

  const list = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    if (Math.abs(now - listedAt) < listEveryMs) return Effect.void
    listedAt = now
    // Where it does not answer, the submit will say so for itself.
    return Effect.ignore(
      Effect.map(operations.partitions, (all) => {
        listed = new Set(all)
        for (const names of counted.values()) {
          for (const partition of names) if (!listed.has(partition)) forget(names, partition)
        }
      })
    )
  })

  const forget = (names: Set<Partition>, partition: Partition) => {
    names.delete(partition)
    fine.delete(partition)
  }

  const isFine: MadeUpQueues["isFine"] = ({ id, namedBy }) =>
    namedBy === undefined || fine.has(partitionOfId(id))

  /** Counts it, if there is room. */
  const take = (names: Set<Partition>, partition: Partition) => {
    // What somebody serves by now is nobody's invention.
    if (names.size >= madeUpMax) for (const one of names) if (lookout.hasWorkers(one)) names.delete(one)
    if (names.size >= madeUpMax) return false
    names.add(partition)
    fine.add(partition)
    return true
  }

  const check: MadeUpQueues["check"] = Effect.fnUntraced(function* (one) {
    const partition = partitionOfId(one.id)
    if (isFine(one)) return
    const names = counted.get(one.namedBy!) ?? new Set()
    counted.set(one.namedBy!, names)
    if (take(names, partition)) return
    yield* Effect.all([list, lookout.look(partition)], { concurrency: 2 })
    if (lookout.hasWorkers(partition) || listed.has(partition)) return void fine.add(partition)
    if (!take(names, partition)) return yield* refused(partition)
  })

  const made: MadeUpQueues = { isFine, check }
  return made
})
