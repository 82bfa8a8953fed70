/** A worker and a client in one process, over a store in memory that a test changes, on a clock that it moves. */
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../actors/dispatch/replies.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Worker from "../../actors/work/worker.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Store } from "../../runtime/store.ts"
import { memorySettings } from "./redis.ts"

/** What is to happen at this time of the test's clock happens. */
export const settle = Effect.promise(async () => {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate)
})

export const pass = Effect.fnUntraced(function* (time: Duration.Input) {
  const step = 10
  for (let passed = 0; passed < Duration.toMillis(time); passed += step) {
    yield* TestClock.adjust(step)
    yield* settle
  }
})

/** A worker with room for one task of each queue, whose store is changed. */
export const working = (
  handlers: ReadonlyArray<TaskDefinition>,
  lease: Duration.Input,
  change: (store: Store["Service"]) => Partial<Store["Service"]>,
  queues: ReadonlyArray<string> = ["default"]
) => {
  const changed = Layer.effect(
    Store,
    Store.useSync((store) => Store.of({ ...store, ...change(store) }))
  )
  const settings = memorySettings({
    lease: Duration.fromInputUnsafe(lease),
    drain: Duration.zero,
    queues: queues.map((queue) => ({ queue, concurrency: 1 }))
  })
  const base = Layer.merge(Layer.provideMerge(Shutdown.layer, settings), Handlers.layer({ given: handlers }))
  return Layer.mergeAll(Dispatcher.layer, Worker.layer().pipe(Layer.provide(changed))).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(base)
  )
}
