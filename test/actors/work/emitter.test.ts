import { describe, expect } from "bun:test"
import { Effect, Layer } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { openEmitter } from "../../../actors/work/emitter.ts"
import { defineTask, type TaskContext } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Store } from "../../../runtime/store.ts"
import { type Entry, entryOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"
import { ulidAt } from "../../support/tasks.ts"

/** A store that is never done with what it is given. */
const neverStores = Layer.effect(
  Store,
  Store.useSync((store) => Store.of({ ...store, append: () => Effect.never }))
).pipe(Layer.provide(Layer.provide(Memory.layer, memorySettings())))

for (const [name, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  /** The events of a run that does this, as kind and data. */
  const eventsOf = (run: (ctx: TaskContext) => unknown) =>
    Effect.gen(function* () {
      const { result, submit } = yield* Dispatcher
      const { id } = yield* submit({ name: "talker" })
      yield* result(id)
      const events = yield* (yield* Store).events(id, { run: 0, seq: 0 }, 1_000)
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1))
      return events.map(({ data, kind }) => [kind, JSON.parse(data)])
    }).pipe(Effect.provide(system([defineTask({ name: "talker", run: (_, ctx) => run(ctx) })])))

  describe(`what a run emits, on ${name},`, () => {
    it.live("is joined while it waits to be stored, when it is text", () =>
      Effect.gen(function* () {
        const tokens = Array.from({ length: 200 }, (_, at) => `token ${at} `)
        const events = yield* eventsOf(async (ctx) => {
          await Promise.all(tokens.map((token) => ctx.emit(token)))
        })

        expect(events.map(([, text]) => text).join("")).toBe(tokens.join(""))
        expect(events.length).toBeLessThan(10)
      })
    )

    it.live("is refused where it is no JSON, or no fraction, and cut where it is beyond one", () =>
      Effect.gen(function* () {
        const refused: Array<string> = []
        const events = yield* eventsOf(async (ctx) => {
          const tried = (write: Promise<void>) => write.catch((error: Error) => void refused.push(error.name))
          await tried(ctx.emit(undefined))
          await tried(ctx.emit(() => 1))
          await tried(ctx.progress(0 / 0))
          await tried(ctx.progress("half" as never))
          await ctx.progress(1.000_000_1)
          await ctx.progress(-1)
        })

        expect(refused).toEqual(Array.from({ length: 4 }, () => "EventRefused"))
        expect(events).toEqual([
          ["progress", { fraction: 1 }],
          ["progress", { fraction: 0 }]
        ])
      })
    )

    it.live("is an event each when the run awaits each", () =>
      Effect.gen(function* () {
        const events = yield* eventsOf(async (ctx) => {
          for (const text of ["a", "b", "c"]) await ctx.emit(text)
        })

        expect(events).toEqual([
          ["chunk", "a"],
          ["chunk", "b"],
          ["chunk", "c"]
        ])
      })
    )

    it.live("keeps its order: text is not joined across anything else", () =>
      Effect.gen(function* () {
        const events = yield* eventsOf((ctx) =>
          Promise.all([
            ctx.emit("a"),
            ctx.emit("b"),
            ctx.log("then"),
            ctx.emit("c"),
            ctx.emit({ d: 1 }),
            ctx.emit("e")
          ])
        )

        expect(events).toEqual([
          ["chunk", "ab"],
          ["log", { level: "info", message: "then" }],
          ["chunk", "c"],
          ["chunk", { d: 1 }],
          ["chunk", "e"]
        ])
      })
    )
  })
}

it.live("a run that awaits what it emits is not refused where another one has filled all room", () =>
  Effect.gen(function* () {
    const { emit } = yield* openEmitter({ partition, worker: "w", onLost: () => {} })
    const refused = { hasty: 0, patient: 0 }
    const begin = (who: keyof typeof refused, entry: Entry) =>
      Effect.runFork(
        Effect.catchTag(emit(entry, "log", who), "EventRefused", () => Effect.sync(() => (refused[who] += 1)))
      )
    const hasty = entryOf(ulidAt(0, 1), "normal", 1)
    const patient = entryOf(ulidAt(0, 2), "normal", 1)

    for (let more = 0; more < 10_500; more++) begin("hasty", hasty)
    for (let more = 0; more < 100; more++) begin("patient", patient)

    expect(refused).toEqual({ hasty: 500, patient: 0 })
    for (let more = 0; more < 10; more++) begin("patient", patient)
    expect(refused.patient).toBe(10)
  }).pipe(Effect.provide(neverStores))
)
