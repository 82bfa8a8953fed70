/**
 * What the types of agents promise: `tsc` reads this file, and nothing runs it. Each line below a `@ts-expect-error` must
 * not compile; were it to, `tsc` would complain of the comment.
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as v from "valibot"
import { z } from "zod"
import { type AgentDefinition, defineAgent } from "../../runtime/agent.ts"
import { defineTask } from "../../runtime/handler.ts"

/** Compiles only where both types are the same. */
const same =
  <A>() =>
  <B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? B : never): void => {}

// With a schema, the schema says what the state is, and what a message takes and gives.
const cart = defineAgent({
  name: "shop.cart",
  state: {
    schema: z.object({ items: z.array(z.string()) }),
    version: 1,
    initial: (key) => ({ items: key === "" ? ["never"] : [] }),
    migrate: (old, from) => ({ items: from === 0 ? [old] : [] })
  },
  messages: {
    add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
    remind: { input: z.object({}) }
  },
  handle: {
    async add({ item }, ctx) {
      same<string>()(item)
      same<{ items: Array<string> }>()(ctx.state)
      ctx.setState({ items: [...ctx.state.items, item] })
      ctx.schedule("remind", {}, { delay: "1 hour" })
      return { size: ctx.state.items.length }
    },
    async remind(_, ctx) {
      ctx.setState({ items: [] })
    }
  },
  passivateAfter: "1 minute",
  onBusy: "enqueue",
  retry: { attempts: 3 }
})
same<
  AgentDefinition<{
    readonly add: { readonly input: { item: string }; readonly output: { size: number } }
    readonly remind: { readonly input: Record<string, never>; readonly output: unknown }
  }>
>()(cart)

// Without one, what `initial` gives says it.
const counter = defineAgent({
  name: "counter",
  state: { initial: () => 0, version: 2, migrate: (old: string) => Number(old) },
  messages: { add: { input: v.object({ by: v.optional(v.number(), 1) }) }, read: { output: v.number() } },
  handle: {
    add: ({ by }, ctx) => {
      same<number>()(by)
      same<number>()(ctx.state)
      ctx.setState(ctx.state + by)
    },
    read: (_, ctx) => ctx.state
  }
})
same<
  AgentDefinition<{
    readonly add: { readonly input: { by?: number | undefined }; readonly output: unknown }
    readonly read: { readonly input: unknown; readonly output: number }
  }>
>()(counter)
defineAgent({
  name: "keyed",
  state: { initial: (key): ReadonlyArray<string> => [key] },
  messages: { add: { input: z.string() }, all: {} },
  handle: {
    add: (item, ctx) => ctx.setState([...ctx.state, item]),
    all: (_, ctx) => {
      same<ReadonlyArray<string>>()(ctx.state)
      same<string>()(ctx.key)
      return ctx.state
    }
  }
})

// A schema of `effect` decodes what handlers see, and encodes what they give.
const alarm = defineAgent.effect({
  name: "alarm",
  state: { schema: Schema.Struct({ at: Schema.DateFromString }), initial: () => ({ at: new Date(0) }) },
  messages: { set: { input: Schema.Struct({ at: Schema.DateFromString }), output: Schema.DateFromString } },
  handle: {
    set: Effect.fnUntraced(function* ({ at }, ctx) {
      same<Date>()(at)
      const before = ctx.state.at
      ctx.setState({ at })
      yield* ctx.emit("set")
      return before
    })
  }
})
same<
  AgentDefinition<{
    readonly set: { readonly input: { readonly at: string }; readonly output: string }
  }>
>()(alarm)

// The first state and a migrated one fit the schema, and so does what is set; of a state nothing else can be said.
defineAgent({
  name: "wrong.initial",
  // @ts-expect-error: `items` are texts.
  state: { schema: z.object({ items: z.array(z.string()) }), initial: () => ({ items: [1] }) },
  messages: { go: {} },
  handle: { go: () => null }
})
defineAgent({
  name: "wrong.field",
  // @ts-expect-error: that is misspelt.
  state: { initial: () => 0, versoin: 2 },
  messages: { go: {} },
  handle: { go: () => null }
})
defineAgent({
  name: "wrong.migrate",
  state: {
    schema: z.object({ items: z.array(z.string()) }),
    initial: () => ({ items: [] }),
    // @ts-expect-error: `items` are texts.
    migrate: () => ({ items: [1] })
  },
  messages: { go: {} },
  handle: { go: () => null }
})
defineAgent({
  name: "wrong.state",
  state: { schema: z.object({ items: z.array(z.string()) }), initial: () => ({ items: [] }) },
  messages: { go: {} },
  handle: {
    go: (_, ctx) => {
      // @ts-expect-error: `items` are texts.
      ctx.setState({ items: [1] })
      // @ts-expect-error: the state is changed by `setState` alone.
      ctx.state = { items: [] }
    }
  }
})
defineAgent({
  name: "wrong.state",
  state: { initial: () => ({ count: 0 }) },
  messages: { go: {} },
  handle: {
    go: (_, ctx) => {
      // @ts-expect-error: `count` is a number.
      ctx.setState({ count: "1" })
    }
  }
})

