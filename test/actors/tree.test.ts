import { describe, expect } from "bun:test"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { Schedules } from "../../runtime/schedules.ts"
import { Supervisor } from "../../runtime/supervision/supervisor.ts"
import { it } from "../support/effect.ts"
import { memorySettings } from "../support/redis.ts"
import { quiet } from "../support/supervised.ts"

/** What a worker process runs, whose scheduler is broken so many times. */
const processWhere = (scheduler: { breaks: number }) =>
  Tree.worker().pipe(
    Layer.provide(
      Layer.effect(
        Schedules,
        Schedules.useSync((schedules) => ({
          ...schedules,
          ear: Effect.suspend(() => {
            scheduler.breaks -= 1
            return scheduler.breaks >= 0 ? Effect.die(new Error("broken")) : schedules.ear
          })
        }))
      )
    ),
    Layer.provideMerge(Memory.layer),
    Layer.provide(Layer.mergeAll(Shutdown.layer, Tree.handlers([]))),
    Layer.provideMerge(memorySettings())
  )

const restarts = Effect.map(
  Supervisor.use(({ tree }) => tree),
  ({ children }) => children.map(({ id, restarts, state }) => ({ id, restarts, state }))
)

describe("a worker process", () => {
  it.effect("keeps what it needs in the order in which it was started", () =>
    Effect.gen(function* () {
      yield* quiet

      expect(yield* restarts).toEqual([
        { id: "worker", restarts: 0, state: "running" },
        { id: "scheduler", restarts: 0, state: "running" },
        { id: "janitor", restarts: 0, state: "running" }
      ])
    }).pipe(Effect.provide(processWhere({ breaks: 0 })))
  )

  it.effect("starts again what has failed, with what was started after it", () =>
    Effect.gen(function* () {
      yield* quiet

      expect(yield* restarts).toEqual([
        { id: "worker", restarts: 0, state: "running" },
        { id: "scheduler", restarts: 1, state: "running" },
        { id: "janitor", restarts: 1, state: "running" }
      ])
    }).pipe(Effect.provide(processWhere({ breaks: 1 })))
  )

  it.effect("cannot go on when what fails cannot be kept alive, and says what it was", () =>
    Effect.gen(function* () {
      const ended = yield* Effect.forkChild(Effect.flip(Supervisor.use((supervisor) => supervisor.ended)))

      yield* TestClock.adjust("1 minute")

      expect(yield* Fiber.join(ended)).toMatchObject({ _tag: "SupervisorGaveUp", child: "scheduler" })
    }).pipe(Effect.provide(processWhere({ breaks: Infinity })))
  )
})
