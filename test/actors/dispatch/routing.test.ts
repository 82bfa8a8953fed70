import { describe, expect } from "bun:test"
import { Effect, Layer, Logger } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOfId, queueOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { dispatcherOn, joined, routes, waitingAt } from "../../support/serving.ts"
import { tasks } from "../../support/tasks.ts"

const settings = { routes: routes("first=one|two|three") }

const submit = (options: object = {}) =>
  Dispatcher.use((dispatcher) => dispatcher.submit({ name: "first", ...options }))

const queueOfSubmit = (options: object = {}) =>
  Effect.map(submit(options), ({ id }) => queueOf(partitionOfId(id)))

const times = <A, E, R>(count: number, of: (at: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => at),
    of
  )

for (const kind of ["memory", "redis"] as const) {
  const promise = (
    sentence: string,
    body: () => Effect.Effect<unknown, unknown, Layer.Success<ReturnType<typeof dispatcherOn>>>
  ) =>
    it.live(sentence, () =>
      Effect.asVoid(Effect.suspend(body)).pipe(
        Effect.provide(dispatcherOn(kind, settings).pipe(Layer.provide(Logger.layer([]))))
      )
    )

  describe(`a route to several queues, on ${kind}`, () => {
    promise("leads tasks to where workers are, as many to each as run there at once", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["first"], concurrency: 20 }, "one.0")
        yield* joined({ handlers: ["first"], concurrency: 10 }, "two.0")
        yield* joined({ handlers: ["second"], concurrency: 50 }, "three.0")
        yield* times(30, () => submit())
        expect(yield* Effect.forEach(["one.0", "two.0", "three.0"], waitingAt)).toEqual([20, 10, 0])
      })
    )

    promise("starts with what waits in each already, also for a batch that is the first to come", () =>
      Effect.gen(function* () {
        for (const queue of ["one", "two", "three"]) yield* joined({ handlers: ["first"] }, `${queue}.0`)
        yield* Store.use((store) => store.submit("two.0", tasks(9)))
        const dispatcher = yield* Dispatcher
        yield* dispatcher.submitAll(Array.from({ length: 18 }, () => ({ name: "first" })))
        expect(yield* Effect.forEach(["one.0", "two.0", "three.0"], waitingAt)).toEqual([9, 9, 9])
      })
    )

    promise("keeps tasks of one key, or guard, together, wherever there is less to do", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["first"], concurrency: 100 }, "one.0")
        for (const options of [
          (at: number) => ({ key: `k${at}` }),
          (at: number) => ({ key: `k${at}`, idempotencyKey: crypto.randomUUID() }),
          (at: number) => ({ unique: { until: "ended", key: `k${at}` } }),
          (at: number) => ({ unique: { until: "ended" }, input: at }),
          (at: number) => ({ throttle: { key: `k${at}`, forMs: 60_000 } }),
          (at: number) => ({ debounce: { key: `k${at}`, forMs: 60_000 } }),
          (at: number) => ({ cache: true, input: at }),
          (at: number) => ({ idempotencyKey: `k${at}` })
        ]) {
          const first = yield* times(20, (at) => queueOfSubmit(options(at)))
          yield* times(20, () => submit())
          expect(yield* times(20, (at) => queueOfSubmit(options(at)))).toEqual(first)
          expect(new Set(first).size).toBe(3)
        }
      })
    )

    promise("finds the task of a guard", () =>
      Effect.gen(function* () {
        const ids = yield* times(10, () => Effect.map(submit({ idempotencyKey: "k" }), ({ id }) => id))
        expect(new Set(ids).size).toBe(1)
      })
    )

    promise("gives way to a submitter who names a queue", () =>
      Effect.gen(function* () {
        expect(yield* queueOfSubmit({ queue: "own" })).toBe("own")
        expect(yield* queueOfSubmit({ queue: "own", key: "k" })).toBe("own")
      })
    )
  })
}
