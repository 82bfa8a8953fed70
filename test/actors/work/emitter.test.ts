import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { defineTask, type TaskContext } from "../../../runtime/handler.ts"
import { Store } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

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
