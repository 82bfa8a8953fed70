/**
 * What becomes of all tasks, to programs that listen: gap-free and in order within each queue, across reconnects, or with a
 * word about the gap.
 *
 * A listener is a position in the log of every queue and pulls at its own pace: one that is slow costs no memory, one that
 * goes away leaves nothing behind. All listeners of a process share what is read. While there is none, nothing is noted
 * anywhere, and nobody pays; the log goes on for a while after the last one left, for those who come back.
 */
import { Context, Effect, Layer, RcRef, Stream } from "effect"
import { LifecycleLog } from "../../runtime/lifecycle.ts"
import { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import type { StoreError } from "../../runtime/store.ts"
import { partitionOf } from "../../runtime/task.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { followedBy, type LifecycleFilter } from "./lifecycle-filter.ts"
import { listener, type LifecycleNews } from "./lifecycle-listener.ts"
import { openLogs } from "./lifecycle-logs.ts"
import { type LifecyclePositionInvalid, readPlaces, type Return } from "./lifecycle-position.ts"

export { type LifecycleEvent, LifecycleType } from "./lifecycle-event.ts"
export { LifecycleFilter } from "./lifecycle-filter.ts"
export type { LifecycleNews } from "./lifecycle-listener.ts"
export { LifecyclePositionInvalid } from "./lifecycle-position.ts"

export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /**
     * What happens to the tasks of the fiber's `Tenant` from now on, or from a position on. It fails when it cannot begin to listen; later it waits until
     * the store answers again.
     */
    readonly follow: (
      filter?: LifecycleFilter,
      after?: string
    ) => Stream.Stream<LifecycleNews, LifecyclePositionInvalid | StoreError>
    /** How many listen in this process. */
    readonly listeners: Effect.Effect<number>
  }
>()("troupe/Lifecycle") {}

const make = Effect.gen(function* () {
  const log = yield* LifecycleLog
  const operations = yield* Operations
  const handlers = yield* Handlers
  let listeners = 0
  const all = yield* RcRef.make({
    acquire: openLogs(yield* Effect.scope).pipe(
      Effect.provideService(LifecycleLog, log),
      Effect.provideService(Operations, operations),
      Effect.provideService(Handlers, handlers)
    )
  })

  return Lifecycle.of({
    follow: (filter = {}, after) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const back: Return =
            after === undefined
              ? { places: new Map(), more: false }
              : yield* Effect.fromResult(readPlaces(after))
          const open = yield* RcRef.get(all)
          // Only a queue that is known is opened: any name can be said. Another one is, once it has a task.
          if (filter.queues?.some((queue) => !open.logs.has(partitionOf(queue))) === true) yield* open.addAll
          // A queue that it was told nothing of yet is followed from now on.
          if (after === undefined) {
            const isFollowed = followedBy(filter)
            for (const [partition, one] of open.logs)
              if (isFollowed(partition)) back.places.set(partition, one.tip())
          }
          yield* Effect.acquireRelease(
            Effect.sync(() => void listeners++),
            () => Effect.sync(() => void listeners--)
          )
          const tenant = yield* Tenant
          return Stream.fromPull(Effect.sync(() => listener(open, { filter, tenant }, back)))
        })
      ),
    listeners: Effect.sync(() => listeners)
  })
})

/** Give it the log, the operations and the handlers. */
export const layer = Layer.effect(Lifecycle, make)
