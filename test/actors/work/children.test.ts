import { describe, expect, spyOn } from "bun:test"
import { Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { z } from "zod"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import {
  ChildFailed,
  ChildRefused,
  CurrentTask,
  defineTask,
  type TaskContext
} from "../../../runtime/handler.ts"
import { Steps } from "../../../runtime/steps.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import {
  idIn,
  partitionOf,
  partitionOfId,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"
import { pass, settle, working } from "../../support/working.ts"

const quick = { attempts: 3, backoff: { fixed: "1 milli" } } as const

const double = defineTask({
  name: "double",
  input: z.object({ n: z.number() }),
  run: ({ n }) => n * 2
})

const broken = defineTask({
  name: "broken",
  retry: { attempts: 1 },
  run: (): number => {
    throw new TypeError("no such number")
  }
})

const parent = (run: (ctx: TaskContext) => Promise<unknown>, name = "parent") =>
  defineTask({ name, retry: quick, run: (_, ctx) => run(ctx) })

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a run with children on ${store}`, () => {
    it.live("finds all children of the run before with one look, however many there are", () => {
      const handler = parent(async (ctx) => {
        const children = []
        for (let n = 0; n < 30; n++) children.push(await ctx.submit(double, { n }))
        return ctx.all(children)
      })
      return Effect.gen(function* () {
        const looks = spyOn(yield* Store, "ended")
        const { ask } = yield* Dispatcher

        const ended = yield* ask({ name: "parent" })

        expect(ended).toMatchObject({ output: Array.from({ length: 30 }, (_, n) => n * 2) })
        const many = looks.mock.calls.filter(([, ulids]) => ulids.length === 30)
        // One before the first run waits, and one by the second.
        expect(many.length).toBeLessThanOrEqual(2)
        expect(looks.mock.calls.length).toBeLessThan(10)
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("names the parent in the record of a child that has ended, and none in the parent's own", () => {
      const handler = parent(async (ctx) => {
        const child = await ctx.submit(double, { n: 1 })
        await ctx.all([child])
        return child.id
      })
      return Effect.gen(function* () {
        const { ask, task } = yield* Dispatcher

        const ended = yield* ask({ name: "parent" })

        const child = yield* task((ended as { output: TaskId }).output)
        expect(child).toMatchObject({ name: "double", state: "succeeded" })
        const record = yield* task(child.parent!)
        expect(record.name).toBe("parent")
        expect(record).not.toHaveProperty("parent")
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("says what a child would be refused for, every fault of it, and stores nothing", () => {
      const picky = defineTask({
        name: "picky",
        input: z.object({ n: z.number(), m: z.number() }),
        run: () => 1
      })
      const handler = parent(async (ctx) => ({
        none: await ctx.check(picky, { n: 1, m: 2 }),
        both: await ctx.check("picky", { n: "1" }),
        unknown: await ctx.check("piky", {}),
        key: await ctx.check("picky", { n: 1, m: 2 }, { key: "\n" })
      }))
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        const { output } = (yield* ask({ name: "parent" })) as {
          readonly output: Record<string, ReadonlyArray<{ path: string; message: string }>>
        }
        expect(output["none"]).toEqual([])
        expect(output["both"]!.map(({ path }) => path).toSorted()).toEqual(["/input/m", "/input/n"])
        expect(output["unknown"]).toMatchObject([{ message: expect.stringContaining("did you mean picky?") }])
        expect(output["key"]).toMatchObject([{ path: "/key" }])
      }).pipe(Effect.provide(system([handler, picky])))
    })

    it.live(
      "cancels the others at the first failure where it is told to, and says the same of it again",
      () => {
        const seen: Array<TaskId> = []
        const slow = defineTask.effect({ name: "slow", run: () => Effect.never })
        const grandchildren: Array<TaskId> = []
        const nest = parent(async (ctx) => {
          const child = await ctx.submit(slow, null)
          grandchildren.push(child.id)
          await ctx.all([child])
        }, "nest")
        const begun = defineTask({
          name: "begun",
          retry: { attempts: 1 },
          run: async () => {
            while (grandchildren.length === 0) await Bun.sleep(1)
            throw new TypeError("no such number")
          }
        })
        const handler = parent(async (ctx) => {
          const children = [
            await ctx.submit(slow, null),
            await ctx.submit(nest, null),
            await ctx.submit(begun, null),
            await ctx.submit(slow, null, { queue: "other" })
          ]
          try {
            return await ctx.all(children, { onFailure: "cancel" })
          } catch (error) {
            if (!(error instanceof ChildFailed)) throw error
            seen.push(error.child as TaskId)
            // A run more, in which the others have not succeeded either.
            await ctx.all([await ctx.submit(double, { n: 2 })])
            return { of: children.map(({ id }) => id), child: error.child, state: error.state }
          }
        })
        return Effect.gen(function* () {
          const { ask, task } = yield* Dispatcher

          const { output } = (yield* ask({ name: "parent" })) as {
            readonly output: { of: ReadonlyArray<TaskId>; child: TaskId; state: string }
          }

          expect(output).toMatchObject({ child: output.of[2]!, state: "failed" })
          expect(new Set(seen)).toEqual(new Set([output.of[2]!]))
          expect(seen.length).toBeGreaterThanOrEqual(2)
          const states = yield* Effect.forEach(output.of, (id) => Effect.map(task(id), ({ state }) => state))
          expect(states).toEqual(["cancelled", "cancelled", "failed", "cancelled"])
          // Theirs are cancelled after them.
          yield* Effect.repeat(task(grandchildren[0]!), {
            until: ({ state }) => state === "cancelled",
            schedule: Schedule.spaced("2 millis")
          })
        }).pipe(Effect.provide(system([handler, nest, begun, slow, double])))
      }
    )

    it.live(
      "gives all outputs where none fails, though it would cancel; and refuses what it does not know",
      () => {
        const handler = parent((ctx) =>
          ctx.group(
            [1, 2].map((n) => ({ task: double, input: { n } })),
            { onFailure: "cancel" }
          )
        )
        const misspelt = parent((ctx) => ctx.group([], { onFailure: "cancle" as never }), "misspelt")
        return Effect.gen(function* () {
          const { ask } = yield* Dispatcher

          expect(yield* ask({ name: "parent" })).toMatchObject({ output: [2, 4] })
          expect(yield* ask({ name: "misspelt" })).toMatchObject({
            error: { message: 'onFailure "cancle" is not fail, cancel or collect' }
          })
        }).pipe(Effect.provide(system([handler, misspelt, double])))
      }
    )

    it.live("waits for them without being a run, and is given their outputs in order", () => {
      const runs: Array<number> = []
      const handler = parent(async (ctx) => {
        runs.push(ctx.attempt)
        const one = await ctx.submit(double, { n: 1 })
        const two = await ctx.submit("double", { n: 2 })
        return ctx.all([two, one])
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "parent" })

        expect(yield* result(id)).toMatchObject({ state: "succeeded", output: [4, 2] })
        expect(runs).toEqual([1, 2])
        expect(yield* task(id)).toMatchObject({
          attempt: 2,
          maxAttempts: 4,
          attempts: [{ attempt: 1, counted: false }, { attempt: 2 }]
        })
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("is refused a child of its own key, which would wait for it for ever", () => {
      const handler = parent(async (ctx) => {
        const other = await ctx.submit(double, { n: 1 }, { key: "another" })
        const own = await ctx.submit(double, { n: 2 }, { key: "tenant" }).catch((error: Error) => error)
        return [(own as Error).message, ...(await ctx.all([other]))]
      })
      return Effect.gen(function* () {
        const { result, submit } = yield* Dispatcher
        const { id } = yield* submit({ name: "parent", key: "tenant" })

        expect(yield* result(id, "10 seconds")).toMatchObject({
          state: "succeeded",
          output: [expect.stringContaining("it has its parent's key"), 2]
        })
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("is seen to wait, and holds no worker meanwhile", () => {
      const gate = Promise.withResolvers<void>()
      const slow = defineTask({
        name: "slow",
        queue: "other",
        run: () => gate.promise
      })
      const handler = parent(async (ctx) => ctx.all([await ctx.submit(slow, null)]))
      return Effect.gen(function* () {
        const { ask, result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "parent" })
        yield* Effect.repeat(task(id), {
          until: ({ state }) => state === "waiting",
          schedule: Schedule.spaced("2 millis")
        })

        // Its queue has one place, which is free.
        expect(yield* ask({ name: "double", input: { n: 3 } })).toMatchObject({ output: 6 })
        expect(yield* (yield* Store).depth(partitionOf("default"))).toMatchObject({ waiting: 1, held: 0 })

        gate.resolve()
        expect(yield* result(id)).toMatchObject({ output: [null] })
      }).pipe(
        Effect.provide(
          system([handler, slow, double], {
            queues: [
              { queue: "default", concurrency: 1 },
              { queue: "other", concurrency: 1 }
            ]
          })
        )
      )
    })

    it.live("submits each child once, however often it runs", () => {
      const children: Array<ReadonlyArray<TaskId>> = []
      const handler = parent(async (ctx) => {
        const some = await Promise.all([1, 2, 3].map((n) => ctx.submit(double, { n })))
        children.push(some.map(({ id }) => id))
        if (ctx.attempt < 3) throw new Error("try again")
        return ctx.all(some)
      })
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({ output: [2, 4, 6] })
        expect(new Set(children.flat()).size).toBe(3)
        expect(children.length).toBeGreaterThanOrEqual(3)
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("has ended to wait even if its handler catches everything", () => {
      const handler = parent(async (ctx) => {
        const child = await ctx.submit(double, { n: 5 })
        const outputs = await ctx.all([child]).catch(() => undefined)
        return outputs ?? "swallowed"
      })
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({ output: [10] })
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("fails at once with the first child in order that failed, unless that is caught", () => {
      let runs = 0
      const failing = parent(async (ctx) => {
        runs += 1
        return ctx.all([await ctx.submit(double, { n: 1 }), await ctx.submit(broken, null)])
      }, "failing")
      const careful = parent(async (ctx) => {
        try {
          return await ctx.all([await ctx.submit(broken, null)])
        } catch (error) {
          if (error instanceof ChildFailed) return { child: error.child, type: error.error.type }
          throw error
        }
      }, "careful")
      return Effect.gen(function* () {
        const { ask } = yield* Dispatcher

        expect(yield* ask({ name: "failing" })).toMatchObject({
          state: "failed",
          error: {
            type: "ChildFailed",
            message: expect.stringContaining("failed: TypeError: no such number")
          }
        })
        expect(runs).toBe(2)
        expect(yield* ask({ name: "careful" })).toMatchObject({
          state: "succeeded",
          output: { type: "TypeError" }
        })
      }).pipe(Effect.provide(system([failing, careful, broken, double])))
    })

    it.live("may collect every outcome", () => {
      const handler = parent(async (ctx) =>
        ctx.group(
          [
            { task: broken, input: null },
            { task: double, input: { n: 4 } }
          ],
          { onFailure: "collect" }
        )
      )
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({
          output: [
            { state: "failed", error: { type: "TypeError", message: "no such number" } },
            { state: "succeeded", output: 8 }
          ]
        })
      }).pipe(Effect.provide(system([handler, broken, double])))
    })

    it.live("chains them, each with the result of the one before", () => {
      const add = defineTask({ name: "add", input: z.number(), run: (n) => n + 1 })
      const handler = parent((ctx) =>
        Promise.all([
          ctx.chain([{ task: double, input: { n: 10 } }, add, (n) => ({ task: double, input: { n } })]),
          ctx.chain([{ task: double, input: { n: 100 } }, add, (n) => ({ task: double, input: { n } })])
        ])
      )
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({ output: [42, 402] })
      }).pipe(Effect.provide(system([handler, add, double])))
    })

    it.live("chains them beside each other: a chain has its numbers from the start", () => {
      const gate = Promise.withResolvers<void>()
      const slow = defineTask({
        name: "slow",
        input: z.number(),
        queue: "other",
        run: (n) => gate.promise.then(() => n)
      })
      const handler = parent((ctx) =>
        // However the one goes on, the other finds its own children.
        Promise.all([1, 2].map((n) => ctx.chain([{ task: slow, input: n }, slow, slow])))
      )
      return Effect.gen(function* () {
        const { result, submit, task } = yield* Dispatcher
        const { id } = yield* submit({ name: "parent" })
        yield* Effect.repeat(task(id), {
          until: ({ state }) => state === "waiting",
          schedule: Schedule.spaced("2 millis")
        })

        const steps = yield* (yield* Steps).recall(partitionOfId(id), ulidOfId(id))
        expect(steps.map(({ number }) => number)).toEqual([0, 3])

        gate.resolve()
        expect(yield* result(id)).toMatchObject({ output: [1, 2] })
      }).pipe(Effect.provide(system([handler, slow])))
    })

    it.live("follows a group by a task with all its results", () => {
      const sum = defineTask({
        name: "sum",
        input: z.array(z.number()),
        run: (all) => all.reduce((total, n) => total + n, 0)
      })
      const handler = parent((ctx) =>
        ctx.chord(
          [1, 2, 3].map((n) => ({ task: double, input: { n } })),
          (results) => ({ task: sum, input: [...results] })
        )
      )
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({ output: 12 })
      }).pipe(Effect.provide(system([handler, sum, double])))
    })

    it.live("remembers steps beside them, and goes on where it was", () => {
      const steps: Array<string> = []
      const handler = parent(async (ctx) => {
        const n = await ctx.step("read", () => {
          steps.push("read")
          return 7
        })
        const [doubled] = await ctx.all([await ctx.submit(double, { n })])
        return ctx.step("write", () => {
          steps.push("write")
          return doubled
        })
      })
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({ output: 14 })
        expect(steps).toEqual(["read", "write"])
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("is told why a child is refused, and nothing of it is stored", () => {
      const handler = parent(async (ctx) => {
        const refusals = [
          ctx.submit("doubel", null),
          ctx.submit(double, { n: "two" } as never),
          ctx.submit(double, { n: 2 }, { delay: "2 blinks" as never })
        ]
        return Promise.all(
          refusals.map((refusal) =>
            refusal.catch((error: unknown) => (error instanceof ChildRefused ? error.reason : "no"))
          )
        )
      })
      return Effect.gen(function* () {
        const { output } = (yield* (yield* Dispatcher).ask({ name: "parent" })) as {
          output: ReadonlyArray<string>
        }

        expect(output[0]).toBe("no handler is called doubel; did you mean double?")
        expect(output[1]).toContain("/input/n: ")
        expect(output[2]).toContain("delay 2 blinks is no duration")
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("waits for no task but its own", () => {
      const handler = parent(async (ctx) => ctx.all([{ id: ctx.task.id }]))
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({
          state: "failed",
          error: { type: "TypeError", message: expect.stringContaining("was not submitted by this run") }
        })
      }).pipe(Effect.provide(system([handler])))
    })

    it.live("hands its deadline down to them", () => {
      const children: Array<TaskId> = []
      const handler = defineTask({
        name: "parent",
        deadline: "1 hour",
        run: async (_, ctx) => {
          const child = await ctx.submit(double, { n: 1 }, { delay: "2 milli" })
          children.push(child.id)
          return ctx.all([child])
        }
      })
      return Effect.gen(function* () {
        const { result, submit } = yield* Dispatcher
        const store = yield* Store
        const { id } = yield* submit({ name: "parent" })
        yield* result(id)
        const deadlineOf = Effect.fnUntraced(function* (id: TaskId) {
          const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
          return /"deadlineAt":(\d+)/.exec(found!.record)?.[1]
        })

        expect(yield* deadlineOf(id)).toBeDefined()
        expect(yield* deadlineOf(children[0]!)).toBe(yield* deadlineOf(id))
      }).pipe(Effect.provide(system([handler, double])))
    })

    it.live("that is cancelled while it submits a child leaves none that runs", () => {
      let ran = false
      const child = defineTask({ name: "child", run: () => void (ran = true) })
      const handler = parent(async (ctx) => ctx.all([await ctx.submit(child, null)]))
      return Effect.gen(function* () {
        const { cancel, result, submit } = yield* Dispatcher
        const store = yield* Store
        const { submit: storeTasks } = store
        const stored = Promise.withResolvers<TaskId>()
        const submitted = Promise.withResolvers<TaskId>()
        // The cancel comes between the child's id, which is remembered, and the child.
        spyOn(store, "submit").mockImplementation((partition, tasks, options) => {
          const born = tasks.find((task) => task.parent !== undefined)
          const all = storeTasks(partition, tasks, options)
          if (born === undefined) return all
          const told = Effect.sync(() => stored.resolve(idIn(partition, ulidOfEntry(born.entry))))
          return Effect.promise(() => submitted.promise).pipe(
            Effect.flatMap((id) => Effect.orDie(cancel(id))),
            Effect.andThen(all),
            Effect.andThen(told)
          )
        })
        submitted.resolve((yield* submit({ name: "parent" })).id)

        const ended = yield* result(yield* Effect.promise(() => stored.promise), "5 seconds")

        expect(ended).toMatchObject({ state: "cancelled" })
        expect(ran).toBe(false)
      }).pipe(Effect.provide(system([handler, child])))
    })

    it.live("in Effect is the same, and no handler of errors takes its wait for one", () => {
      let taken = 0
      const handler = defineTask.effect({
        name: "parent",
        retry: quick,
        run: Effect.fn(function* () {
          const task = yield* CurrentTask
          const child = yield* task.submit(double, { n: 21 })
          const [doubled] = yield* task
            .all([child])
            .pipe(Effect.tapError(() => Effect.sync(() => (taken += 1))))
          const group = yield* task
            .group([{ task: broken, input: null }])
            .pipe(Effect.catchTag("ChildFailed", ({ error }) => Effect.succeed(error.message)))
          return { doubled, group }
        })
      })
      return Effect.gen(function* () {
        expect(yield* (yield* Dispatcher).ask({ name: "parent" })).toMatchObject({
          output: { doubled: 42, group: "no such number" }
        })
        expect(taken).toBe(0)
      }).pipe(Effect.provide(system([handler, broken, double])))
    })
  })
}

it.effect("a run waits for as long as the store takes no child of it, and uses up no attempt", () => {
  let isAway = true
  let tries = 0
  const once = { attempts: 1 } as const
  const child = defineTask({ name: "child", queue: "children", retry: once, run: () => "there" })
  const handler = defineTask({
    name: "parent",
    retry: once,
    run: async (_, ctx) => ctx.all([await ctx.submit(child, null)])
  })
  const system = working(
    [handler, child],
    "1 minute",
    (store) => ({
      submit: (partition, tasks, options) =>
        Effect.suspend(() => {
          if (partition !== "children.0") return store.submit(partition, tasks, options)
          tries += 1
          return isAway
            ? Effect.fail(new StoreError({ operation: "submit", cause: "away" }))
            : store.submit(partition, tasks, options)
        })
    }),
    ["default", "children"]
  )
  return Effect.gen(function* () {
    const { result, submit, task } = yield* Dispatcher
    const { id } = yield* submit({ name: "parent" })
    for (let passed = 0; passed < 60; passed++) {
      yield* TestClock.adjust("1 second")
      yield* settle
    }
    expect(tries).toBeGreaterThan(10)
    expect(yield* task(id)).toMatchObject({ state: "running", attempt: 1 })

    isAway = false
    const ended = yield* Effect.forkChild(result(id))
    yield* pass("5 seconds")

    expect(yield* Fiber.join(ended)).toMatchObject({ state: "succeeded", output: ["there"] })
  }).pipe(Effect.provide(system))
})
