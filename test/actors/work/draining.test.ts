import { describe, expect } from "bun:test"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import type { Incarnation } from "../../../actors/work/incarnation.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { type Order, Store } from "../../../runtime/store.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { quiet } from "../../support/supervised.ts"

/** A task that runs until it is interrupted; `started` when it runs in both queues. */
const endless = () => {
  let starts = 0
  const started = Deferred.makeUnsafe<void>()
  let aborted = 0
  const handler = defineTask({
    name: "endless",
    run: (_, { signal }) => {
      starts += 1
      if (starts === 2) Deferred.doneUnsafe(started, Exit.void)
      signal.addEventListener("abort", () => void (aborted += 1))
      return new Promise<void>(() => {})
    }
  })
  return { handler, started: Deferred.await(started), aborted: () => aborted }
}

/** A worker that runs an endless task of each queue and has begun to drain, which may take an hour. */
const drainingWith = Effect.fnUntraced(function* (started: Effect.Effect<void>) {
  const incarnations: Array<Incarnation> = []
  const onIncarnation = (incarnation: Incarnation) => void incarnations.push(incarnation)
  const scope = yield* Scope.make()
  yield* Layer.buildWithScope(Worker.layer({ onIncarnation }), scope)
  const { submit } = yield* Dispatcher.Dispatcher
  yield* submit({ name: "endless", queue: "a" })
  yield* submit({ name: "endless", queue: "b" })
  yield* started
  const drained = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  yield* quiet
  return { incarnations, drained: Fiber.join(drained) }
})

const system = (handler: ReturnType<typeof endless>["handler"]) =>
  Dispatcher.layer.pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(
      Layer.merge(
        Layer.provideMerge(
          Shutdown.layer,
          memorySettings({
            drain: Duration.hours(1),
            lease: Duration.seconds(2),
            queues: [
              { queue: "a", concurrency: 1 },
              { queue: "b", concurrency: 1 }
            ]
          })
        ),
        Handlers.layer({ given: [handler] })
      )
    )
  )

describe("a worker that drains", () => {
  it.live("goes on obeying its orders", () => {
    const task = endless()
    return Effect.gen(function* () {
      const store = yield* Store
      const orders = yield* Queue.unbounded<Order>()
      const held: Array<Order> = []
      const { drained } = yield* drainingWith(task.started).pipe(
        Effect.provideService(Store, {
          ...store,
          orders: () => Effect.succeed({ next: Queue.take(orders) }),
          turn: (partition, turn) =>
            Effect.tap(store.turn(partition, turn), ({ claimed }) =>
              Effect.sync(() =>
                held.push(...claimed.map(({ entry }) => ({ kind: "stop", partition, entry }) as const))
              )
            )
        })
      )

      yield* Queue.offerAll(orders, held)

      yield* drained
      expect(task.aborted()).toBe(2)
    }).pipe(Effect.provide(system(task.handler)))
  })

  it.live("waits no longer once it has lost its lease, and begins no other incarnation", () => {
    const task = endless()
    return Effect.gen(function* () {
      const { evict } = yield* Store
      const { drained, incarnations } = yield* drainingWith(task.started)

      yield* evict(partitionOf("a"), incarnations[0]!.worker)

      yield* drained
      expect(incarnations).toHaveLength(1)
    }).pipe(Effect.provide(system(task.handler)))
  })
})
