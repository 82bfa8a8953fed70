/**
 * What the types of a handler promise: `tsc` reads this file, and nothing runs it. Each line below a
 * `@ts-expect-error` must not compile; were it to, `tsc` would complain of the comment.
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as v from "valibot"
import { z } from "zod"
import { CurrentTask, defineTask, type TaskDefinition } from "../../runtime/handler.ts"

/** Compiles only where the definition takes and gives exactly these. */
const takesAndGives =
  <Input, Output>() =>
  <Definition>(
    _: Definition &
      ((<T>() => T extends TaskDefinition<Input, Output> ? 1 : 2) extends <T>() => T extends Definition
        ? 1
        : 2
        ? unknown
        : never)
  ): void => {}

// What is submitted is what the schema takes; what is read is what it gives out.
takesAndGives<{ n: unknown }, { ok: boolean }>()(
  defineTask({
    name: "zod",
    input: z.object({ n: z.coerce.number() }),
    output: z.object({ ok: z.boolean() }),
    run: async ({ n }) => ({ ok: n > 1 })
  })
)
takesAndGives<{ n?: number | undefined }, number>()(
  defineTask({
    name: "zod.default",
    input: z.object({ n: z.number().default(1) }),
    run: ({ n }) => n.valueOf()
  })
)
takesAndGives<{ n: number }, number>()(
  defineTask({
    name: "valibot",
    input: v.object({ n: v.number() }),
    run: async ({ n }, ctx) => {
      await ctx.emit(n)
      return n
    }
  })
)
takesAndGives<{ readonly at: string }, { readonly at: string }>()(
  defineTask.effect({
    name: "effect",
    input: Schema.Struct({ at: Schema.DateFromString }),
    output: Schema.Struct({ at: Schema.DateFromString }),
    run: Effect.fn(function* ({ at }) {
      const task = yield* CurrentTask
      yield* task.emit(at.getTime())
      return { at }
    })
  })
)
// Without an input schema it takes anything.
defineTask({ name: "without schemas", run: () => Math.random() }) satisfies TaskDefinition<
  { any: "thing" },
  number
>

// What a run returns is what its output schema takes.
defineTask({
  name: "wrong output",
  output: z.object({ ok: z.boolean() }),
  // @ts-expect-error: `ok` is a boolean.
  run: async () => ({ ok: 3 })
})
defineTask.effect({
  name: "wrong output",
  output: Schema.Struct({ at: Schema.DateFromString }),
  // @ts-expect-error: a run returns a date, which the schema encodes.
  run: () => Effect.succeed({ at: "2030-01-01" })
})

// What a run is given is what its input schema gives out.
defineTask({
  name: "wrong input",
  input: z.object({ n: z.string() }),
  // @ts-expect-error: `n` is text.
  run: ({ n }) => n * 2
})
defineTask({
  name: "wrong input",
  input: z.object({ n: z.string() }),
  // @ts-expect-error: there is no `m`.
  run: ({ m }) => m
})

// The services of an effect are those that its layer gives, and the task it runs for.
class Model extends Context.Service<Model, { readonly ask: (text: string) => Effect.Effect<string> }>()(
  "test/Model"
) {
  static readonly layer = Layer.succeed(Model, { ask: Effect.succeed })
}
const ask = (text: string) => Effect.flatMap(Model, (model) => model.ask(text))

takesAndGives<string, string>()(
  defineTask.effect({ name: "services", input: z.string(), layer: Model.layer, run: (text) => ask(text) })
)
defineTask.effect({
  name: "other services",
  layer: Layer.succeed(CurrentTask, undefined as never),
  // @ts-expect-error: the layer gives no model.
  // @effect-diagnostics-next-line missingEffectContext:off
  run: () => ask("hello")
})

// Options are what they can be.
defineTask({
  name: "options",
  priority: 15,
  timeout: "2 minutes",
  retry: { attempts: 5, backoff: { base: "1 second", factor: 2, cap: 60_000, jitter: true } },
  run: () => null
})
defineTask({
  name: "options",
  // @ts-expect-error: there is no such priority.
  priority: 3,
  run: () => null
})
defineTask({
  name: "options",
  // @ts-expect-error: that is no duration.
  timeout: "2 blinks",
  run: () => null
})
// @ts-expect-error: a handler has a name.
defineTask({ run: () => null })

// What a child is given, and what comes of it, is what its definition says.
const double = defineTask({ name: "double", input: z.object({ n: z.number() }), run: ({ n }) => n * 2 })
const spell = defineTask({ name: "spell", input: z.number(), run: (n) => `${n}` })
defineTask({
  name: "children",
  run: async (_, ctx) => {
    const [one, other] = await ctx.all([await ctx.submit(double, { n: 1 }), await ctx.submit(spell, 2)])
    const outcomes = await ctx.all([await ctx.submit(spell, 3)], { onFailure: "collect" })
    const [first] = await ctx.group([{ task: spell, input: 4 }])
    const chained = await ctx.chain([
      { task: double, input: { n: 5 } },
      (n) => ({ task: double, input: { n: n + 1 } }),
      spell
    ])
    const joined = await ctx.chord([{ task: spell, input: 6 }], ([text]) => ({
      task: spell,
      input: text.length
    }))
    const remembered = await ctx.step("text", async () => "text")
    const outcome = outcomes[0]
    const texts: ReadonlyArray<string> = [other, first, chained, joined, remembered]
    return [one.toFixed(), ...texts, outcome.state === "succeeded" ? outcome.output : outcome.error.message]
  }
}) satisfies TaskDefinition<unknown, ReadonlyArray<string>>
defineTask({
  name: "wrong children",
  run: async (_, ctx) => {
    // @ts-expect-error: `n` is a number.
    await ctx.submit(double, { n: "1" })
    // @ts-expect-error: what follows is given text.
    await ctx.chain([{ task: spell, input: 1 }, (n) => ({ task: double, input: { n: n * 2 } })])
    // @ts-expect-error: without `collect` there are outputs, and no states.
    return (await ctx.all([await ctx.submit(spell, 1)]))[0].state
  }
})
defineTask.effect({
  name: "children",
  run: Effect.fn(function* () {
    const task = yield* CurrentTask
    const child = yield* task.submit(double, { n: 1 })
    const [output] = yield* task.all([child])
    return output.toFixed()
  })
}) satisfies TaskDefinition<unknown, string>

// A batch gives an output or an error for each of its items.
takesAndGives<{ n: number }, number>()(
  defineTask({
    name: "batch",
    input: z.object({ n: z.number() }),
    batch: { size: 10, wait: "10 millis" },
    runAll: async (items) => items.map(({ input }) => (input.n > 0 ? input.n : new Error("too small")))
  })
)
// @ts-expect-error: it runs one at a time, or all at once.
defineTask({ name: "batch", batch: { size: 10 }, run: () => null })
defineTask({
  name: "keyed",
  input: z.object({ tenant: z.string() }),
  key: { of: ({ tenant }) => tenant },
  limits: [{ key: "tokens", rate: 10, per: "1 second", amount: ({ tenant }) => tenant.length }],
  retry: { backoff: (failed, error) => (error.type === "Busy" ? "1 minute" : failed * 1_000) },
  run: () => null
})
