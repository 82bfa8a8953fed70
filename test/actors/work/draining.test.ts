import { describe, expect } from "bun:test"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import type { Incarnation } from "../../../actors/work/incarnation.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineTask, type TaskDefinition } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { type Order, Store } from "../../../runtime/store.ts"
import { crashesOf } from "../../../runtime/record.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { TestClock } from "effect/testing"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { quiet } from "../../support/supervised.ts"
import { aTurn } from "../../support/tasks.ts"

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
  return { handler, started: Deferred.await(started), starts: () => starts, aborted: () => aborted }
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

const system = (handler: TaskDefinition) =>
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

describe("a worker that hands back", () => {
  it.live("what was on its way to it as it stopped, and starts none of it", () => {
    const task = endless()
    return Effect.gen(function* () {
      const store = yield* Store
      const { hurry } = yield* Shutdown
      const { submit, task: look } = yield* Dispatcher.Dispatcher
      const claimed = yield* Deferred.make<void>()
      const read = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Worker.layer(), scope).pipe(
        Effect.provideService(Store, {
          ...store,
          // What was claimed is read late.
          turn: (partition, turn) =>
            Effect.tap(store.turn(partition, turn), (reply) =>
              reply.claimed.length === 0
                ? Effect.void
                : Effect.andThen(Deferred.succeed(claimed, undefined), Deferred.await(read))
            )
        })
      )
      const { id } = yield* submit({ name: "endless", queue: "a" })
      yield* Deferred.await(claimed)
      const drained = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      hurry()
      yield* quiet

      yield* Deferred.succeed(read, undefined)

      yield* Fiber.join(drained)
      expect(task.starts()).toBe(0)
      expect(yield* look(id)).toMatchObject({ state: "queued", attempts: [] })
    }).pipe(Effect.provide(system(task.handler)))
  })

  it.effect("what does not stop in time, and does not count it as a crash", () => {
    const started = Deferred.makeUnsafe<void>()
    const handler = defineTask.effect({
      name: "endless",
      run: Effect.fnUntraced(function* () {
        Deferred.doneUnsafe(started, Exit.void)
        yield* Effect.uninterruptible(Effect.sleep("20 seconds"))
      })
    })
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      const { hurry } = yield* Shutdown
      const { submit, task: look } = yield* Dispatcher.Dispatcher
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Worker.layer(), scope)
      const { id } = yield* submit({ name: "endless", queue: "a" })
      yield* Deferred.await(started)
      const drained = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      hurry()
      yield* quiet
      expect((yield* look(id)).state).toBe("running")

      yield* TestClock.adjust("5 seconds")
      yield* quiet

      expect(yield* look(id)).toMatchObject({ state: "queued", attempt: 1, attempts: [] })
      const { turn } = yield* Store
      const [again] = (yield* turn(partitionOf("a"), aTurn("another", { want: 1 }))).claimed
      expect(crashesOf(again!.record)).toBe(0)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(drained)
    }).pipe(Effect.provide(system(handler)))
  })
})
