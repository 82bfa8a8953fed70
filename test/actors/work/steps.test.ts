import { describe, expect } from "bun:test"
import { AsyncResource } from "node:async_hooks"
import { Effect, Schema } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import {
  AttemptOver,
  CurrentTask,
  defineTask,
  StepChanged,
  StepTooLarge,
  type TaskContext
} from "../../../runtime/handler.ts"
import { Steps } from "../../../runtime/steps.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOfId, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const quick = { attempts: 5, backoff: { fixed: "1 milli" } } as const

/** A handler that fails its first runs, and each time does `body` before. */
const failing = (
  name: string,
  failures: number,
  body: (ctx: TaskContext, run: number) => Promise<unknown>
) => {
  let runs = 0
  return defineTask({
    name,
    retry: quick,
    run: async (_, ctx) => {
      runs += 1
      const output = await body(ctx, runs)
      if (runs <= failures) throw new Error(`run ${runs} failed`)
      return output
    }
  })
}

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a step on ${store}`, () => {
    it.live("is told to those who follow, once, when its result is remembered", () => {
      const handler = failing("told", 1, async ({ step }) => {
        await step("fetch", () => Promise.resolve("page"))
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        const { id } = yield* ask({ name: "told" })

        const events = yield* (yield* Store).events(id, { run: 0, seq: 0 }, 10)

        expect(events).toEqual([{ run: 1, seq: 1, kind: "step", data: `{"number":0,"name":"fetch"}` }])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("fails at once inside of another one, as does a child: a later run would miss it", () => {
      const child = defineTask({ name: "child", run: () => null })
      const nests = {
        step: ({ step }: TaskContext) => step("outer", async () => `${await step("inner", () => 1)}`),
        later: ({ step }: TaskContext) =>
          step("outer", async () => {
            await Bun.sleep(1)
            return step("inner", () => 1)
          }),
        child: ({ step, submit }: TaskContext) => step("outer", () => submit(child, null)),
        group: ({ group, step }: TaskContext) => step("outer", () => group([{ task: child, input: null }]))
      }
      const handlers = Object.entries(nests).map(([name, nest]) =>
        defineTask({ name, retry: quick, run: (_, ctx) => nest(ctx) as never })
      )
      const inEffects = defineTask.effect({
        name: "effects",
        retry: quick,
        run: () =>
          CurrentTask.use((task) =>
            task.step(
              "outer",
              Effect.sleep("1 millis").pipe(Effect.andThen(task.step("inner", Effect.succeed(1))))
            )
          )
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        for (const name of [...Object.keys(nests), "effects"]) {
          expect(yield* ask({ name })).toMatchObject({
            state: "failed",
            error: { type: "StepNested", message: expect.stringContaining('step "outer"') }
          })
        }
      }).pipe(Effect.provide(system([child, inEffects, ...handlers] as never)))
    })

    it.live("may be begun beside another one, and by what a step has left behind", () => {
      let later: (() => Promise<unknown>) | undefined
      const handler = failing("beside", 0, async ({ step }) => {
        const both = await Promise.all([step("a", () => Bun.sleep(2)), step("b", () => "b")])
        await step("leaves", () => {
          later = AsyncResource.bind(() => step("after", () => "after"))
        })
        return [both[1], await later!()]
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        expect(yield* ask({ name: "beside" })).toMatchObject({ state: "succeeded", output: ["b", "after"] })
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("runs once, and later runs of the task are given its result", () => {
      const fetched: Array<number> = []
      const handler = failing("some", 2, async ({ attempt, step }) => {
        const page = await step("fetch", async () => {
          fetched.push(attempt)
          return { page: attempt, at: new Date(0) }
        })
        return { page, attempt }
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher

        // What it gives is what JSON keeps of it, in the first run as in any other.
        const at = new Date(0).toISOString()
        expect(yield* ask({ name: "some" })).toMatchObject({
          state: "succeeded",
          output: { page: { page: 1, at }, attempt: 3 }
        })
        expect(fetched).toEqual([1])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("gives the same in the first run as in the second", () => {
      const given: Array<unknown> = []
      const handler = failing("some", 1, async ({ step }) => {
        given.push([
          await step("date", () => new Date(0)),
          await step("nothing", () => undefined),
          await step("null", () => null),
          await step("text", () => "a\nb")
        ])
      })
      return Effect.gen(function* () {
        yield* (yield* Dispatcher).ask({ name: "some" })

        expect(given[0]).toEqual(["1970-01-01T00:00:00.000Z", undefined, null, "a\nb"])
        expect(given[1]).toEqual(given[0])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("that failed is not remembered", () => {
      let tries = 0
      const handler = defineTask({
        name: "some",
        retry: quick,
        run: (_, { step }) =>
          step("flaky", () => {
            tries += 1
            if (tries < 3) throw new TypeError("not yet")
            return tries
          })
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "some" })

        expect(yield* result(id)).toMatchObject({ output: 3 })
        expect((yield* task(id)).attempts).toMatchObject([
          { error: { type: "TypeError", message: "not yet" } },
          { error: { type: "TypeError" } },
          {}
        ])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("may run beside others: each keeps its own result", () => {
      const runs: Array<string> = []
      const handler = failing("some", 1, ({ step }) =>
        Promise.all(
          ["slow", "quick", "quickest"].map((name, at) =>
            step(name, async () => {
              runs.push(name)
              for (let turn = 10 * (3 - at); turn > 0; turn--) await Promise.resolve()
              return at
            })
          )
        )
      )
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "some" })).toMatchObject({ output: [0, 1, 2] })
        expect(runs.toSorted()).toEqual(["quick", "quickest", "slow"])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("that is another one than before fails the task at once, even if that is caught", () => {
      const seen: Array<unknown> = []
      const handler = failing("some", 1, async ({ attempt, step }) => {
        await step("first", () => 1)
        await step(attempt === 1 ? "second" : "third", () => 2).catch((error: unknown) => seen.push(error))
        await step("fourth", () => 3).catch((error: unknown) => seen.push(error))
        return "as if nothing had happened"
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "some" })

        expect(yield* result(id)).toMatchObject({
          state: "failed",
          error: {
            type: "StepChanged",
            message: `step 1 was "second" in an earlier run, and is "third" in this one`
          }
        })
        expect((yield* task(id)).attempt).toBe(2)
        expect(seen).toHaveLength(2)
        expect(seen.every((error) => error instanceof StepChanged)).toBe(true)
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("that cannot be remembered fails the task at once, unless that is caught", () => {
      let runs = 0
      const handler = defineTask({
        name: "some",
        retry: quick,
        run: async (how: unknown, { step }) => {
          runs += 1
          const large = () => step("large", () => "x".repeat(300_000))
          if (how !== "catch") return large()
          const error = await large().catch((error: unknown) => error)
          return error instanceof StepTooLarge ? error.message : "no"
        }
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher

        expect(yield* ask({ name: "some" })).toMatchObject({
          state: "failed",
          error: { type: "StepTooLarge" }
        })
        expect(runs).toBe(1)
        expect(yield* ask({ name: "some", input: "catch" })).toMatchObject({
          output: `step "large" cannot be remembered: its result has 300002 characters of JSON; at most 262144 are remembered`
        })
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("has a name of one line and no more than 128 characters, and a result that is JSON", () => {
      const handler = defineTask({
        name: "some",
        run: (_, { step }) =>
          Promise.all(
            [
              step("", () => 1),
              step("a\nb", () => 1),
              step("x".repeat(129), () => 1),
              step("huge", () => 1n)
            ].map((refused) => refused.catch((error: Error) => error.message))
          )
      })
      return Effect.gen(function* () {
        const { output } = (yield* (yield* Dispatcher).ask({ name: "some" })) as {
          output: ReadonlyArray<string>
        }

        expect(output[0]).toContain("its name is empty")
        expect(output[1]).toContain("a line break")
        expect(output[2]).toContain("more than 128 characters")
        expect(output[3]).toContain("no JSON")
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("may be named by a text that was cut within a character", () => {
      const parts: Array<number> = []
      const handler = failing("some", 1, async ({ attempt, step }) => {
        await step("mail 💌".slice(0, 6), () => parts.push(attempt))
      })
      return Effect.gen(function* () {
        const ended = yield* (yield* Dispatcher).ask({ name: "some" })

        expect(ended).toMatchObject({ state: "succeeded" })
        expect(parts).toEqual([1])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("is refused once the run is over, and its part is not even run", () => {
      let kept: TaskContext | undefined
      let ran = false
      const leaky = defineTask({ name: "leaky", run: (_, ctx) => void (kept = ctx) })
      return Effect.gen(function* () {
        yield* (yield* Dispatcher).ask({ name: "leaky" })

        const refused = yield* Effect.promise(() =>
          kept!.step("late", () => (ran = true)).catch((error: unknown) => error)
        )

        expect(refused).toBeInstanceOf(AttemptOver)
        expect(ran).toBe(false)
      }).pipe(Effect.provide(system([leaky])))
    })

    it.live("that nobody waits for does not take the process along when it is refused", () => {
      const hasty = defineTask({
        name: "hasty",
        run: (_, { emit, step }) => {
          void step("", () => 1)
          void emit(1n)
          return "done"
        }
      })
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher

        expect(yield* ask({ name: "hasty" })).toMatchObject({ output: "done" })
        expect(yield* ask({ name: "hasty" })).toMatchObject({ output: "done" })
      }).pipe(Effect.provide(system([hasty])))
    })

    it.live("leaves nothing when its task has ended", () => {
      const handler = failing("some", 1, ({ step }) => step("one", () => 1))
      return Effect.gen(function* () {
        const { result, submit } = yield* Dispatcher
        const { id } = yield* submit({ name: "some" })
        yield* result(id)

        expect(yield* (yield* Steps).recall(partitionOfId(id), ulidOfId(id))).toEqual([])
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("in Effect is the same: its effect runs once, and its typed failure is the run's", () => {
      class NotYet extends Schema.TaggedError<NotYet>()("NotYet", {}) {}
      let fetched = 0
      let tries = 0
      const handler = defineTask.effect({
        name: "some",
        retry: quick,
        run: Effect.fn(function* () {
          const task = yield* CurrentTask
          const page = yield* task.step(
            "fetch",
            Effect.sync(() => ++fetched)
          )
          yield* task.step(
            "flaky",
            Effect.suspend(() => (++tries < 2 ? Effect.fail(new NotYet()) : Effect.void))
          )
          return { page, attempt: task.attempt }
        })
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "some" })

        expect(yield* result(id)).toMatchObject({ output: { page: 1, attempt: 2 } })
        expect((yield* task(id)).attempts[0]).toMatchObject({ error: { type: "NotYet" } })
        expect(fetched).toBe(1)
      }).pipe(Effect.provide(system([handler])))
    })
  })
}
