import { describe, expect, test } from "bun:test"
import { Deferred, Duration, Effect, Exit, Layer, Scope } from "effect"
import { z } from "zod"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { Settings } from "../../../runtime/config.ts"
import { AttemptOver, type BatchItem, defineTask, Fatal, Snooze } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const quick = { attempts: 3, backoff: { fixed: "1 milli" } } as const

/** Submits tasks in one go, and gives how each ended. */
const ends = Effect.fnUntraced(function* (tasks: ReadonlyArray<unknown>) {
  const { result, submitAll } = yield* Dispatcher
  const submitted = yield* submitAll(tasks)
  return yield* Effect.forEach(
    submitted,
    (one) => (one._tag === "Success" ? result(one.success.id) : Effect.die(one.failure)),
    { concurrency: "unbounded" }
  )
})

const inputs = (...inputs: ReadonlyArray<unknown>) => inputs.map((input) => ({ name: "embed", input }))

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a batch on ${store}`, () => {
    it.live("runs many tasks in one call, and gives each its own output", () => {
      const sizes: Array<number> = []
      const embed = defineTask({
        name: "embed",
        input: z.object({ n: z.coerce.number() }),
        batch: { size: 4, wait: "1 minute" },
        runAll: async (items) => {
          sizes.push(items.length)
          return items.map(({ input }) => input.n * 2)
        }
      })
      return Effect.gen(function* () {
        const all = yield* ends(
          inputs({ n: "1" }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }, { n: 6 }, { n: 7 }, { n: 8 })
        )

        expect(all).toMatchObject(
          [2, 4, 6, 8, 10, 12, 14, 16].map((output) => ({ state: "succeeded", output }))
        )
        expect(sizes).toEqual([4, 4])
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("waits for outcomes that are promises, and one that rejects is that task's alone", () => {
      const embed = defineTask({
        name: "embed",
        input: z.number(),
        retry: { attempts: 1 },
        batch: { size: 3, wait: "1 minute" },
        runAll: (items) =>
          items.map(async ({ input }) => {
            await Bun.sleep(1)
            if (input === 2) throw new Error("not this one")
            return input * 10
          })
      })
      return Effect.gen(function* () {
        expect(yield* ends(inputs(1, 2, 3))).toMatchObject([
          { state: "succeeded", output: 10 },
          { state: "failed", error: { message: "not this one" } },
          { state: "succeeded", output: 30 }
        ])
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("that is not full starts when its first task has waited long enough", () => {
      const sizes: Array<number> = []
      const embed = defineTask({
        name: "embed",
        batch: { size: 100, wait: "20 millis" },
        runAll: (items) => {
          sizes.push(items.length)
          return items.map(() => "done")
        }
      })
      return Effect.gen(function* () {
        expect(yield* ends(inputs(1, 2, 3))).toHaveLength(3)
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3)
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("settles each of its tasks by itself", () => {
      const attempts: Array<string> = []
      const embed = defineTask({
        name: "embed",
        input: z.string(),
        output: z.string(),
        retry: quick,
        batch: { size: 5, wait: "5 millis" },
        runAll: async (items) =>
          items.map(({ attempt, input }) => {
            attempts.push(`${input} ${attempt}`)
            if (attempt > 1) return "in the end"
            if (input === "flaky") return new Error("not now")
            if (input === "later") return new Snooze(1)
            if (input === "fatal") return new Fatal("never")
            return input === "odd" ? (3 as unknown as string) : "at once"
          })
      })
      return Effect.gen(function* () {
        expect(yield* ends(inputs("good", "flaky", "later", "fatal", "odd"))).toMatchObject([
          { state: "succeeded", output: "at once" },
          { state: "succeeded", output: "in the end" },
          { state: "succeeded", output: "in the end" },
          { state: "failed", error: { type: "Fatal", message: "never" } },
          { state: "failed", error: { type: "Misfit" } }
        ])
        expect(attempts.toSorted()).toEqual([
          "fatal 1",
          "flaky 1",
          "flaky 2",
          "good 1",
          "later 1",
          "later 2",
          "odd 1"
        ])
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("fails with what its call throws, in all of its tasks", () => {
      const embed = defineTask({
        name: "embed",
        retry: { attempts: 1 },
        batch: { size: 2, wait: "5 millis" },
        runAll: () => Promise.reject(new Error("the model is down"))
      })
      return Effect.gen(function* () {
        const error = { message: "the model is down" }
        expect(yield* ends(inputs(1, 2))).toMatchObject([{ error }, { error }])
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("fails when it does not give an outcome for each of its tasks", () => {
      const embed = defineTask({
        name: "embed",
        batch: { size: 2, wait: "5 millis" },
        runAll: () => [1, 2, 3]
      })
      return Effect.gen(function* () {
        expect(yield* ends(inputs(1, 2))).toMatchObject([
          { error: { type: "BatchMismatch", message: expect.stringContaining("3 outcomes") } },
          { error: { type: "BatchMismatch" } }
        ])
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("leaves out a task that is cancelled, and goes on with the others", () => {
      const started = Deferred.makeUnsafe<ReadonlyArray<BatchItem>>()
      const go = Deferred.makeUnsafe<void>()
      const embed = defineTask({
        name: "embed",
        batch: { size: 2, wait: "1 minute" },
        runAll: async (items, { signal }) => {
          Deferred.doneUnsafe(started, Exit.succeed(items))
          await Effect.runPromise(Deferred.await(go))
          return items.map(() => signal.aborted)
        }
      })
      return Effect.gen(function* () {
        const { cancel, result, submitAll } = yield* Dispatcher
        yield* submitAll(inputs("a", "b"))
        const items = yield* Deferred.await(started)
        const [gone, staying] = items as [BatchItem, BatchItem]

        yield* cancel(gone.task.id)
        yield* Effect.callback<void>((resume) => {
          if (gone.signal.aborted) return resume(Effect.void)
          gone.signal.addEventListener("abort", () => resume(Effect.void))
        })
        const refused = yield* Effect.promise(() => gone.emit("late").catch((error: unknown) => error))
        yield* Deferred.succeed(go, undefined)

        expect(refused).toBeInstanceOf(AttemptOver)
        expect(gone.signal.aborted).toBe(true)
        expect(staying.signal.aborted).toBe(false)
        expect(yield* result(gone.task.id)).toMatchObject({ state: "cancelled" })
        expect(yield* result(staying.task.id)).toMatchObject({ state: "succeeded", output: false })
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("ends a task whose time is up, while the others go on", () => {
      const go = Deferred.makeUnsafe<void>()
      const embed = defineTask({
        name: "embed",
        retry: { attempts: 1 },
        batch: { size: 2, wait: "1 minute" },
        runAll: async (items) => {
          await Effect.runPromise(Deferred.await(go))
          return items.map(({ input }) => input)
        }
      })
      return Effect.gen(function* () {
        const { result, submitAll } = yield* Dispatcher
        const [hasty, patient] = (yield* submitAll([
          { name: "embed", input: "hasty", timeoutMs: 20 },
          { name: "embed", input: "patient" }
        ])).map((one) => (one._tag === "Success" ? one.success.id : undefined))

        expect(yield* result(hasty!)).toMatchObject({ state: "failed", error: { type: "TimedOut" } })
        yield* Deferred.succeed(go, undefined)
        expect(yield* result(patient!)).toMatchObject({ state: "succeeded", output: "patient" })
      }).pipe(Effect.provide(system([embed])))
    })

    it.live("hands back what gathers or runs when its worker stops, and fires its signal", () => {
      let aborted = false
      const started = Deferred.makeUnsafe<void>()
      const embed = defineTask({
        name: "embed",
        batch: { size: 2, wait: "1 minute" },
        runAll: (items, { signal }) => {
          Deferred.doneUnsafe(started, Exit.void)
          return new Promise((resolve) => {
            signal.addEventListener("abort", () => {
              aborted = true
              resolve(items.map(() => new Error("stopped")))
            })
          })
        }
      })
      return Effect.gen(function* () {
        const { submitAll, task } = yield* Dispatcher
        const scope = yield* Scope.make()
        const submitted = yield* submitAll(inputs(1, 2, 3))
        const ids = submitted.flatMap((one) => (one._tag === "Success" ? [one.success.id] : []))
        const settings = { ...(yield* Settings), queues: undefined, drain: Duration.zero }
        const worker = Layer.provide(Worker.layer(), Layer.fresh(Shutdown.layer))
        yield* Layer.buildWithScope(worker, scope).pipe(Effect.provideService(Settings, settings))
        yield* Deferred.await(started)

        yield* Scope.close(scope, Exit.void)

        expect(aborted).toBe(true)
        const views = yield* Effect.forEach(ids, task)
        expect(views.map(({ attempts, state }) => ({ attempts, state }))).toEqual(
          ids.map(() => ({ state: "queued", attempts: [] }))
        )
      }).pipe(Effect.provide(system([embed], { queues: [{ queue: "elsewhere", concurrency: 1 }] })))
    })
  })
}

describe("a batch handler", () => {
  const runAll = () => []

  test("waits 50 ms unless it says otherwise", () => {
    expect(defineTask({ name: "embed", batch: { size: 3 }, runAll }).body).toEqual({
      kind: "batch",
      size: 3,
      waitMs: 50,
      runAll
    })
  })

  test.each([
    [{ size: 0 }, "batch.size 0"],
    [{ size: 1.5 }, "batch.size 1.5"],
    [{ size: 1_001 }, "batch.size 1001"],
    [{ size: 2, wait: "0 seconds" }, "batch.wait 0 seconds"],
    [{ size: 2, wait: "2 minutes" }, "batch.wait is more than a minute"]
  ] as const)("cannot be %j", (batch, message) => {
    expect(() => defineTask({ name: "embed", batch, runAll })).toThrow(message)
  })
})
