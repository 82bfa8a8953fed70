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
import { Store } from "../../runtime/store.ts"
import { quiet } from "../support/supervised.ts"

/** How often a part still breaks when it is used. */
interface Broken {
  worker?: number
  scheduler?: number
}

/** What a worker process runs, of which some is broken. */
const processWhere = (broken: Broken) => {
  const breaking =
    (part: keyof Broken) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.suspend(() => {
        const left = broken[part] ?? 0
        broken[part] = left - 1
        return left > 0 ? Effect.die(new Error(`the ${part} is broken`)) : effect
      })
  const fragile = Layer.merge(
    Layer.effect(
      Store,
      Store.useSync((store) => ({
        ...store,
        orders: (...of) => breaking("worker")(store.orders(...of))
      }))
    ),
    Layer.effect(
      Schedules,
      Schedules.useSync((schedules) => ({ ...schedules, ear: breaking("scheduler")(schedules.ear) }))
    )
  )
  return Tree.worker().pipe(
    Layer.provide(fragile),
    Layer.provideMerge(Memory.layer),
    Layer.provide(Layer.merge(Shutdown.layer, Tree.handlers([]))),
    Layer.provideMerge(memorySettings())
  )
}

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
    }).pipe(Effect.provide(processWhere({})))
  )

  it.effect("starts again what has failed, with what was started after it", () =>
    Effect.gen(function* () {
      yield* quiet

      expect(yield* restarts).toEqual([
        { id: "worker", restarts: 0, state: "running" },
        { id: "scheduler", restarts: 1, state: "running" },
        { id: "janitor", restarts: 1, state: "running" }
      ])
    }).pipe(Effect.provide(processWhere({ scheduler: 1 })))
  )

  it.effect("starts its worker again when that has failed, and then all else", () =>
    Effect.gen(function* () {
      yield* quiet

      expect(yield* restarts).toEqual([
        { id: "worker", restarts: 1, state: "running" },
        { id: "scheduler", restarts: 1, state: "running" },
        { id: "janitor", restarts: 1, state: "running" }
      ])
    }).pipe(Effect.provide(processWhere({ worker: 1 })))
  )

  it.effect("cannot go on when what fails cannot be kept alive, and says what it was", () =>
    Effect.gen(function* () {
      const ended = yield* Effect.forkChild(Effect.flip(Supervisor.use((supervisor) => supervisor.ended)))

      yield* TestClock.adjust("1 minute")

      expect(yield* Fiber.join(ended)).toMatchObject({ _tag: "SupervisorGaveUp", child: "scheduler" })
    }).pipe(Effect.provide(processWhere({ scheduler: Infinity })))
  )
})
