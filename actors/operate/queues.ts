/** Queues as their operators see them, and what they may do to one: pause it, bound it, empty it. */
import { Clock, Effect, Schema } from "effect"
import { Operations, type QueueLimits } from "../../runtime/operations.ts"
import { Store, type StoreError } from "../../runtime/store.ts"
import { type Lane, partitionOf, QueueName, queueOf } from "../../runtime/task.ts"
import { type QueryRefused, reader } from "./fields.ts"
import { reasonMax } from "../dispatch/dispatcher.ts"
import { aheadMaxMs, Key } from "../dispatch/new-task.ts"
import type { Finder } from "./finder.ts"
import type { Search } from "./query.ts"
import type { Count } from "./revival.ts"
import { addMinutes, waitingIn } from "./stats.ts"

/** A queue. */
export interface QueueView {
  readonly name: string
  readonly paused: boolean
  /** Keys that are paused by themselves. */
  readonly pausedKeys: ReadonlyArray<string>
  /** What waits: by lane, and in the boxes of keys and limits. */
  readonly depth: Readonly<Record<Lane | "boxed", number>>
  readonly scheduled: number
  readonly running: number
  /** Tasks that wait for their children. */
  readonly waiting: number
  readonly dead: number
  /** How long ago the oldest task that waits was submitted; 0 when none waits. */
  readonly oldestMs: number
  /** What happened in a minute, on average of the last ones. */
  readonly rates: { readonly submitted: number; readonly succeeded: number; readonly failed: number }
  readonly limits: QueueLimits
}

/** Of how many minutes rates are the average, the current one not included. */
const rateMinutes = 5

/** How many tasks are cancelled in one go. */
const purgePiece = 500

const count = (maximum = 1_000_000_000) =>
  Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })))

export const LimitsJson = Schema.Struct({
  maxDepth: count(),
  maxAgeMs: count(aheadMaxMs),
  maxKeyDepth: count(),
  concurrency: count(),
  rate: Schema.optionalKey(
    Schema.Struct({
      count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })),
      perMs: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400_000 }))
    })
  ),
  keepBytes: count(Number.MAX_SAFE_INTEGER),
  // A submit whose answer was lost is said again for some seconds, and must find its tasks there.
  keepMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 60_000, maximum: aheadMaxMs })))
}) satisfies Schema.Codec<QueueLimits>

const readLimits = reader(LimitsJson)
const readName = reader(Schema.Struct({ queue: QueueName }))
const readKey = reader(Schema.Struct({ key: Schema.optionalKey(Key) }))

/** The partition of a queue that somebody named. */
export const partitionNamed = (queue: string) =>
  Effect.map(
    Effect.suspend(() => Effect.fromResult(readName({ queue }))),
    ({ queue }) => partitionOf(queue)
  )

/** Those that a purge would cancel. The entry of one that has ended may still lie in its lane. */
const purgeable = (queue: string): ReadonlyArray<Search> =>
  (["waiting", "later"] as const).map((shelf) => ({
    queue,
    shelf,
    tenants: "all",
    isMeant: ({ state }) => state === "queued" || state === "scheduled" || state === "retrying"
  }))

export const makeQueues = Effect.fnUntraced(function* (finder: Finder) {
  const store = yield* Store
  const operations = yield* Operations

  const view = Effect.fnUntraced(function* (
    name: string
  ): Effect.fn.Return<QueueView, QueryRefused | StoreError> {
    const partition = yield* partitionNamed(name)
    const state = yield* operations.queue(partition)
    const now = yield* Clock.currentTimeMillis
    const minutes = addMinutes(yield* operations.minutes(partition, rateMinutes + 1)).filter(
      // The current minute is not over, so that it would make every rate look low.
      ({ at }) => at + 60_000 <= now
    )
    const rate = (counter: string) =>
      minutes.reduce((sum, { counts }) => sum + (counts[counter] ?? 0), 0) / rateMinutes
    const { boxed, dead, held, lanes, later, waiting } = state.depth
    return {
      name,
      paused: state.paused,
      pausedKeys: state.pausedKeys,
      depth: { ...lanes, boxed },
      scheduled: later,
      running: held,
      waiting,
      dead,
      oldestMs: state.oldest === undefined ? 0 : Math.max(0, now - state.oldest),
      rates: { submitted: rate("submitted"), succeeded: rate("succeeded"), failed: rate("failed") },
      limits: state.limits
    }
  })

  /** Cancels what waits and what is delayed. What comes in meanwhile stays. */
  const purge = Effect.fnUntraced(function* (
    name: string,
    options: { readonly dryRun?: boolean; readonly reason?: string } = {}
  ): Effect.fn.Return<Count, QueryRefused | StoreError> {
    const partition = yield* partitionNamed(name)
    if (options.dryRun === true) {
      const found = yield* Effect.forEach(purgeable(name), finder.all)
      return { count: new Set(found.flat()).size }
    }
    const reason = (options.reason ?? "its queue was purged").slice(0, reasonMax)
    const depth = yield* store.depth(partition)
    const there = waitingIn(depth) + depth.later
    let purged = 0
    while (purged < there) {
      const most = Math.min(purgePiece, there - purged)
      const gone = yield* operations.purge(partition, most, reason)
      if (gone === 0) break
      purged += gone
    }
    return { count: purged }
  })

  return {
    queues: Effect.flatMap(operations.partitions, (partitions) =>
      Effect.forEach([...new Set(partitions.map(queueOf))].sort(), view, { concurrency: 4 })
    ),
    queue: view,
    pause: Effect.fnUntraced(function* (name: string, paused: boolean, key?: string) {
      const partition = yield* partitionNamed(name)
      if (key !== undefined) yield* Effect.fromResult(readKey({ key }))
      yield* operations.pause(partition, paused, key)
      return yield* view(name)
    }),
    limit: Effect.fnUntraced(function* (name: string, given: unknown) {
      const partition = yield* partitionNamed(name)
      yield* operations.limit(partition, yield* Effect.fromResult(readLimits(given)))
      return yield* view(name)
    }),
    purge
  }
})
