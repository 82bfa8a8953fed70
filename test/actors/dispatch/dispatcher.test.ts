import { describe, expect, test } from "bun:test"
import { Clock, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { retryAfterMsOf } from "../../../actors/dispatch/pressure.ts"
import * as Tree from "../../../actors/tree.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Steps } from "../../../runtime/steps.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../../runtime/task.ts"
import { handlers, memoryApi, redisApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"
import { ulidAt } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

const idAt = (at: number) => `${partition}.${ulidAt(at, 1)}` as TaskId

const taskOf = (options: object = {}) => ({ name: "test", input: 1, ...options })
const submit = (options?: object) => Dispatcher.use((dispatcher) => dispatcher.submit(taskOf(options)))

const waiting = Effect.map(
  Effect.flatMap(Store, (store) => store.depth(partition)),
  ({ lanes }) => lanes.normal
)

for (const [name, api] of [
  ["memory", memoryApi],
  ["Redis", redisApi]
] as const) {
  const promise = (
    sentence: string,
    body: () => Effect.Effect<unknown, unknown, Layer.Success<typeof memoryApi>>
  ) => it.live(sentence, () => Effect.asVoid(Effect.suspend(body)).pipe(Effect.provide(api)))

  describe(`a submit of work that was submitted before, on ${name}`, () => {
    promise("gives the first task with its state", () =>
      Effect.gen(function* () {
        const worker = yield* aWorker()
        const key = { idempotencyKey: "k" }
        const first = yield* submit(key)
        expect(first).toEqual({ id: first.id, state: "queued" })
        expect(yield* submit(key)).toEqual({ id: first.id, state: "queued", existing: true })
        const run = yield* worker.claimOne
        expect(yield* submit(key)).toEqual({ id: first.id, state: "running", existing: true })
        yield* run.succeed(1)
        expect(yield* submit(key)).toEqual({ id: first.id, state: "succeeded", existing: true })
      })
    )

    promise("is refused when the key came with another input", () =>
      Effect.gen(function* () {
        const { id } = yield* submit({ idempotencyKey: "k" })

        expect(yield* Effect.flip(submit({ idempotencyKey: "k", input: 2 }))).toMatchObject({
          _tag: "IdempotencyConflict",
          id
        })
        expect(yield* waiting).toBe(1)
      })
    )

    promise("says so when the first is no longer kept", () =>
      Effect.gen(function* () {
        const { id } = yield* submit({ idempotencyKey: "k" })
        yield* (yield* (yield* aWorker()).claimOne).fail({ type: "E", message: "" })
        yield* (yield* Operations).bury(partition, [ulidOfId(id)])

        expect(yield* Effect.flip(submit({ idempotencyKey: "k" }))).toMatchObject({ _tag: "TaskGone", id })
      })
    )

    promise("runs once, however many ask for it at once, and all get its result", () =>
      Effect.gen(function* () {
        const worker = yield* aWorker()
        const dispatcher = yield* Dispatcher
        const asking = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 10 }, () => dispatcher.ask(taskOf({ cache: true }))),
            { concurrency: "unbounded" }
          )
        )
        // Until the one that was stored is there.
        const runs = yield* Effect.repeat(
          Effect.tap(worker.claim(10), (runs) => (runs.length > 0 ? Effect.void : Effect.sleep(5))),
          { until: (runs) => runs.length > 0 }
        )
        expect(runs).toHaveLength(1)
        yield* runs[0]!.succeed("once")

        const answers = yield* Fiber.join(asking)
        expect(answers).toEqual(
          Array.from({ length: 10 }, () => ({ id: runs[0]!.id, state: "succeeded", output: "once" }))
        )
        expect(yield* worker.claim(10)).toEqual([])
      })
    )
  })

  describe(`a batch, on ${name}`, () => {
    promise("is answered in its order, whatever becomes of each", () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const answers = yield* dispatcher.submitAll([
          taskOf({ unique: { until: "ended" } }),
          taskOf({ delay: 1 }),
          taskOf({ unique: { until: "ended" } }),
          taskOf(),
          taskOf({ queue: "other" }),
          taskOf({ idempotencyKey: "k" }),
          taskOf({ idempotencyKey: "k", input: 2 })
        ])

        const [first] = answers.map(Result.getOrUndefined)
        expect(
          answers.map(
            Result.match({
              onSuccess: ({ existing, id }) => (existing ? id : partitionOfId(id)),
              onFailure: ({ _tag }) => _tag
            })
          )
        ).toEqual([
          "default.0",
          "SubmitRefused",
          first!.id,
          "default.0",
          "other.0",
          "default.0",
          "IdempotencyConflict"
        ])
      })
    )

    promise("for a full queue is refused as a whole, and that for another one taken", () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        yield* (yield* Operations).limit(partition, { maxDepth: 2 })
        const answers = yield* dispatcher.submitAll([
          taskOf(),
          taskOf(),
          taskOf({ queue: "other" }),
          taskOf()
        ])

        expect(answers.map((answer) => (Result.isFailure(answer) ? answer.failure._tag : "taken"))).toEqual([
          "QueueFull",
          "QueueFull",
          "taken",
          "QueueFull"
        ])
        expect(yield* waiting).toBe(0)
      })
    )
  })

  describe(`a full queue, on ${name}`, () => {
    promise("refuses a task before it is acknowledged, and says when to come back", () =>
      Effect.gen(function* () {
        yield* (yield* Operations).limit(partition, { maxDepth: 2 })
        yield* submit()
        yield* submit({ idempotencyKey: "k" })

        for (const options of [{}, { idempotencyKey: "l" }, { delayMs: 1_000 }]) {
          expect(yield* Effect.flip(submit(options))).toMatchObject({
            _tag: "QueueFull",
            bound: "maxDepth",
            limit: 2,
            retryAfterMs: 300_000
          })
        }
        expect(yield* waiting).toBe(2)
        expect((yield* submit({ idempotencyKey: "k" })).existing).toBe(true)
        yield* (yield* (yield* aWorker()).claimOne).succeed(1)
        expect((yield* submit()).state).toBe("queued")
      })
    )

    promise("takes what fits of what came at once", () =>
      Effect.gen(function* () {
        yield* (yield* Operations).limit(partition, { maxDepth: 3 })

        const exits = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.result(submit())),
          { concurrency: "unbounded" }
        )

        expect(exits.filter(Result.isSuccess)).toHaveLength(3)
        expect(yield* waiting).toBe(3)
      })
    )

    promise("of one key takes those of others", () =>
      Effect.gen(function* () {
        yield* (yield* Operations).limit(partition, { maxKeyDepth: 1 })
        yield* submit({ key: "a" })

        expect(yield* Effect.flip(submit({ key: "a" }))).toMatchObject({ bound: "maxKeyDepth" })
        expect(yield* Effect.flip(submit({ key: "a", idempotencyKey: "k" }))).toMatchObject({
          bound: "maxKeyDepth"
        })
        yield* submit({ key: "b" })
        yield* submit()
      })
    )

    promise("lets a debounced task take the place of the one that waits", () =>
      Effect.gen(function* () {
        const debounce = { key: "k", forMs: 60_000 }
        yield* (yield* Operations).limit(partition, { maxDepth: 1 })
        yield* submit({ debounce })

        expect((yield* submit({ debounce })).state).toBe("scheduled")
      })
    )
  })

  describe(`a cancel, on ${name}`, () => {
    promise("ends a task, and its children after it, at every level", () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const steps = yield* Steps
        const worker = yield* aWorker()
        const { id: parent } = yield* submit()
        const run = yield* worker.claimOne
        const { id: child } = yield* submit({ queue: "other" })
        yield* steps.adopt(partition, worker.name, run.entry, { number: 0, name: "a", value: child, child })
        const other = yield* aWorker("other.0")
        const childRun = yield* other.claimOne
        const { id: grandchild } = yield* submit({ delayMs: 60_000 })
        yield* steps.adopt("other.0", other.name, childRun.entry, {
          number: 0,
          name: "a",
          value: grandchild,
          child: grandchild
        })

        yield* dispatcher.cancel(parent, "enough")

        const errors = yield* Effect.forEach([parent, child, grandchild], (id) => dispatcher.result(id, 0))
        expect(errors).toMatchObject([
          { state: "cancelled", error: { type: "Cancelled", message: "enough" } },
          { state: "cancelled", error: { message: `its parent ${parent} was cancelled` } },
          { state: "cancelled" }
        ])
      })
    )

    promise("of what has ended changes nothing, and of what is not there is told", () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const { id } = yield* submit()
        yield* (yield* (yield* aWorker()).claimOne).succeed(1)

        expect(yield* Effect.flip(dispatcher.cancel(id))).toMatchObject({
          _tag: "TaskEnded",
          state: "succeeded"
        })
        expect((yield* dispatcher.result(id, 0)).state).toBe("succeeded")
        const absent = idAt(yield* Clock.currentTimeMillis)
        expect(yield* Effect.flip(dispatcher.cancel(absent))).toMatchObject({ _tag: "TaskNotFound" })
      })
    )
  })

  describe(`a result, on ${name}`, () => {
    promise("that may have been is gone, and one that cannot have been is not there", () =>
      Effect.gen(function* () {
        const dispatcher = yield* Dispatcher
        const now = yield* Clock.currentTimeMillis
        const day = 86_400_000
        for (const wait of [0, undefined]) {
          expect(yield* Effect.flip(dispatcher.result(idAt(now - day - 1_000), wait))).toMatchObject({
            _tag: "TaskGone"
          })
          expect(yield* Effect.flip(dispatcher.result(idAt(now - 1_000), wait))).toMatchObject({
            _tag: "TaskNotFound"
          })
        }
      })
    )
  })
}

