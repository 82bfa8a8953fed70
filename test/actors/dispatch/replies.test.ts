import { describe, expect } from "bun:test"
import { Effect, Fiber, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import * as Tree from "../../../actors/tree.ts"
import { Store } from "../../../runtime/store.ts"
import { memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aWorker } from "../../support/worker.ts"

/** A client of its own on a store that is not as it should be. */
const clientOn = (store: Layer.Layer<Store, never, Store>) =>
  Layer.fresh(Tree.client).pipe(Layer.provide(store), Layer.provideMerge(memoryApi))

/** What each read of ended tasks asked about, and how many characters it brought. */
const counting = () => {
  const reads: Array<{ readonly asked: number; readonly characters: number }> = []
  const store = Layer.effect(
    Store,
    Effect.map(Store, (store) => ({
      ...store,
      ended: (...args: Parameters<typeof store.ended>) =>
        Effect.tap(store.ended(...args), (records) =>
          Effect.sync(() => {
            const characters = records.reduce(
              (sum: number, record) => sum + (typeof record === "string" ? record.length : 0),
              0
            )
            reads.push({ asked: args[1].length, characters })
          })
        )
    }))
  )
  const client = Layer.fresh(Tree.client).pipe(Layer.provide(store), Layer.provideMerge(memoryApi))
  return { reads, client }
}

/** Many ask for a task each; all of these end with an output of so many characters, and no hint of it is heard. */
const manyAsk = Effect.fnUntraced(function* (count: number, size: number) {
  const dispatcher = yield* Dispatcher
  const worker = yield* aWorker()
  const asking = yield* Effect.forkChild(
    Effect.all(
      Array.from({ length: count }, () => dispatcher.ask({ name: "test" })),
      { concurrency: "unbounded" }
    )
  )
  yield* TestClock.adjust("1 millis")
  const runs = yield* worker.claim(count)
  yield* Effect.forEach(runs, (run) => run.succeed("x".repeat(size)), { discard: true })
  yield* TestClock.adjust("2 seconds")
  expect(yield* Fiber.join(asking)).toHaveLength(count)
})

describe("results that nobody was told of", () => {
  it.effect("are read in pieces where they are large, so that the first need not wait for the last", () => {
    const { client, reads } = counting()
    return Effect.gen(function* () {
      yield* manyAsk(100, 100_000)
      expect(Math.max(...reads.map(({ characters }) => characters))).toBeLessThan(2 * 1024 * 1024)
    }).pipe(Effect.provide(client))
  })

  it.effect("are read in few pieces where they are small", () => {
    const { client, reads } = counting()
    return Effect.gen(function* () {
      yield* manyAsk(1_000, 10)
      expect(reads.length).toBeLessThan(12)
      expect(Math.max(...reads.map(({ asked }) => asked))).toBeWithin(400, 501)
    }).pipe(Effect.provide(client))
  })
})

describe("an ask whose task is long in being stored", () => {
  it.effect("waits on, however often its task is looked for meanwhile, and has its answer", () => {
    const gate = Latch.makeUnsafe(false)
    const slow = Layer.effect(
      Store,
      Store.useSync((store) => ({
        ...store,
        submit: (...args: Parameters<typeof store.submit>) =>
          Effect.andThen(gate.await, store.submit(...args))
      }))
    )
    return Effect.gen(function* () {
      const { ask } = yield* Dispatcher
      const worker = yield* aWorker()
      const asking = yield* Effect.forkChild(ask({ name: "test" }))
      yield* TestClock.adjust("8 seconds")
      expect(asking.pollUnsafe()).toBeUndefined()

      yield* gate.open
      yield* TestClock.adjust("1 millis")
      const [run] = yield* worker.claim(1)
      yield* run!.succeed("done")
      yield* TestClock.adjust("2 seconds")

      expect(yield* Fiber.join(asking)).toMatchObject({ state: "succeeded" })
    }).pipe(Effect.provide(clientOn(slow)))
  })

  it.effect("is told that its task is gone once it was stored, and is not there any more", () => {
    const forgetful = Layer.effect(
      Store,
      Store.useSync((store) => ({ ...store, submit: () => Effect.void }))
    )
    return Effect.gen(function* () {
      const { ask } = yield* Dispatcher
      const asking = yield* Effect.forkChild(Effect.flip(ask({ name: "test" })))
      yield* TestClock.adjust("2 seconds")

      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "TaskNotFound" })
    }).pipe(Effect.provide(clientOn(forgetful)))
  })
})

describe("what looks after those who wait", () => {
  it.effect(
    "is started again when it has failed: hints are heard, and results read that no hint told of",
    () => {
      let failures = 1
      const failing = Layer.effect(
        Store,
        Store.useSync((store) => ({
          ...store,
          inbox: Effect.map(store.inbox, (inbox) => ({
            ...inbox,
            next: Effect.suspend(() =>
              failures-- > 0 ? Effect.die(new Error("a fault of ours")) : inbox.next
            )
          }))
        }))
      )
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        const worker = yield* aWorker()
        const asking = yield* Effect.forkChild(ask({ name: "test" }))
        yield* TestClock.adjust("1 millis")
        const run = yield* worker.claimOne

        yield* run.succeed("done")
        yield* TestClock.adjust("2 seconds")

        expect(failures).toBeLessThan(0)
        expect(yield* Fiber.join(asking)).toMatchObject({ state: "succeeded" })
      }).pipe(
        Effect.provide(Layer.fresh(Tree.client).pipe(Layer.provide(failing), Layer.provideMerge(memoryApi)))
      )
    }
  )
})
