import { describe, expect } from "bun:test"
import { Context, Deferred, Effect, Exit, Layer, Schedule, Schema } from "effect"
import { z } from "zod"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Worker from "../../../actors/work/worker.ts"
import { Settings } from "../../../runtime/config.ts"
import { AttemptOver, CurrentTask, defineTask, Fatal, type TaskContext } from "../../../runtime/handler.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store, StoreError } from "../../../runtime/store.ts"
import { idIn, partitionOf, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { gated } from "../../support/gated.ts"
import { aTask, aTurn } from "../../support/tasks.ts"
import { redisSettings } from "../../support/redis.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const quick = { backoff: { base: "1 milli", jitter: false } } as const
const dispatcher = Dispatcher.Dispatcher

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`a worker on ${store}`, () => {
    it.live("runs a plain handler on the checked input and keeps its checked output", () => {
      const double = defineTask({
        name: "double",
        input: z.object({ n: z.coerce.number() }),
        output: z.object({ n: z.number() }),
        run: async ({ n }) => ({ n: n * 2, more: "dropped by the schema" })
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        expect(yield* ask({ name: "double", input: { n: "21" } })).toMatchObject({
          state: "succeeded",
          output: { n: 42 }
        })
      }).pipe(Effect.provide(system([double])))
    })

    it.live("runs an Effect handler with its services, built once, and the context as a service", () => {
      let built = 0
      class Greeting extends Context.Service<Greeting, { readonly word: string }>()("test/Greeting") {}
      const greet = defineTask.effect({
        name: "greet",
        input: Schema.Struct({ at: Schema.DateFromString }),
        output: Schema.Struct({ at: Schema.DateFromString, attempt: Schema.Int, word: Schema.String }),
        run: Effect.fn(function* ({ at }) {
          const { attempt } = yield* CurrentTask
          const { word } = yield* Greeting
          return { at, attempt, word }
        }),
        layer: Layer.effect(
          Greeting,
          Settings.useSync(({ port }) => {
            built += 1
            return { word: `hello from ${port}` }
          })
        )
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        const at = "2030-01-01T00:00:00.000Z"
        const output = { at, attempt: 1, word: "hello from 4000" }
        expect(yield* ask({ name: "greet", input: { at } })).toMatchObject({ state: "succeeded", output })
        expect(yield* ask({ name: "greet", input: { at } })).toMatchObject({ state: "succeeded", output })
        expect(built).toBe(1)
      }).pipe(Effect.provide(system([greet])))
    })

    it.live("tries again what failed, and keeps every attempt with its error", () => {
      let runs = 0
      const flaky = defineTask({
        name: "flaky",
        retry: { attempts: 3, ...quick },
        run: () => {
          runs += 1
          if (runs < 3) throw new TypeError(`run ${runs} went wrong`)
          return runs
        }
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* dispatcher
        const { id } = yield* submit({ name: "flaky" })

        expect(yield* result(id)).toEqual({ state: "succeeded", output: 3 })
        expect(yield* task(id)).toMatchObject({
          state: "succeeded",
          attempt: 3,
          maxAttempts: 3,
          attempts: [
            { attempt: 1, error: { type: "TypeError", message: "run 1 went wrong" } },
            { attempt: 2, error: { type: "TypeError", message: "run 2 went wrong" } },
            { attempt: 3 }
          ]
        })
      }).pipe(Effect.provide(system([flaky])))
    })

    it.live("leaves a task that it has no handler for to others, and uses up none of its attempts", () => {
      const home = partitionOf("default")
      return Effect.gen(function* () {
        const { task } = yield* dispatcher
        const { ulid, ...stranger } = aTask()
        const name = '"name":"of-a-newer-version","retry":{"attempts":1}'
        const record = stranger.record.replace('"name":"test"', name)
        yield* Store.use((store) => store.submit(home, [{ ...stranger, record }]))
        const seen = yield* task(idIn(home, ulid)).pipe(
          Effect.repeat({
            until: ({ attempts }) => attempts.length === 2,
            schedule: Schedule.spaced("20 millis")
          })
        )

        expect(seen).toMatchObject({
          state: "retrying",
          attempts: [1, 2].map((attempt) => ({ attempt, counted: false, error: { type: "UnknownHandler" } }))
        })
      }).pipe(Effect.provide(system([])))
    })

    it.live("fails a task whose attempts are spent, and keeps its input", () => {
      const broken = defineTask({
        name: "broken",
        retry: { attempts: 2, ...quick },
        run: () => Promise.reject(new Error("never"))
      })
      return Effect.gen(function* () {
        const { input, result, submit, task } = yield* dispatcher
        const { id } = yield* submit({ name: "broken", input: { kept: true } })

        expect(yield* result(id)).toMatchObject({ state: "failed", error: { message: "never" } })
        expect(yield* task(id)).toMatchObject({
          state: "failed",
          attempt: 2,
          attempts: [{ attempt: 1 }, { attempt: 2 }]
        })
        expect(yield* input(id)).toMatchObject({ value: { kept: true } })
      }).pipe(Effect.provide(system([broken])))
    })

    it.live("does not try again what is Fatal, whatever attempts are left", () => {
      let runs = 0
      const fatal = defineTask({
        name: "fatal",
        retry: { attempts: 9, ...quick },
        run: () => {
          runs += 1
          throw new Fatal("no such page", { type: "PageGone" })
        }
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        const error = { type: "PageGone", message: "no such page" }
        expect(yield* ask({ name: "fatal" })).toMatchObject({ state: "failed", error })
        expect(runs).toBe(1)
      }).pipe(Effect.provide(system([fatal])))
    })

    it.live("fails a run whose output does not fit, and says where", () => {
      const odd = defineTask({
        name: "odd",
        output: z.object({ n: z.number() }),
        retry: { attempts: 1 },
        run: () => ({ n: "three" }) as unknown as { n: number }
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        expect(yield* ask({ name: "odd" })).toMatchObject({ state: "failed", error: { type: "Misfit" } })
      }).pipe(Effect.provide(system([odd])))
    })

    it.live("fires the signal of a run that takes too long, and counts it as failed", () => {
      const aborted = Deferred.makeUnsafe<unknown>()
      const slow = defineTask({
        name: "slow",
        timeout: "30 millis",
        retry: { attempts: 1 },
        run: (_, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              Deferred.doneUnsafe(aborted, Exit.succeed(signal.reason))
              reject(signal.reason as Error)
            })
          })
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        expect(yield* ask({ name: "slow" })).toMatchObject({ state: "failed", error: { type: "TimedOut" } })
        expect(yield* Deferred.await(aborted)).toBeInstanceOf(AttemptOver)
      }).pipe(Effect.provide(system([slow])))
    })

    it.live("stores what a run writes before it settles, even what the run did not wait for", () => {
      const chatty = defineTask({
        name: "chatty",
        run: (_, ctx) => {
          void ctx.progress(0.5, "half")
          void ctx.log("careful", "warn")
          for (let n = 1; n <= 100; n++) void ctx.emit({ n })
          return "said"
        }
      })
      return Effect.gen(function* () {
        const { result, submit } = yield* dispatcher
        const store = yield* Store
        const { id } = yield* submit({ name: "chatty" })
        yield* result(id)

        const events = yield* store.events(id, { run: 0, seq: 0 }, 1000)

        expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 102 }, (_, at) => at + 1))
        expect(events[0]).toEqual({
          run: 1,
          seq: 1,
          kind: "progress",
          data: `{"fraction":0.5,"message":"half"}`
        })
        expect(events[1]).toEqual({
          run: 1,
          seq: 2,
          kind: "log",
          data: `{"level":"warn","message":"careful"}`
        })
        expect(events[101]).toEqual({ run: 1, seq: 102, kind: "chunk", data: `{"n":100}` })
      }).pipe(Effect.provide(system([chatty])))
    })

    it.live("refuses a line of a level that there is not, and lets the run go on", () => {
      const levelFirst = (log: TaskContext["log"]) => log("info", "a text" as "info")
      const swapped = defineTask({
        name: "swapped",
        run: (_, ctx) => {
          void levelFirst(ctx.log)
          return levelFirst(ctx.log).catch((error: unknown) => error)
        }
      })
      const swappedEffect = defineTask.effect({
        name: "swapped-effect",
        run: () => CurrentTask.use(({ log }) => Effect.flip(log("info", "toString" as "info")))
      })
      const reason = (level: string) =>
        `log: the level, "${level}", is none of debug, info, warn, error; it is the second argument, after the message`
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher

        expect(yield* ask({ name: "swapped" })).toMatchObject({
          state: "succeeded",
          output: { _tag: "EventRefused", reason: reason("a text") }
        })
        expect(yield* ask({ name: "swapped-effect" })).toMatchObject({
          state: "succeeded",
          output: { _tag: "EventRefused", reason: reason("toString") }
        })
      }).pipe(Effect.provide(system([swapped, swappedEffect])))
    })

    it.live("refuses what a run writes after its end", () => {
      let kept: TaskContext | undefined
      const leaky = defineTask({ name: "leaky", run: (_, ctx) => void (kept = ctx) })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        yield* ask({ name: "leaky" })

        const refused = yield* Effect.promise(() => kept!.emit("late").catch((error: unknown) => error))

        expect(refused).toBeInstanceOf(AttemptOver)
      }).pipe(Effect.provide(system([leaky])))
    })

    it.live("refuses an event that is too large, and lets the run go on", () => {
      const loud = defineTask({
        name: "loud",
        run: (_, ctx) => ctx.emit("x".repeat(300_000)).catch((error: Error) => error.message)
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        const { output } = (yield* ask({ name: "loud" })) as { output: string }
        expect(output).toContain("at most 262144")
      }).pipe(Effect.provide(system([loud])))
    })

    it.live("never runs more tasks at once than it may", () => {
      let now = 0
      let most = 0
      const counted = defineTask({
        name: "counted",
        run: async () => {
          most = Math.max(most, ++now)
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
          now -= 1
        }
      })
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        yield* Effect.forEach(Array.from({ length: 100 }), () => ask({ name: "counted" }), {
          concurrency: 100
        })
        expect(most).toBeLessThanOrEqual(5)
        expect(most).toBeGreaterThan(1)
      }).pipe(Effect.provide(system([counted], { queues: [{ queue: "default", concurrency: 5 }] })))
    })

    it.live("runs a delayed task when it is due, neither before nor a second later", () => {
      let ranAt = 0
      const late = defineTask({ name: "late", run: () => void (ranAt = performance.now()) })
      return Effect.gen(function* () {
        const { ask, result, submit, task } = yield* dispatcher
        // From here on the worker is idle, and waits at the bell.
        yield* ask({ name: "late" })
        const from = performance.now()
        const { id, state } = yield* submit({ name: "late", delayMs: 300 })
        expect(state).toBe("scheduled")
        expect(yield* task(id)).toMatchObject({ state: "scheduled", attempt: 0 })

        yield* result(id)

        expect(ranAt - from).toBeGreaterThanOrEqual(299)
        expect(ranAt - from).toBeLessThan(300 + 1_000)
      }).pipe(Effect.provide(system([late])))
    })

    it.live("shows a run that lasts, with its worker, start and progress", () => {
      const long = gated("long")
      const withProgress = defineTask({
        name: "long",
        run: async (_, ctx) => {
          await ctx.progress(0.25, "a quarter")
          return long.handler.body.kind === "plain" ? long.handler.body.run(null, ctx) : undefined
        }
      })
      return Effect.gen(function* () {
        const { result, submit, task } = yield* dispatcher
        const { id } = yield* submit({ name: "long" })
        yield* long.started

        const seen = yield* task(id).pipe(
          Effect.repeat({
            until: ({ progress }) => progress !== undefined,
            schedule: Schedule.spaced("10 millis")
          }),
          Effect.timeout("5 seconds")
        )

        expect(seen).toMatchObject({
          state: "running",
          attempt: 1,
          progress: { fraction: 0.25, message: "a quarter" }
        })
        expect(seen.worker).toBeString()
        yield* long.go
        yield* result(id)
      }).pipe(Effect.provide(system([withProgress])))
    })

    it.live(
      "is interrupted when its lease is lost, and its result is refused",
      () => {
        const first = gated("stalled", () => "the loser's result")
        return Effect.gen(function* () {
          const { submit } = yield* dispatcher
          const store = yield* Store
          const { id } = yield* submit({ name: "stalled" })
          const { signal } = yield* first.started
          const held = (yield* store.read(partitionOf("default"), [ulidOfId(id)]))[0]!.place
          if (held.kind !== "held") throw new Error("nobody holds it")
          const stopped = new Promise((resolve) => {
            signal.addEventListener("abort", resolve)
          })

          // Somebody else takes a turn, reaps it, and holds the task under its next run.
          yield* store.evict(partitionOf("default"), held.worker)
          const other = yield* store.turn(
            partitionOf("default"),
            aTurn("other", { leaseMs: 60_000, want: 1 })
          )

          yield* Effect.promise(() => stopped)
          yield* first.go
          expect(other.claimed.length).toBe(1)
          const after = (yield* store.read(partitionOf("default"), [ulidOfId(id)]))[0]!
          expect(after.place).toMatchObject({ kind: "held", worker: "other" })
        }).pipe(Effect.provide(system([first.handler])))
      },
      20_000
    )
  })

  describe(`a worker of several queues on ${store}`, () => {
    it.live(
      "goes on under a fresh id when it lost its lease in one of them",
      () => {
        const here = defineTask({ name: "here", queue: "here", run: () => "done" })
        const there = defineTask({ name: "there", queue: "there", run: () => "done" })
        const stuck = gated("stuck")
        return Effect.gen(function* () {
          const { ask, submit } = yield* dispatcher
          const store = yield* Store
          const { id } = yield* submit({ name: "stuck" })
          yield* stuck.started
          const { place } = (yield* store.read(partitionOf("default"), [ulidOfId(id)]))[0]!
          if (place.kind !== "held") throw new Error("nobody holds it")

          yield* store.evict(partitionOf("here"), place.worker)
          yield* stuck.go

          for (const name of ["here", "there"]) {
            expect(yield* ask({ name }).pipe(Effect.timeout("10 seconds"))).toMatchObject({
              state: "succeeded",
              output: "done"
            })
          }
        }).pipe(Effect.provide(system([here, there, stuck.handler])))
      },
      20_000
    )
  })
}

