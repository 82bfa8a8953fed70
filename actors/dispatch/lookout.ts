/**
 * What this process last saw of queues: which handlers their live workers have, and how much there is to do.
 *
 * A submit asks it without asking the store. A view is renewed at most every two seconds, beside the submits that use
 * it. That nobody can run a task is only believed of a fresh view, so that a worker that has come is seen.
 */
import { Clock, Effect, Fiber, Random, Result } from "effect"
import { handlersSaid, Operations, type WorkerState } from "../../runtime/operations.ts"
import { type Depth, Store } from "../../runtime/store.ts"
import { type Partition, partitionOf } from "../../runtime/task.ts"
import { leastLoaded } from "./choice.ts"
import { concurrencyHere } from "./served-here.ts"

/** How often a queue is looked at, at most. */
const lookEveryMs = 2_000

/** How long a worker that was seen is taken to be there still, while nobody could look again. */
const keptMs = 15_000

/** How long anybody waits for a look. */
const lookMax = "1 second"

/** How many queues' views are kept at hand. */
const viewsMax = 1_000

/** Whether a worker claimed tasks when it was seen: its lease held, on the store's clock, and it did not drain. */
const isLive = ({ about, leaseUntil, seenAt }: WorkerState): boolean =>
  leaseUntil > seenAt && about?.draining !== true

/** One that has not said yet which handlers it has, or has more than it can say, is taken to have it. */
const has = ({ about }: WorkerState, handler: string): boolean =>
  about?.handlers === undefined || about.handlers.includes(handler) || about.handlers.length >= handlersSaid

/** How many tasks of a handler the live workers of a queue run at once. */
export const concurrencyOf = (workers: ReadonlyArray<WorkerState>, handler: string): number =>
  workers
    .filter((worker) => isLive(worker) && has(worker, handler))
    .reduce((sum, { about }) => sum + (about?.concurrency ?? 1), 0)

const depthOf = ({ boxed, held, lanes }: Depth) =>
  lanes.urgent + lanes.high + lanes.normal + lanes.low + boxed + held

interface View {
  /** When it was asked for, on our clock; and when the workers were last seen, `-Infinity` if never. */
  readonly askedAt: number
  readonly seenAt: number
  readonly workers: ReadonlyArray<WorkerState>
  /** What they come to, by handler, once it was asked. */
  readonly concurrency: Map<string, number>
  readonly depth: number
  /** How many tasks were sent there since. */
  sent: number
}

const concurrencyIn = ({ concurrency, workers }: View, handler: string): number => {
  const known = concurrency.get(handler)
  if (known !== undefined) return known
  const sum = concurrencyOf(workers, handler)
  concurrency.set(handler, sum)
  return sum
}

const nothing = { seenAt: -Infinity, workers: [], depth: 0, sent: 0 }

export interface Lookout {
  /** Whether a live worker can run it; `undefined` when that is not known now: `look` first. */
  readonly isServed: (partition: Partition, handler: string) => boolean | undefined

  /** Whether anybody serves the queue at all, as it was last seen. */
  readonly hasWorkers: (partition: Partition) => boolean

  /** Looks, or waits for the look that is on its way, for a second at most. It cannot fail: then nothing is known. */
  readonly look: (partition: Partition) => Effect.Effect<void>

  /** The least loaded of some queues for a task of a handler, which is then counted. */
  readonly choose: (queues: ReadonlyArray<string>, handler: string) => string

  /** Those of some queues that nobody has looked at. */
  readonly unseen: (queues: ReadonlyArray<string>) => ReadonlyArray<Partition>
}

/** `measured` are the queues whose depth is looked at, too. */
export const makeLookout = Effect.fnUntraced(function* (measured: ReadonlySet<string>) {
  const store = yield* Store
  const operations = yield* Operations
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const views = new Map<Partition, View>()
  const looks = new Map<Partition, Fiber.Fiber<void>>()
  const partitions = new Set([...measured].map((queue) => partitionOf(queue)))
  const now = () => clock.currentTimeMillisUnsafe()
  /** How long ago something was. A clock that was set back makes it long ago. */
  const since = (at: number) => {
    const age = now() - at
    return age < 0 ? Infinity : age
  }
  let turn = yield* Random.nextIntBetween(0, 1_000)

  const keep = (partition: Partition, view: View) => {
    if (views.size >= viewsMax && !views.has(partition)) views.clear()
    views.set(partition, view)
  }

  const lookOnce = Effect.fnUntraced(function* (partition: Partition) {
    const askedAt = now()
    const before = views.get(partition)
    const isMeasured = partitions.has(partition)
    const seen = yield* Effect.result(
      Effect.all(
        [
          operations.workers(partition),
          isMeasured ? Effect.map(store.depth(partition), depthOf) : Effect.succeed(0)
        ],
        { concurrency: 2 }
      )
    )
    // The submit will say for itself that the store does not answer.
    if (Result.isFailure(seen))
      return keep(partition, { concurrency: new Map(), ...(before ?? nothing), askedAt })
    const [workers, depth] = seen.success
    keep(partition, { askedAt, seenAt: now(), workers, concurrency: new Map(), depth, sent: 0 })
  })

  const start = (partition: Partition) => {
    const there = looks.get(partition)
    if (there !== undefined) return there
    const fiber = fork(lookOnce(partition))
    looks.set(partition, fiber)
    fiber.addObserver(() => looks.delete(partition))
    return fiber
  }

  /** What was last seen; it is looked at again where that is a while ago. */
  const viewOf = (partition: Partition) => {
    const view = views.get(partition)
    if (view !== undefined && since(view.askedAt) >= lookEveryMs) start(partition)
    return view
  }

  const isServed: Lookout["isServed"] = (partition, handler) => {
    if (concurrencyHere(store, partition, handler) > 0) return true
    const view = viewOf(partition)
    if (view === undefined) return undefined
    const age = since(view.seenAt)
    if (age > keptMs) return undefined
    if (concurrencyIn(view, handler) > 0) return true
    return age < lookEveryMs ? false : undefined
  }

  const look: Lookout["look"] = (partition) =>
    Effect.suspend(() => {
      const view = views.get(partition)
      // Just looked at: what could not be seen then is not asked for by every submit.
      if (view !== undefined && since(view.askedAt) < lookEveryMs) return Effect.void
      return Fiber.await(start(partition)).pipe(
        Effect.timeoutOrElse({ duration: lookMax, orElse: () => Effect.void }),
        Effect.asVoid
      )
    })

  const choose: Lookout["choose"] = (queues, handler) => {
    const candidates = queues.map((queue) => {
      const partition = partitionOf(queue)
      const view = viewOf(partition)
      const seen = view === undefined ? 0 : concurrencyIn(view, handler)
      return {
        queue,
        partition,
        depth: (view?.depth ?? 0) + (view?.sent ?? 0),
        concurrency: Math.max(seen, concurrencyHere(store, partition, handler))
      }
    })
    const { partition, queue } = leastLoaded(candidates, turn++)
    const view = views.get(partition)
    if (view !== undefined) view.sent += 1
    return queue
  }

  const lookout: Lookout = {
    isServed,
    hasWorkers: (partition) => views.get(partition)?.workers.some(isLive) ?? false,
    look,
    choose,
    unseen: (queues) => queues.map((queue) => partitionOf(queue)).filter((partition) => !views.has(partition))
  }
  return lookout
})
