import { describe, expect } from "bun:test"
import { Effect, Fiber, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Offspring } from "../../../actors/dispatch/offspring.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Tree from "../../../actors/tree.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import { partitionOfId, type TaskId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { dispatcherOn, joined, waitingAt } from "../../support/serving.ts"
import { partition } from "../../support/stores.ts"
import { ulidAt } from "../../support/tasks.ts"

const submit = (options: object = {}) =>
  Dispatcher.use((dispatcher) => dispatcher.submit({ name: "first", ...options }))

/** Gathers what is logged. */
const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  return { lines, layer }
}

type Services = Layer.Success<ReturnType<typeof dispatcherOn>>

for (const kind of ["memory", "redis"] as const) {
  const promise = (
    sentence: string,
    unserved: "accept" | "refuse",
    body: () => Effect.Effect<unknown, unknown, Services>
  ) =>
    it.live(sentence, () =>
      Effect.asVoid(Effect.suspend(body)).pipe(
        Effect.provide(dispatcherOn(kind, { unserved }).pipe(Layer.provideMerge(logged().layer)))
      )
    )

  describe(`a task that no live worker can run, on ${kind}`, () => {
    promise("is taken with a warning, the first of its queue as well", "accept", () =>
      Effect.gen(function* () {
        const { state, warning } = yield* submit()
        expect(state).toBe("queued")
        expect(warning).toBe("no live worker serves queue default: the task waits until one does")
        expect((yield* submit()).warning).toBe(warning)
        expect(yield* waitingAt()).toBe(2)
      })
    )

    promise("is told from one that its queue's workers have", "accept", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["second"] })
        expect((yield* submit()).warning).toBe(
          "no live worker of queue default has the handler first: the task waits until one does"
        )
        expect(yield* submit({ name: "second" })).not.toHaveProperty("warning")
      })
    )

    promise("is one whose only worker has lost its lease, or drains", "accept", () =>
      Effect.gen(function* () {
        const worker = yield* joined({ handlers: ["first"] })
        yield* Store.use((store) => store.evict(partition, worker))
        expect(yield* submit()).toHaveProperty("warning")

        yield* joined({ handlers: ["first"], draining: true }, "other.0")
        expect(yield* submit({ queue: "other" })).toHaveProperty("warning")
      })
    )

    promise("warns of each one of a batch by itself", "accept", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["second"] })
        const answers = yield* Dispatcher.use((dispatcher) =>
          dispatcher.submitAll([{ name: "first" }, { name: "second" }, { name: "second", queue: "other" }])
        )
        expect(answers.map((answer) => Result.getOrThrow(answer).warning !== undefined)).toEqual([
          true,
          false,
          true
        ])
      })
    )

    promise("is refused where the system is set to, and not stored", "refuse", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["second"] })
        const refused = { _tag: "NoWorker", handler: "first", queue: "default" }
        for (const options of [{}, { delayMs: 1_000 }, { idempotencyKey: "k" }]) {
          expect(yield* Effect.flip(submit(options))).toMatchObject(refused)
        }
        const dispatcher = yield* Dispatcher
        expect(yield* Effect.flip(dispatcher.ask({ name: "first" }))).toMatchObject(refused)
        expect(yield* waitingAt()).toBe(0)
        expect((yield* submit({ name: "second" })).state).toBe("queued")
      })
    )

    promise("does not sink the others of its batch when it is refused", "refuse", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["second"] })
        const answers = yield* Dispatcher.use((dispatcher) =>
          dispatcher.submitAll([{ name: "second" }, { name: "first" }, { name: "second", input: 2 }])
        )
        expect(answers.map((answer) => (Result.isFailure(answer) ? answer.failure._tag : "taken"))).toEqual([
          "taken",
          "NoWorker",
          "taken"
        ])
        expect(yield* waitingAt()).toBe(2)
      })
    )

    promise("is refused as a child too, but for one that was prepared before", "refuse", () =>
      Effect.gen(function* () {
        const offspring = yield* Offspring
        const parent = `${partition}.${ulidAt(Date.now(), 1)}` as TaskId
        const birth = { parent, deadlineAt: undefined }
        expect(
          yield* Effect.flip(offspring.prepare({ name: "first" }, { ...birth, id: undefined }))
        ).toMatchObject({ _tag: "NoWorker" })
        const id = `${partition}.${ulidAt(Date.now(), 2)}` as TaskId
        expect((yield* offspring.prepare({ name: "first" }, { ...birth, id })).id).toBe(id)
      })
    )

    promise("is none once this process works itself, whatever the store has heard", "refuse", () =>
      Effect.gen(function* () {
        yield* Layer.build(Tree.worker().pipe(Layer.provide(Shutdown.layer)))
        const dispatcher = yield* Dispatcher
        expect((yield* dispatcher.ask({ name: "first" })).state).toBe("succeeded")
      }).pipe(Effect.scoped)
    )
  })
}

describe("a task that no live worker can run", () => {
  it.effect("is told to the log once a minute for each handler, that of an ask as well", () => {
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      const dispatcher = yield* Dispatcher
      for (let second = 0; second < 60; second += 2) {
        yield* submit()
        yield* TestClock.adjust("2 seconds")
      }
      expect(lines).toEqual(["first: no live worker serves queue default: the task waits until one does"])
      yield* submit()
      expect(lines).toHaveLength(2)
      const asking = yield* Effect.forkChild(dispatcher.ask({ name: "second", queue: "other" }))
      yield* TestClock.adjust("1 millis")
      expect(lines.at(-1)).toBe("second: no live worker serves queue other: the task waits until one does")
      yield* Fiber.interrupt(asking)
    }).pipe(Effect.provide(dispatcherOn("memory").pipe(Layer.provideMerge(layer))))
  })

  it.effect("is refused no longer once a worker has come, and again when it has gone", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(submit())).toMatchObject({ _tag: "NoWorker" })
      const worker = yield* joined({ handlers: ["first"] })
      yield* TestClock.adjust("2 seconds")
      yield* submit()
      yield* Store.use((store) => store.leave(partition, worker))
      yield* TestClock.adjust("2 seconds")
      yield* submit()
      yield* TestClock.adjust("1 millis")
      expect(yield* Effect.flip(submit())).toMatchObject({ _tag: "NoWorker" })
    }).pipe(Effect.provide(dispatcherOn("memory", { unserved: "refuse" })))
  )

  it.effect("is taken unseen when the store does not say who is there", () => {
    const blind = Layer.effect(
      Operations,
      Effect.map(Operations, (operations) => ({
        ...operations,
        workers: () => Effect.fail(new StoreError({ operation: "Operations.workers", cause: "down" }))
      }))
    )
    return Effect.gen(function* () {
      const { id, ...rest } = yield* submit()
      expect(rest).toEqual({ state: "queued" })
      expect(partitionOfId(id)).toBe(partition)
    }).pipe(
      Effect.provide(
        Layer.fresh(Tree.client).pipe(
          Layer.provide(blind),
          Layer.provideMerge(dispatcherOn("memory", { unserved: "refuse" }))
        )
      )
    )
  })
})
