import { describe, expect } from "bun:test"
import { Deferred, Duration, Effect, Exit, Layer, Logger, Result, Schedule } from "effect"
import { z } from "zod"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { defineAgent } from "../../../runtime/agent.ts"
import { defineTask, RetryAfter } from "../../../runtime/handler.ts"
import { Limits, type LimitState } from "../../../runtime/limits.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store } from "../../../runtime/store.ts"
import { partitionOf } from "../../../runtime/task.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import type { LimitOptions } from "../../../runtime/terms.ts"
import { it } from "../../support/effect.ts"
import { boxOf } from "../../support/promises.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"
import { aTask } from "../../support/tasks.ts"

const all = (name: string, count: number) =>
  Effect.flatMap(Dispatcher, ({ ask }) =>
    Effect.forEach(Array.from({ length: count }), () => ask({ name }), { concurrency: "unbounded" })
  )

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a limited task on ${store}`, () => {
    it.live("runs with no more of its kind at once than the limit allows", () => {
      let now = 0
      let most = 0
      const narrow = defineTask({
        name: "narrow",
        limits: [{ key: "provider", concurrency: 2 }],
        run: async () => {
          most = Math.max(most, ++now)
          await Bun.sleep(5)
          now -= 1
        }
      })
      return Effect.gen(function* () {
        const ends = yield* all("narrow", 12)

        expect(ends.map(({ state }) => state)).toEqual(ends.map(() => "succeeded"))
        expect(most).toBe(2)
      }).pipe(Effect.provide(system([narrow])))
    })

    it.live("starts no more often than its rate in any window", () => {
      const starts: Array<number> = []
      const rare = defineTask({
        name: "rare",
        limits: [{ key: "provider", rate: 4, per: "400 millis" }],
        run: () => void starts.push(performance.now())
      })
      return Effect.gen(function* () {
        yield* all("rare", 12)

        expect(starts.length).toBe(12)
        // A permit counts from when it was taken, which is a moment before the start.
        const slackMs = 150
        for (let at = 4; at < starts.length; at++)
          expect(starts[at]! - starts[at - 4]!).toBeGreaterThan(400 - slackMs)
      }).pipe(Effect.provide(system([rare])))
    })

    it.live("uses up nothing of its rate where it was handed back before it began", () => {
      let failed = false
      const once = defineAgent({
        name: "once",
        retry: { attempts: 2, backoff: { fixed: "1 milli" } },
        limits: [{ key: "provider", rate: 8, per: "1 hour" }],
        state: { initial: () => 0 },
        messages: { go: {} },
        handle: {
          go: () => {
            if (failed) return
            failed = true
            throw new Error("the first one")
          }
        }
      })
      return Effect.gen(function* () {
        const { result, submitAll } = yield* Dispatcher
        const message = { name: "once", key: "a", input: { message: "go", input: {} } }
        const told = yield* submitAll(Array.from({ length: 6 }, () => message))

        // Six and one again are seven: what was claimed with the first and went back with it counts once.
        for (const one of told)
          expect(yield* result(Result.getOrThrow(one).id)).toMatchObject({ state: "succeeded" })
      }).pipe(Effect.provide(system([once])))
    })

    it.live("is complained of where no handler names its limit any more", () => {
      // A process says the same of both stores once.
      const told = Deferred.makeUnsafe<string>()
      const log = Logger.layer([
        Logger.make(({ message }) => {
          const line = String(message)
          if (line.includes("no handler of this worker names")) Deferred.doneUnsafe(told, Exit.succeed(line))
        })
      ])
      return Effect.gen(function* () {
        const waiting = aTask({ box: boxOf("a", { name: `gone-${store}|a`, limit: 0 }) })
        yield* Store.use((store) => store.submit(partitionOf("default"), [waiting]))

        expect(yield* Deferred.await(told)).toContain(`: gone-${store}`)
      }).pipe(Effect.provide(system([]).pipe(Layer.provideMerge(log))))
    })

    it.live("holds nothing back that is behind it", () => {
      const started = Deferred.makeUnsafe<void>()
      const go = Deferred.makeUnsafe<void>()
      const narrow = defineTask({
        name: "narrow",
        limits: [{ key: "provider", concurrency: 1 }],
        run: () => {
          Deferred.doneUnsafe(started, Exit.void)
          return Effect.runPromise(Deferred.await(go))
        }
      })
      const free = defineTask({ name: "free", run: () => "done" })
      return Effect.gen(function* () {
        const { ask, result, submit } = yield* Dispatcher
        const { queue } = yield* Operations
        const first = yield* submit({ name: "narrow" })
        yield* Deferred.await(started)
        const others = yield* Effect.forEach([1, 2, 3], () => submit({ name: "narrow" }))

        expect(yield* ask({ name: "free" })).toMatchObject({ state: "succeeded" })
        // Those that wait hold no worker.
        expect((yield* queue(partitionOf("default"))).depth).toMatchObject({ held: 1, boxed: 3 })

        yield* Deferred.succeed(go, undefined)
        for (const { id } of [first, ...others])
          expect(yield* result(id)).toMatchObject({ state: "succeeded" })
      }).pipe(Effect.provide(system([narrow, free])))
    })

    for (const [limit, other] of [
      [{ rate: 1_000_000, per: "1 minute" }, "another limit's tasks"],
      [{ concurrency: 100 }, "another limit's tasks"],
      [{ rate: 1_000_000, per: "1 minute" }, "tasks without a limit"],
      [{ concurrency: 100 }, "tasks without a limit"]
    ] as const) {
      const of = "rate" in limit ? "a rate" : "a number at once"
      it.live(`with ${of} is not behind all the ${other} that wait for the same worker`, () => {
        const starts: Array<string> = []
        const noted = (name: string, limited: boolean) =>
          defineTask({
            name,
            ...(limited && { limits: [{ key: name, ...limit }] }),
            run: async () => {
              starts.push(name)
              await Bun.sleep(1)
            }
          })
        const settings = { queues: [{ queue: "default", concurrency: 1 }] }
        return Effect.gen(function* () {
          const { result, submitAll } = yield* Dispatcher
          const flood = Array.from({ length: 300 }, () => ({ name: "flood" }))
          yield* submitAll(flood)
          const few = yield* submitAll([{ name: "few" }, { name: "few" }, { name: "few" }])
          for (const one of few) yield* result(Result.getOrThrow(one).id)

          // A single place goes to one or the other by chance.
          expect(starts.length).toBeLessThan(200)
        }).pipe(
          Effect.provide(
            system([noted("flood", other === "another limit's tasks"), noted("few", true)], settings)
          )
        )
      })
    }

    it.live("does not keep all places from those without a limit", () => {
      const starts: Array<string> = []
      const noted = (name: string, limits: ReadonlyArray<LimitOptions<unknown>>) =>
        defineTask({
          name,
          limits,
          run: async () => {
            starts.push(name)
            await Bun.sleep(1)
          }
        })
      const flood = noted("flood", [{ key: "provider", rate: 1_000_000, per: "1 minute" }])
      const settings = { queues: [{ queue: "default", concurrency: 2 }] }
      return Effect.gen(function* () {
        const { ask, submitAll } = yield* Dispatcher
        yield* submitAll(Array.from({ length: 300 }, () => ({ name: "flood" })))

        for (const priority of ["urgent", "low"] as const) yield* ask({ name: "free", priority })

        expect(starts.length).toBeLessThan(200)
      }).pipe(Effect.provide(system([flood, noted("free", [])], settings)))
    })

    it.live(
      "waits for those who share its limit, and for no others, where each has it for themselves",
      () => {
        const running = new Map<string, number>()
        const most = new Map<string, number>()
        const others = Deferred.makeUnsafe<void>()
        const ended = new Set<string>()
        const own = defineTask({
          name: "own",
          limits: [
            { key: "model", concurrency: 1, each: "tenant" },
            { key: "account", concurrency: 2, each: ({ account }) => account }
          ],
          input: z.object({ account: z.string(), of: z.string(), holds: z.boolean() }),
          run: async ({ account, of, holds }) => {
            for (const name of [of, account]) {
              running.set(name, (running.get(name) ?? 0) + 1)
              most.set(name, Math.max(most.get(name) ?? 0, running.get(name)!))
            }
            // One of acme's runs until all of the others have ended.
            if (holds) await Effect.runPromise(Deferred.await(others))
            else await Bun.sleep(5)
            for (const name of [of, account]) running.set(name, running.get(name)! - 1)
            if (of !== "acme") ended.add(of)
            if (ended.size === 3) Deferred.doneUnsafe(others, Exit.void)
          }
        })
        return Effect.gen(function* () {
          const { ask } = yield* Dispatcher
          const asks = (of: string) =>
            Effect.forEach(
              [1, 2, 3, 4],
              (n) =>
                ask({ name: "own", input: { account: `a${n % 2}`, of, holds: of === "acme" && n === 1 } }),
              { concurrency: "unbounded" }
            ).pipe(Effect.provideService(Tenant, of))

          const ends = yield* Effect.forEach(["acme", "b", "c", "default"], asks, {
            concurrency: "unbounded"
          })

          expect(ends.flat().map(({ state }) => state)).toEqual(Array.from({ length: 16 }, () => "succeeded"))
          expect(["acme", "b", "c", "default"].map((of) => most.get(of))).toEqual([1, 1, 1, 1])
          expect(most.get("a0")).toBeLessThanOrEqual(2)
          expect(most.get("a1")).toBeLessThanOrEqual(2)
        }).pipe(Effect.provide(system([own])))
      }
    )

    it.live("is set right, and paused, for those only who have its limit for themselves", () => {
      const own = defineTask({
        name: "own",
        limits: [{ key: "tokens", rate: 100, per: "1 hour", amount: 90, each: "key" }],
        input: z.object({ more: z.number().optional() }),
        run: ({ more }, { spent }) => {
          if (more !== undefined) spent("tokens", more)
          else throw new RetryAfter("1 hour", { counted: false })
        }
      })
      return Effect.gen(function* () {
        const { ask, submit } = yield* Dispatcher
        const { states } = yield* Limits
        const of = (key: string) => Effect.map(states([`tokens@default/${key}`]), ([state]) => state!)
        const until = (key: string, isSo: (state: LimitState) => boolean) =>
          Effect.repeat(of(key), { until: isSo, schedule: Schedule.spaced("2 millis") })

        yield* ask({ name: "own", key: "a", input: { more: 10 } })
        yield* until("a", ({ used }) => used === 10)
        // There is room again, for what is as large.
        yield* ask({ name: "own", key: "a", input: { more: 20 } })
        yield* until("a", ({ used }) => used === 30)
        yield* submit({ name: "own", key: "b", input: {} })

        yield* until("b", ({ coolsUntil }) => coolsUntil !== undefined)
        expect(yield* of("a")).not.toHaveProperty("coolsUntil")
        expect(yield* of("c")).toMatchObject({ used: 0 })
      }).pipe(Effect.provide(system([own])))
    })

    it.live("that was told to come back later keeps only its own limit waiting", () => {
      const starts: Array<readonly [string, number]> = []
      const told = Deferred.makeUnsafe<void>()
      const on = (name: string, key: string) =>
        defineTask({
          name,
          limits: [{ key, rate: 1_000, per: "1 second" }],
          run: () => {
            starts.push([name, performance.now()])
            if (name !== "busy" || !Deferred.doneUnsafe(told, Exit.void)) return
            throw new RetryAfter("600 millis", { message: "429", counted: false })
          }
        })
      return Effect.gen(function* () {
        const { ask, result, submit } = yield* Dispatcher
        const { queue } = yield* Operations
        const first = yield* submit({ name: "busy" })
        yield* Deferred.await(told)
        const toldAt = starts[0]![1]
        // The pause is stored once the run has been settled.
        yield* Effect.flatMap(queue(partitionOf("default")), ({ depth }) =>
          depth.held === 0 ? Effect.void : Effect.fail("not yet")
        ).pipe(Effect.retry(Schedule.spaced("1 milli")), Effect.timeout("5 seconds"))

        const second = yield* submit({ name: "busy" })
        yield* ask({ name: "other" })
        yield* result(first.id)
        yield* result(second.id)

        const after = (name: string) => starts.filter(([one]) => one === name).map(([, at]) => at - toldAt)
        expect(after("other")[0]!).toBeLessThan(after("busy")[1]!)
        expect(
          after("busy")
            .slice(1)
            .every((ms) => ms >= 590)
        ).toBe(true)
      }).pipe(Effect.provide(system([on("busy", "one"), on("other", "another")])))
    })
  })

  describe(`a keyed task on ${store}`, () => {
    it.live("runs after the one before it of its key, and beside those of other keys", () => {
      const log: Array<string> = []
      const step = defineTask({
        name: "step",
        key: { of: (input) => String((input as { key: string }).key) },
        run: async (input) => {
          const { at, key } = input as { key: string; at: number }
          log.push(`${key}${at}+`)
          await Bun.sleep(3)
          log.push(`${key}${at}-`)
        }
      })
      return Effect.gen(function* () {
        const { result, submit } = yield* Dispatcher
        const ids: Array<string> = []
        for (let at = 1; at <= 6; at++)
          for (const key of ["a", "b", "c"])
            ids.push((yield* submit({ name: "step", input: { key, at } })).id)
        for (const id of ids) yield* result(id as never)

        for (const key of ["a", "b", "c"])
          expect(log.filter((line) => line.startsWith(key))).toEqual(
            [1, 2, 3, 4, 5, 6].flatMap((at) => [`${key}${at}+`, `${key}${at}-`])
          )
        // Side by side: somebody else started before the first one ended.
        expect(log.indexOf("b1+")).toBeLessThan(log.indexOf("a6-"))
      }).pipe(Effect.provide(system([step])), Effect.timeout(Duration.seconds(20)))
    })
  })

  describe(`a cancelled task on ${store}`, () => {
    it.live("is interrupted within 250 ms, whoever runs it, and its result is not accepted", () => {
      const started = Deferred.makeUnsafe<AbortSignal>()
      const endless = defineTask({
        name: "endless",
        run: async (_, { signal }) => {
          Deferred.doneUnsafe(started, Exit.succeed(signal))
          await new Promise((resolve) => {
            signal.addEventListener("abort", resolve)
          })
          return "too late"
        }
      })
      return Effect.gen(function* () {
        const { cancel, result, submit } = yield* Dispatcher
        const { id } = yield* submit({ name: "endless" })
        const signal = yield* Deferred.await(started)
        const aborted = new Promise<number>((resolve) => {
          signal.addEventListener("abort", () => resolve(performance.now()))
        })
        const before = performance.now()
        yield* cancel(id, "not needed")

        // Far less than until its next heartbeat, at which it would hear of it anyway.
        expect((yield* Effect.promise(() => aborted)) - before).toBeLessThan(2_000)
        expect(yield* result(id)).toMatchObject({ state: "cancelled", error: { message: "not needed" } })
      }).pipe(Effect.provide(system([endless])))
    })
  })
}
