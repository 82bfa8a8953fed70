import { describe, expect, test } from "bun:test"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { concurrencyOf, makeLookout } from "../../../actors/dispatch/lookout.ts"
import { serveHere } from "../../../actors/dispatch/served-here.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { handlersSaid, Operations, type WorkerState } from "../../../runtime/operations.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"

const about = {
  node: "n",
  pid: 1,
  host: "h",
  startedAt: 0,
  memoryBytes: 1,
  done: 0,
  concurrency: 8,
  leaseMs: 15_000,
  handlers: ["a", "b"]
}

const aState = (
  over: Partial<WorkerState> = {},
  says: Partial<typeof about & { draining: boolean }> = {}
) => ({
  worker: "w",
  leaseUntil: 10_001,
  seenAt: 10_000,
  about: { ...about, ...says },
  held: [],
  ...over
})

describe("how many tasks of a handler workers run at once", () => {
  test("counts those that have it", () => {
    const workers = [aState(), aState({}, { concurrency: 2, handlers: ["b"] })]
    expect(["a", "b", "c"].map((handler) => concurrencyOf(workers, handler))).toEqual([8, 10, 0])
  })

  test("counts nobody whose lease is over, and nobody that drains", () => {
    expect(concurrencyOf([aState({ leaseUntil: 10_000 }), aState({ leaseUntil: 0 })], "a")).toBe(0)
    expect(concurrencyOf([aState({}, { draining: true })], "a")).toBe(0)
  })

  test("counts those that have not said yet, or cannot say, what they have", () => {
    expect(concurrencyOf([aState({ about: undefined })], "z")).toBe(1)
    const many = Array.from({ length: handlersSaid }, (_, at) => `h${at}`)
    expect(concurrencyOf([aState({}, { handlers: many })], "z")).toBe(8)
  })
})

describe("a lookout", () => {
  /** A store whose workers are as the test says, and that counts how often it is asked for them. */
  const watched = () => {
    const seen = { looks: 0, workers: [] as ReadonlyArray<WorkerState>, down: false }
    const layer = Layer.effect(
      Operations,
      Effect.map(Operations, (operations) => ({
        ...operations,
        workers: () =>
          Effect.suspend(() => {
            seen.looks += 1
            return seen.down
              ? Effect.fail(new StoreError({ operation: "Operations.workers", cause: "down" }))
              : Effect.succeed(seen.workers)
          })
      }))
    ).pipe(Layer.provideMerge(Memory.layer), Layer.provide(memorySettings()))
    return { seen, layer }
  }

  /** What is looked at beside a submit is there a moment later. */
  const moment = TestClock.adjust("1 millis")

  it.effect("knows nothing of a queue before it has looked at it", () => {
    const { layer, seen } = watched()
    return Effect.gen(function* () {
      const lookout = yield* makeLookout(new Set())
      expect(lookout.isServed(partition, "a")).toBeUndefined()
      expect(seen.looks).toBe(0)
      yield* lookout.look(partition)
      expect(lookout.isServed(partition, "a")).toBe(false)
    }).pipe(Effect.provide(layer))
  })

  it.effect("looks at most every two seconds, however often it is asked", () => {
    const { layer, seen } = watched()
    seen.workers = [aState()]
    return Effect.gen(function* () {
      const lookout = yield* makeLookout(new Set())
      for (let second = 0; second < 10; second++) {
        for (let ask = 0; ask < 100; ask++) {
          lookout.isServed(partition, "a")
          yield* lookout.look(partition)
        }
        yield* TestClock.adjust("1 second")
      }
      expect(seen.looks).toBe(5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("asks a store that does not answer no oftener, and goes by what it saw for a while", () => {
    const { layer, seen } = watched()
    seen.workers = [aState()]
    return Effect.gen(function* () {
      const lookout = yield* makeLookout(new Set())
      yield* lookout.look(partition)
      seen.down = true
      yield* TestClock.adjust("14 seconds")
      for (let ask = 0; ask < 100; ask++) expect(lookout.isServed(partition, "a")).toBe(true)
      yield* moment
      expect(seen.looks).toBe(2)
      yield* TestClock.adjust("2 seconds")
      expect(lookout.isServed(partition, "a")).toBeUndefined()
    }).pipe(Effect.provide(layer))
  })

  it.effect("never says that nobody serves it from a view of two seconds ago", () => {
    const { layer, seen } = watched()
    return Effect.gen(function* () {
      const lookout = yield* makeLookout(new Set())
      yield* lookout.look(partition)
      seen.workers = [aState()]
      yield* TestClock.adjust("1999 millis")
      expect(lookout.isServed(partition, "a")).toBe(false)
      yield* TestClock.adjust("1 millis")
      expect(lookout.isServed(partition, "a")).toBeUndefined()
      yield* lookout.look(partition)
      expect(lookout.isServed(partition, "a")).toBe(true)
    }).pipe(Effect.provide(layer))
  })

  it.effect("looks again when the clock was set back", () => {
    const { layer, seen } = watched()
    return Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const lookout = yield* makeLookout(new Set())
      yield* lookout.look(partition)
      yield* TestClock.setTime(500_000)
      seen.workers = [aState()]
      expect(lookout.isServed(partition, "a")).toBeUndefined()
      yield* moment
      expect(lookout.isServed(partition, "a")).toBe(true)
    }).pipe(Effect.provide(layer))
  })

  it.effect("sees what this process serves at once, for as long as it claims", () => {
    const { layer, seen } = watched()
    let claims = true
    return Effect.gen(function* () {
      const lookout = yield* makeLookout(new Set())
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* serveHere(yield* Store, {
            concurrency: new Map([[partition, 4]]),
            has: (handler) => handler === "a",
            claims: () => claims
          })
          expect(lookout.isServed(partition, "a")).toBe(true)
          expect(lookout.isServed(partition, "b")).toBeUndefined()
          expect(lookout.isServed("other.0", "a")).toBeUndefined()
          claims = false
          expect(lookout.isServed(partition, "a")).toBeUndefined()
          claims = true
        })
      )
      expect(lookout.isServed(partition, "a")).toBeUndefined()
      expect(seen.looks).toBe(0)
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "counts what it sends since it looked, so that not all goes to the queue that was empty then",
    () => {
      const { layer, seen } = watched()
      seen.workers = [aState()]
      return Effect.gen(function* () {
        const lookout = yield* makeLookout(new Set(["one", "two"]))
        for (const unseen of lookout.unseen(["one", "two"])) yield* lookout.look(unseen)
        const sent = Array.from({ length: 10 }, () => lookout.choose(["one", "two"], "a"))
        expect(sent.filter((queue) => queue === "one")).toHaveLength(5)
      }).pipe(Effect.provide(layer))
    }
  )
})