// Every message has its handler, and each handler its message, input and output.
defineAgent({
  name: "wrong.handlers",
  state: { initial: () => 0 },
  messages: { add: { input: z.number() }, read: { output: z.number() } },
  handle: {
    // @ts-expect-error: the input is a number.
    add: (by) => by.length,
    // @ts-expect-error: the reply is a number.
    read: () => "none"
  }
})
defineAgent({
  name: "wrong.handlers",
  state: { initial: () => 0 },
  messages: { add: {}, read: {} },
  // @ts-expect-error: `read` has no handler.
  handle: { add: () => null }
})
// @ts-expect-error: it has a state, though it be `null`.
defineAgent({ name: "wrong.state", messages: { go: {} }, handle: { go: () => null } })
defineAgent({
  name: "wrong.options",
  state: { initial: () => 0 },
  messages: { go: {} },
  handle: { go: () => null },
  // @ts-expect-error: there is no such policy.
  onBusy: "drop"
})

// What is said to oneself and to others is what they take, and what they answer is what they give.
defineAgent({
  name: "talks",
  state: { initial: () => 0 },
  messages: { go: { input: z.object({ n: z.number() }) } },
  handle: {
    go: async (_, ctx) => {
      await ctx.tell(cart, "user-7", "add", { item: "tea" }, { delay: "1 minute" })
      same<{ size: number }>()(await ctx.ask(cart, "user-7", "add", { item: "tea" }, { timeout: "1 minute" }))
      same<unknown>()(await ctx.ask("by.name", "user-7", "any", { thing: true }))
      ctx.schedule("go", { n: 1 }, { every: "1 hour", name: "hourly" })
      ctx.unschedule("hourly")
      await ctx.tell(ctx.self.agent, ctx.self.key, "go", { n: 1 })
      // @ts-expect-error: it has no such message.
      await ctx.tell(cart, "user-7", "ad", { item: "tea" })
      // @ts-expect-error: an item is a text.
      await ctx.tell(cart, "user-7", "add", { item: 1 })
      // @ts-expect-error: an item is a text.
      await ctx.ask(cart, "user-7", "add", { item: 1 })
      // @ts-expect-error: it has no such message.
      ctx.schedule("stop", {}, { delay: "1 hour" })
      // @ts-expect-error: `n` is a number.
      ctx.schedule("go", { n: "1" }, { delay: "1 hour" })
      // @ts-expect-error: once, or again and again.
      ctx.schedule("go", { n: 1 }, { delay: "1 hour", every: "1 hour" })
      // @ts-expect-error: it has no such message.
      await ctx.tell(ctx.self.agent, ctx.self.key, "stop", {})
    }
  }
})

// The services of its handlers are those that its layer gives.
class Shop extends Context.Service<Shop, { readonly isOpen: Effect.Effect<boolean> }>()("test/Shop") {
  static readonly layer = Layer.succeed(Shop, { isOpen: Effect.succeed(true) })
}
const isOpen = Effect.flatMap(Shop, (shop) => shop.isOpen)
defineAgent.effect({
  name: "serves",
  layer: Shop.layer,
  state: { initial: () => 0 },
  messages: { ask: { output: Schema.Boolean } },
  handle: {
    ask: Effect.fnUntraced(function* (_, ctx) {
      same<{ size: number }>()(yield* ctx.ask(cart, "user-7", "add", { item: "tea" }))
      // @ts-expect-error: it has no such message.
      yield* ctx.tell(cart, "user-7", "ad", { item: "tea" })
      return yield* isOpen
    })
  }
})
defineAgent.effect({
  name: "wrong.services",
  state: { initial: () => 0 },
  messages: { ask: {} },
  // @ts-expect-error: nobody gives a shop.
  // @effect-diagnostics-next-line missingEffectContext:off
  handle: { ask: () => isOpen }
})

// Its messages are tasks, too, but no task of a handler's is a message.
cart satisfies Parameters<typeof takesAgents>[0]
declare const takesAgents: (agent: AgentDefinition) => void
// @ts-expect-error: that is no agent.
takesAgents(defineTask({ name: "task", run: () => null }))
