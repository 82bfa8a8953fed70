/** A worker renews its lease so often that it never takes its own quiet for an outage, in which it would judge nobody. */
import { expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store, type Turn } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { startOfTime } from "../../support/time.ts"

/** What is to happen at this time of the test's clock happens. */
const settle = Effect.promise(async () => {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate)
})

const pass = Effect.fnUntraced(function* (time: Duration.Input) {
  const step = 10
  for (let passed = 0; passed < Duration.toMillis(time); passed += step) {
    yield* TestClock.adjust(step)
    yield* settle
  }
})

/** Lasts until it is told to stop. */
const lasts = defineTask({
  name: "lasts",
  run: (_, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener("abort", () => resolve())
    return promise
  }
})

/** A worker with room for one task, whose turns are written down. */
const recorded = (lease: Duration.Input, turns: Array<Turn>) => {
  const recording = Layer.effect(
    Store,
    Store.useSync((store) =>
      Store.of({
        ...store,
        turn: (partition, turn) => Effect.suspend(() => (turns.push(turn), store.turn(partition, turn)))
      })
    )
  )
  const settings = memorySettings({
    lease: Duration.fromInputUnsafe(lease),
    drain: Duration.zero,
    queues: [{ queue: "default", concurrency: 1 }]
  })
  const base = Layer.merge(Layer.provideMerge(Shutdown.layer, settings), Handlers.layer({ given: [lasts] }))
  return Layer.mergeAll(Dispatcher.layer, Worker.layer().pipe(Layer.provide(recording))).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(base)
  )
}

for (const lease of ["1 second", "3 seconds", "15 seconds"] as const) {
  for (const quiet of ["is idle", "is full, and its task goes on and on"]) {
    it.effect(`a worker with a lease of ${lease} judges others all the time while it ${quiet}`, () => {
      const turns: Array<Turn> = []
      return Effect.gen(function* () {
        yield* TestClock.setTime(startOfTime)
        yield* Effect.gen(function* () {
          const { submit } = yield* Dispatcher.Dispatcher
          yield* settle
          if (quiet !== "is idle") yield* submit({ name: "lasts", input: null })
          yield* pass(Duration.times(Duration.fromInputUnsafe(lease), 4))
          expect(turns.length).toBeGreaterThan(4)
          expect(turns.filter(({ expectedNow }) => expectedNow < 0)).toEqual([])
        }).pipe(Effect.provide(recorded(lease, turns)))
      })
    })
  }
}
