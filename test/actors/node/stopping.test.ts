/** What a node does with processes that are late to stop: real ones, on a test's clock. */
import { expect } from "bun:test"
import { Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { nodeStopMaxOf, stopInOrder } from "../../../actors/node/stopping.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import { Settings } from "../../../runtime/config.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"

const aProcess = (...command: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => Bun.spawn([...command], { detached: true })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

it.effect("kills all that are late, also where some have ended of which it has not heard yet", () =>
  Effect.gen(function* () {
    const gone = yield* aProcess("true")
    yield* Effect.promise(() => gone.exited)
    const late = yield* aProcess("sleep", "600")
    const settings = yield* Settings
    const scope = yield* Scope.make()
    yield* stopInOrder(
      { stop: Effect.void, pids: () => [] },
      { stop: Effect.never, pids: () => [gone.pid, late.pid] }
    ).pipe(Scope.provide(scope))

    const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* TestClock.adjust(nodeStopMaxOf(settings))
    yield* Fiber.join(stopping)

    yield* Effect.promise(() => late.exited)
    expect(late.signalCode).toBe("SIGKILL")
  }).pipe(
    Effect.provide(
      Layer.mergeAll(Shutdown.layer, Logger.layer([])).pipe(Layer.provideMerge(memorySettings()))
    )
  )
)
