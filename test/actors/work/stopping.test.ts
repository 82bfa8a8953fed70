import { describe, expect } from "bun:test"
import { Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineTask, type TaskDefinition } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { it } from "../../support/effect.ts"
import { gated } from "../../support/gated.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"

const dispatcher = Dispatcher.Dispatcher

for (const store of ["memory", "Redis"] as const) {
  describe(`a worker that stops on ${store}`, () => {
    const parts = (handlers: ReadonlyArray<TaskDefinition>, drainFor: Duration.Input) => {
      const drain = Duration.fromInputUnsafe(drainFor)
      const settings = store === "memory" ? memorySettings({ drain }) : redisSettings({ drain })
      const base = Layer.merge(
        Layer.provideMerge(Shutdown.layer, settings),
        Handlers.layer({ given: handlers })
      )
      return Dispatcher.layer.pipe(
        Layer.provideMerge(Replies.layer),
        Layer.provideMerge(store === "memory" ? Memory.layer : Redis.layer()),
        Layer.provideMerge(base)
      )
    }

    it.live("lets what runs finish, and leaves nothing registered", () => {
      const task = gated("finishing", () => "finished in time")
      return Effect.gen(function* () {
        const { result, submit } = yield* dispatcher
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(Worker.layer(), scope)
        const { id } = yield* submit({ name: "finishing" })
        yield* task.started

        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* task.go
        yield* Fiber.join(stopping)

        expect(yield* result(id)).toEqual({ state: "succeeded", output: "finished in time" })
      }).pipe(Effect.provide(parts([task.handler], "1 minute")))
    })

    it.live("hands back what does not finish in time, for another worker to run at once", () => {
      let runs = 0
      const stubborn = gated("stubborn")
      const handler = defineTask({
        name: "stubborn",
        run: (input, ctx) => {
          runs += 1
          const { body } = stubborn.handler
          if (runs > 1 || body.kind !== "plain") return "the second run's result"
          const aborted = new Promise((_, reject) => {
            ctx.signal.addEventListener("abort", reject)
          })
          return Promise.race([body.run(input, ctx), aborted])
        }
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* dispatcher
        const first = yield* Scope.make()
        yield* Layer.buildWithScope(Worker.layer(), first)
        const { id } = yield* submit({ name: "stubborn" })
        yield* stubborn.started

        yield* Scope.close(first, Exit.void)
        expect(yield* task(id)).toMatchObject({ state: "queued", attempts: [] })
        const second = yield* Scope.make()
        yield* Layer.buildWithScope(Worker.layer(), second)

        expect(yield* result(id)).toEqual({ state: "succeeded", output: "the second run's result" })
        expect(yield* task(id)).toMatchObject({ attempt: 2 })
        yield* Scope.close(second, Exit.void)
      }).pipe(Effect.provide(parts([handler], "1 milli")))
    })

    it.live("waits no longer once somebody is in a hurry", () => {
      const stubborn = gated("stubborn")
      return Effect.gen(function* () {
        const { submit, task } = yield* dispatcher
        const { hurry } = yield* Shutdown
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(Worker.layer(), scope)
        const { id } = yield* submit({ name: "stubborn" })
        yield* stubborn.started

        const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        hurry()
        yield* Effect.timeout(Fiber.join(stopping), "10 seconds")

        expect(yield* task(id)).toMatchObject({ state: "queued" })
        yield* stubborn.go
      }).pipe(Effect.provide(parts([stubborn.handler], "1 hour")))
    })
  })
}
