/** The `PersistedQueue` of `effect` on Redis, through its own driver; as many takers as the worker's concurrency. */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Fiber, Layer, ManagedRuntime, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { type Input, outputOf, type System } from "./system.ts"
import { addressOf } from "./address.ts"

const prefix = "bench:"

/** How many of a batch are offered at once: there is no call for many. */
const offersAtOnce = 250

export const persistedqueue: System = {
  name: "persistedqueue",
  share: 0.25,

  connect: async (url) => {
    const store = PersistedQueue.layerStoreRedis({ prefix }).pipe(
      Layer.provide(NodeRedis.layer({ socket: { ...addressOf(url), tls: false } }))
    )
    const runtime = ManagedRuntime.make(PersistedQueue.layer.pipe(Layer.provide(store)))
    const queue = await runtime.runPromise(
      PersistedQueue.make({ name: "bench", schema: Schema.Unknown, maxAttempts: 3 })
    )
    return {
      submit: (input) => runtime.runPromise(queue.offer(input)),
      submitAll: (inputs) =>
        runtime.runPromise(
          Effect.forEach(inputs, (input) => queue.offer(input), {
            concurrency: offersAtOnce,
            discard: true
          })
        ),
      work: async (concurrency) => {
        const taking = Effect.forever(queue.take((input) => Effect.promise(() => outputOf(input as Input))))
        const fiber = runtime.runFork(
          Effect.all(
            Array.from({ length: concurrency }, () => taking),
            {
              concurrency: "unbounded",
              discard: true
            }
          )
        )
        return () => runtime.runPromise(Fiber.interrupt(fiber)).then(() => {})
      }
    }
  },

  unended: async (redis) => {
    const left = await Promise.all([
      redis.llen(`${prefix}bench`),
      redis.hlen(`${prefix}bench:pending`),
      redis.zcard(`${prefix}bench:delayed`)
    ])
    return left.reduce((sum, count) => sum + count, 0)
  }

  // It keeps that an id was done, and no result.
}
