import { describe, expect, test } from "bun:test"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { nodeStopMaxOf } from "../../actors/node/stopping.ts"
import { apiStopMaxOf, type PhaseName, Shutdown, workerStopMaxOf } from "../../actors/shutdown.ts"
import { it } from "../support/effect.ts"
import { memorySettings } from "../support/redis.ts"
import { quiet, recorded } from "../support/supervised.ts"

const limits = { drain: Duration.seconds(30), grace: Duration.seconds(1), lease: Duration.seconds(15) }

const inOrder: ReadonlyArray<PhaseName> = [
  "stop admitting",
  "close the API",
  "stop claiming",
  "let running finish",
  "hand back",
  "settle",
  "deregister"
]

/** A process whose drain takes 30 seconds. */
const process = Shutdown.layer.pipe(Layer.provide(memorySettings(limits)))

describe("a process that stops", () => {
  test("has a deadline of all its phases together, and a node waits for all of its processes", () => {
    const seconds = [apiStopMaxOf, workerStopMaxOf, nodeStopMaxOf].map((of) => Duration.toSeconds(of(limits)))
    expect(seconds).toEqual([2 + 5 + 5, 5 + 30 + 5 + 15 + 5 + 5, 12 + 65 + 2 + 10])
  })

  it.effect("goes through its phases in order, whoever is stopped first", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const { during, run } = yield* Shutdown
      const part = Effect.fnUntraced(function* (name: string, phases: ReadonlyArray<PhaseName>) {
        const scope = yield* Scope.make()
        for (const phase of phases)
          yield* during(phase, {
            name,
            run: Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => done.push(phase))
            )
          }).pipe(Scope.provide(scope))
        yield* Effect.addFinalizer(() => run(`${name} is stopped`)).pipe(Scope.provide(scope))
        return scope
      })
      const api = yield* part("API", inOrder.slice(0, 2))
      const worker = yield* part("worker", inOrder.slice(2).toReversed())

      yield* Scope.close(worker, Exit.void)
      yield* Scope.close(api, Exit.void)

      expect(done).toEqual([...inOrder])
    }).pipe(Effect.provide(process))
  )

  it.effect("does nothing more for a part that is gone, and keeps the first reason", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function* () {
      const { during, reason, run, told } = yield* Shutdown
      const scope = yield* Scope.make()
      yield* during("settle", { name: "gone", run: Effect.die("was not to be done") }).pipe(
        Scope.provide(scope)
      )
      yield* Scope.close(scope, Exit.void)
      told("SIGTERM")
      told("SIGINT")

      yield* run("its worker is stopped")

      expect(reason()).toBe("SIGTERM")
      expect(lines.filter((line) => line.includes("gone"))).toEqual([])
    }).pipe(Effect.provide(Layer.merge(process, layer)))
  })

  it.effect("stops what is started after all else has stopped, by itself", () =>
    Effect.gen(function* () {
      const { during, run } = yield* Shutdown
      const done: Array<string> = []
      for (const name of ["first", "second"]) {
        yield* during("settle", { name, run: Effect.sync(() => done.push(name)) })
        yield* run(name)
      }

      expect(done).toEqual(["first", "second"])
    }).pipe(Effect.scoped, Effect.provide(process))
  )

  it.effect("says what it waits for, and what it has waited for in vain", () => {
    const { layer, lines } = recorded()
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      const { during, run } = yield* Shutdown
      const waitsFor = () => ({ count: 2, of: "running tasks", ids: ["a", "b"] })
      yield* during("let running finish", { name: "worker", run: Effect.never, waitsFor })
      const stopping = yield* Effect.forkChild(run("test"))
      yield* quiet

      yield* TestClock.adjust("30 seconds")

      yield* Fiber.join(stopping)
      expect(lines).toEqual([
        "shutdown: test",
        "shutdown, let running finish, for at most 30s: worker (2 running tasks)",
        "shutdown, let running finish: cut after 30s; not done: worker (2 running tasks: a, b)"
      ])
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(process, layer)))
  })

  it.effect("cuts what only gives others time when somebody is in a hurry, and still does the rest", () =>
    Effect.gen(function* () {
      const { during, hurry, run } = yield* Shutdown
      const settled = yield* Deferred.make<void>()
      for (const phase of ["stop admitting", "let running finish"] as const)
        yield* during(phase, { name: phase, run: Effect.never })
      yield* during("settle", { name: "worker", run: Deferred.await(settled) })
      const stopping = yield* Effect.forkChild(run("test"), { startImmediately: true })

      hurry()
      yield* quiet

      expect(stopping.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(settled, undefined)
      yield* Fiber.join(stopping)
    }).pipe(Effect.scoped, Effect.provide(process))
  )
})