describe("a worker whose turns get no answer", () => {
  /** A store that carries out every n-th turn and then loses its answer. */
  const lossy = (every: number) =>
    Layer.effect(
      Store,
      Effect.gen(function* () {
        const store = yield* Store
        let turns = 0
        return {
          ...store,
          turn: (partition, turn) =>
            Effect.filterOrFail(
              store.turn(partition, turn),
              () => ++turns % every !== 0,
              () => new StoreError({ operation: "Store.turn", cause: new Error("the answer was lost") })
            )
        }
      })
    )

  it.live(
    "still runs every task, and commits each result once",
    () => {
      const runs = new Map<number, number>()
      const once = defineTask({
        name: "once",
        run: (n) => {
          runs.set(n as number, (runs.get(n as number) ?? 0) + 1)
          return n
        }
      })
      const base = Layer.merge(
        Layer.provideMerge(Shutdown.layer, redisSettings()),
        Handlers.layer({ given: [once] })
      )
      const system = Layer.mergeAll(Dispatcher.layer, Worker.layer().pipe(Layer.provide(lossy(3)))).pipe(
        Layer.provideMerge(Replies.layer),
        Layer.provideMerge(Redis.layer()),
        Layer.provideMerge(base)
      )
      return Effect.gen(function* () {
        const { ask } = yield* dispatcher
        const asked = Array.from({ length: 300 }, (_, n) => n)

        const results = yield* Effect.forEach(asked, (input) => ask({ name: "once", input }), {
          concurrency: 30
        })

        expect(results.map((result) => (result.state === "succeeded" ? result.output : result))).toEqual(
          asked
        )
        expect([...runs.values()].every((count) => count >= 1)).toBe(true)
      }).pipe(Effect.provide(system))
    },
    60_000
  )
})
