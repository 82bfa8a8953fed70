import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { CurrentTask, defineTask, RetryAfter, Snooze } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a run on ${store}`, () => {
    it.live("that says when to come back comes back then, as often as it has attempts", () => {
      const busy = defineTask({
        name: "busy",
        retry: { attempts: 3, backoff: { fixed: "1 hour" } },
        run: () => Promise.reject(new RetryAfter("1 milli", { cause: new Error("429") }))
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "busy" })

        expect(yield* result(id)).toMatchObject({
          state: "failed",
          error: { type: "RetryAfter", cause: { message: "429" } }
        })
        expect(yield* task(id)).toMatchObject({ attempt: 3, maxAttempts: 3 })
      }).pipe(Effect.provide(system([busy])))
    })

    it.live("that snoozes, or is not counted, uses up no attempt", () => {
      const patient = defineTask.effect({
        name: "patient",
        retry: { attempts: 1 },
        run: Effect.fn(function* () {
          const { attempt } = yield* CurrentTask
          if (attempt <= 4) return yield* Effect.fail(new Snooze("1 milli"))
          if (attempt <= 8) return yield* Effect.fail(new RetryAfter("1 milli", { counted: false }))
          return attempt
        })
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "patient" })

        expect(yield* result(id)).toMatchObject({ state: "succeeded", output: 9 })
        const view = yield* task(id)
        expect(view).toMatchObject({ attempt: 9, maxAttempts: 9 })
        expect<unknown>(view.attempts.map(({ counted, error }) => [counted, error?.type])).toEqual([
          ...Array.from({ length: 4 }, () => [false, undefined]),
          ...Array.from({ length: 4 }, () => [false, "RetryAfter"]),
          [undefined, undefined]
        ])
      }).pipe(Effect.provide(system([patient])))
    })

    it.live("waits as long as a function of its handler says", () => {
      const told: Array<readonly [number, string]> = []
      const flaky = defineTask({
        name: "flaky",
        retry: {
          attempts: 3,
          backoff: (failed, error) => {
            told.push([failed, error.message])
            return failed
          }
        },
        run: (_, { attempt }) => {
          if (attempt < 3) throw new Error(`attempt ${attempt}`)
          return "done"
        }
      })
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "flaky" })).toMatchObject({ output: "done" })
        expect(told).toEqual([
          [1, "attempt 1"],
          [2, "attempt 2"]
        ])
      }).pipe(Effect.provide(system([flaky])))
    })

    it.live("whose output does not fit is not tried again: it would not fit then, either", () => {
      let runs = 0
      const odd = defineTask({
        name: "odd",
        output: {
          "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "odd" }] }) }
        },
        retry: { attempts: 9, backoff: { fixed: "1 milli" } },
        run: () => ++runs
      })
      return Effect.gen(function* () {
        const error = { type: "Misfit", message: "/: odd" }
        expect(yield* (yield* Dispatcher).ask({ name: "odd" })).toMatchObject({ state: "failed", error })
        expect(runs).toBe(1)
      }).pipe(Effect.provide(system([odd])))
    })
  })
}
