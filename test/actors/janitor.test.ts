import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Janitor from "../../actors/janitor.ts"
import { Worker } from "../../actors/work/worker.ts"
import * as Actor from "../../runtime/actor/actor.ts"
import { Operations } from "../../runtime/operations.ts"
import { Steps } from "../../runtime/steps.ts"
import { Store, StoreError } from "../../runtime/store.ts"
import { idIn } from "../../runtime/task.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import { it } from "../support/effect.ts"
import { walked } from "../support/operations.ts"
import { memorySettings } from "../support/redis.ts"
import { elsewhere, partition } from "../support/stores.ts"
import { aTask, aTurn, claim, end, found, submit, tasks, turn, ulidAt } from "../support/tasks.ts"

const worker = Layer.succeed(
  Worker,
  Worker.of({
    queues: [{ queue: "default", concurrency: 1 }],
    running: () => 0,
    done: () => 0,
    permits: () => [],
    retire: () => {},
    retiring: Effect.never,
    retired: Effect.never
  })
)

describe("the janitor", () => {
  it.effect("keeps no more dead letters than it should, and has the queues listed that are served", () =>
    Effect.gen(function* () {
      const { partitions } = yield* Operations
      yield* submit(...tasks(5))
      const entries = yield* claim("w", 5)
      yield* turn("w", { settled: entries.map((entry) => end(entry, "F")) })

      expect(yield* Janitor.pass()).toBe(3)

      expect(yield* walked("dead")).toHaveLength(2)
      expect(yield* partitions).toEqual([partition])
      expect(yield* Janitor.pass()).toBe(0)
    }).pipe(
      Effect.provide(
        Layer.merge(Memory.layer, worker).pipe(Layer.provideMerge(memorySettings({ deadMax: 2 })))
      )
    )
  )

  it.effect("keeps what children gave until the last of their parents has ended, wherever those are", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const steps = yield* Steps
      const [one, other] = tasks(2)
      yield* store.submit(elsewhere, [one!, other!])
      yield* store.turn(elsewhere, aTurn("w", { want: 2 }))
      const children = [one!, other!].map(({ entry, ulid }, at) => ({
        entry,
        child: aTask({ ulid: ulidAt(0, at + 1), parent: idIn(elsewhere, ulid) })
      }))
      for (const { child, entry } of children) {
        const step = { number: 0, name: "submit test", value: "", child: idIn(partition, child.ulid) }
        yield* steps.adopt(elsewhere, "w", entry, step)
        yield* submit(child)
      }
      yield* turn("w", { settled: (yield* claim("w", 2)).map((entry) => end(entry)) })
      const passes = Effect.andThen(TestClock.adjust("3 days"), Janitor.pass())

      expect(yield* passes).toBe(0)
      yield* store.turn(elsewhere, aTurn("w", { settled: [end(one!.entry)] }))
      expect(yield* passes).toBe(0)
      yield* store.turn(elsewhere, aTurn("w", { settled: [end(other!.entry)] }))
      expect(yield* passes).toBe(1)

      expect(yield* found(children[0]!.child.ulid)).toBeUndefined()
    }).pipe(Effect.provide(Layer.merge(Memory.layer, worker).pipe(Layer.provideMerge(memorySettings({})))))
  )

  it.effect("asks on in one go where a segment has more parents than are told of at once", () =>
    Effect.gen(function* () {
      const children = Array.from({ length: 250 }, (_, at) =>
        aTask({ ulid: ulidAt(0, at + 1), parent: idIn(elsewhere, ulidAt(1, at + 1)) })
      )
      yield* submit(...children)
      yield* turn("w", { settled: (yield* claim("w", 250)).map((entry) => end(entry)) })
      const store = yield* Store
      const { remembered } = yield* Effect.andThen(TestClock.adjust("3 days"), store.sweep(partition, 1))
      expect(remembered[0]!.parents).toHaveLength(100)
      yield* TestClock.adjust("1 hour")

      expect(yield* Janitor.pass()).toBe(1)

      expect(yield* found(children[0]!.ulid)).toBeUndefined()
    }).pipe(Effect.provide(Layer.merge(Memory.layer, worker).pipe(Layer.provideMerge(memorySettings({})))))
  )

  it.effect("sweeps at its start and every ten seconds or so, also after a pass that failed", () =>
    Effect.gen(function* () {
      let passes = 0
      const operations = yield* Operations
      yield* Actor.start(Janitor.janitor).pipe(
        Effect.provideService(Operations, {
          ...operations,
          note: () =>
            Effect.suspend(() => {
              passes += 1
              return passes === 2
                ? Effect.fail(new StoreError({ operation: "note", cause: new Error("no answer") }))
                : Effect.void
            })
        })
      )
      yield* TestClock.adjust(0)
      expect(passes).toBe(1)

      // Of each pause a fifth may be missing or too much.
      yield* TestClock.adjust("61 seconds")

      expect(passes).toBeGreaterThanOrEqual(6)
      expect(passes).toBeLessThanOrEqual(8)
    }).pipe(
      Effect.provide(
        Layer.merge(Memory.layer, worker).pipe(Layer.provideMerge(memorySettings({ deadMax: 2 })))
      )
    )
  )
})