describe("the memory of the store", () => {
  it.effect("stops submits before it is used up, and lets them go on when there is room again", () => {
    let used = 95
    let looks = 0
    const scarce = Layer.effect(
      Operations,
      Effect.map(Operations, (operations) => ({
        ...operations,
        memory: Effect.sync(() => {
          looks += 1
          return { used, max: 100, policy: "noeviction" }
        })
      }))
    )
    return Effect.gen(function* () {
      const dispatcher = yield* Dispatcher
      yield* submit()
      yield* submit()
      yield* TestClock.adjust("1 second")
      expect(looks).toBe(1)

      used = 96
      yield* submit()
      yield* TestClock.adjust("100 millis")
      expect(looks).toBe(2)
      const isRefused = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown, Dispatcher>) {
        expect(yield* Effect.flip(effect)).toMatchObject({ _tag: "StoreFull" })
      })
      yield* isRefused(submit())
      yield* isRefused(submit({ idempotencyKey: "k" }))
      yield* isRefused(dispatcher.submitAll([taskOf()]))
      yield* isRefused(dispatcher.ask(taskOf()))
      expect(yield* waiting).toBe(3)

      used = 95
      yield* TestClock.adjust("1 second")
      yield* submit()
      expect(yield* waiting).toBe(4)
    }).pipe(
      Effect.provide(
        Tree.client.pipe(
          Layer.provide(scarce),
          Layer.provideMerge(Layer.mergeAll(Memory.layer, Handlers.layer({ given: handlers }))),
          Layer.provideMerge(memorySettings())
        )
      )
    )
  })
})

describe("when to come back to a full queue", () => {
  test("is sooner the more has ended lately, from one second to five minutes", () => {
    expect([0, 1, 6, 60, 6_000].map(retryAfterMsOf)).toEqual([300_000, 60_000, 10_000, 1_000, 1_000])
  })
})
