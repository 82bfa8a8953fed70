import { describe, expect } from "bun:test"
import { Effect, type Exit, Layer, Logger, Result } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { madeUpMax } from "../../../actors/dispatch/made-up-queues.ts"
import { Operations } from "../../../runtime/operations.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { dispatcherOn, joined, routes, waitingAt } from "../../support/serving.ts"

type Services = Layer.Success<ReturnType<typeof dispatcherOn>>

const submit = (queue: string, options: object = {}) =>
  Dispatcher.use((dispatcher) => dispatcher.submit({ name: "first", queue, ...options }))

/** As many queues that nobody serves as a tenant may name. */
const nameAll = Dispatcher.use(({ submitAll }) =>
  submitAll(Array.from({ length: madeUpMax }, (_, at) => ({ name: "first", queue: `made-up-${at}` })))
)

const tooMany = {
  _tag: "SubmitRefused",
  faults: [{ path: "/queue", message: expect.stringContaining("nobody serves queue one-more") }]
}

for (const kind of ["memory", "redis"] as const) {
  const promise = (sentence: string, body: () => Effect.Effect<unknown, unknown, Services>) =>
    it.live(sentence, () =>
      Effect.asVoid(Effect.suspend(body)).pipe(
        Effect.provide(
          dispatcherOn(kind, { routes: routes("second=routed") }).pipe(Layer.provideMerge(Logger.layer([])))
        )
      )
    )

  describe(`a queue that nobody serves, on ${kind}`, () => {
    promise("is refused, however it is named, where a tenant has named too many of them", () =>
      Effect.gen(function* () {
        const named = yield* nameAll
        expect(named.every(Result.isSuccess)).toBe(true)
        const { ask, askThen, submitAll, submitThen } = yield* Dispatcher
        const task = { name: "first", queue: "one-more" }
        const heard = (begin: (done: (exit: Exit.Exit<unknown, unknown>) => void) => unknown) =>
          Effect.flip(Effect.callback<unknown, unknown>((resume) => void begin(resume)))

        expect(yield* Effect.flip(submit("one-more"))).toMatchObject(tooMany)
        expect(yield* Effect.flip(submit("one-more", { idempotencyKey: "k" }))).toMatchObject(tooMany)
        expect(yield* Effect.flip(ask(task))).toMatchObject(tooMany)
        expect(yield* heard((done) => submitThen(task, "default", done))).toMatchObject(tooMany)
        expect(yield* heard((done) => askThen(task, "default", done))).toMatchObject(tooMany)
        const [refused, taken] = yield* submitAll([task, { name: "first" }])
        expect(Result.isFailure(refused!) && refused.failure).toMatchObject(tooMany)
        expect(Result.isSuccess(taken!)).toBe(true)

        expect(yield* waitingAt(partitionOf("one-more"))).toBe(0)
        const there = yield* Operations.use(({ partitions }) => partitions)
        expect(there).not.toContain(partitionOf("one-more"))
      })
    )

    promise("takes tasks on where it was named before, and of other tenants", () =>
      Effect.gen(function* () {
        yield* nameAll

        yield* submit("made-up-7")
        yield* Effect.provideService(submit("one-more"), Tenant, "acme")

        expect(yield* waitingAt(partitionOf("made-up-7"))).toBe(2)
        expect(yield* waitingAt(partitionOf("one-more"))).toBe(1)
      })
    )
  })

  describe(`a queue, however many that nobody serves were named, on ${kind}`, () => {
    promise("takes tasks if it is a handler's, or routed to", () =>
      Effect.gen(function* () {
        yield* nameAll

        yield* submit("default")
        yield* submit("routed", { name: "second" })
      })
    )

    promise("takes tasks if somebody serves it, or has done so lately", () =>
      Effect.gen(function* () {
        yield* nameAll
        yield* joined({ handlers: ["first"] }, partitionOf("served"))
        yield* Operations.use(({ note }) => note(partitionOf("between-two-deploys")))

        yield* submit("served")
        yield* submit("between-two-deploys")
      })
    )

    promise("takes tasks once some of the others are served", () =>
      Effect.gen(function* () {
        yield* joined({ handlers: ["first"] }, partitionOf("made-up-3"))
        yield* nameAll

        yield* submit("one-more")
        expect(yield* Effect.flip(submit("one-more-still"))).toMatchObject({ _tag: "SubmitRefused" })
      })
    )
  })
}
