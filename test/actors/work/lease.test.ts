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
import { Store, StoreError } from "../../../runtime/store.ts"
import type { Turn } from "../../../runtime/turn.ts"
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

/** A worker with room for one task of each queue, whose store is changed. */
const working = (
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
  const base = Layer.merge(Layer.provideMerge(Shutdown.layer, settings), Handlers.layer({ given: [lasts] }))
  return Layer.mergeAll(Dispatcher.layer, Worker.layer().pipe(Layer.provide(changed))).pipe(
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(base)
  )
}

/** Its turns are written down. */
const recorded = (lease: Duration.Input, turns: Array<Turn>) =>
  working(lease, (store) => ({
    turn: (partition, turn) => Effect.suspend(() => (turns.push(turn), store.turn(partition, turn)))
  }))

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
          expect(turns.filter(({ judges }) => !judges)).toEqual([])
        }).pipe(Effect.provide(recorded(lease, turns)))
      })
    })
  }
}

it.effect("a worker that could not reach the store at first judges nobody for a lease, and then all", () => {
  const turns: Array<Turn> = []
  let opened = 0
  const late = working("3 seconds", (store) => ({
    orders: (worker, partitions) =>
      opened++ === 0
        ? Effect.fail(new StoreError({ operation: "Store.orders", cause: "no answer" }))
        : store.orders(worker, partitions),
    turn: (partition, turn) => Effect.suspend(() => (turns.push(turn), store.turn(partition, turn)))
  }))
  return Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    yield* Effect.gen(function* () {
      yield* pass("2 seconds")
      expect(turns.length).toBeGreaterThan(1)
      expect(turns.filter(({ judges }) => judges)).toEqual([])

      const before = turns.length
      yield* pass("4 seconds")
      expect(turns.slice(before).some(({ judges }) => judges)).toBe(true)
    }).pipe(Effect.provide(late))
  })
})

it.effect(
  "a worker that cannot hear one of its bells at first claims nothing, and costs no task a run",
  () => {
    const bells: Array<string> = []
    const deaf = working(
      "15 seconds",
      ({ bell }) => ({
        bell: ([partition]) => {
          bells.push(partition!)
          const isFirst = bells.filter((one) => one === "other.0").length === 1
          return partition === "other.0" && isFirst
            ? Effect.delay(
                Effect.fail(new StoreError({ operation: "Store.bell", cause: "no answer" })),
                "1 second"
              )
            : bell([partition!])
        }
      }),
      ["default", "other"]
    )
    return Effect.gen(function* () {
      yield* TestClock.setTime(startOfTime)
      yield* Effect.gen(function* () {
        const dispatcher = yield* Dispatcher.Dispatcher
        const { id } = yield* dispatcher.submit({ name: "lasts", input: null })

        yield* pass("20 seconds")

        expect(bells.filter((partition) => partition === "other.0")).toHaveLength(2)
        expect(yield* dispatcher.task(id)).toMatchObject({ state: "running", attempt: 1 })
      }).pipe(Effect.provide(deaf))
    })
  }
)
