/**
 * What the library's types promise: `tsc` reads this file, and nothing runs it. Each line below a
 * `@ts-expect-error` must not compile; were it to, `tsc` would complain of the comment.
 */
import { Context, Effect, Layer, Schema, type Stream } from "effect"
import * as v from "valibot"
import * as z from "zod"
import * as Fx from "../../api/client/effect.ts"
import {
  defineAgent,
  defineTask,
  type FollowEvent,
  type LifecycleNews,
  type Task,
  type Troupe
} from "../../api/client/index.ts"

const zod = defineTask({
  name: "zod",
  input: z.object({ url: z.string(), depth: z.number().default(1) }),
  output: z.object({ pages: z.number() }),
  run: ({ depth }) => ({ pages: depth })
})
const valibot = defineTask({
  name: "valibot",
  input: v.object({ text: v.string() }),
  run: ({ text }) => text.length
})
const effect = defineTask.effect({
  name: "effect",
  input: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
  output: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
  run: ({ at }) => Effect.succeed({ at })
})
const untyped = defineTask({ name: "untyped", run: () => "done" })

/** Compiles only where both types are the same. */
const same =
  <A>() =>
  <B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? B : never): void => {}

export const promises = async (troupe: Troupe): Promise<void> => {
  const task = await troupe.submit(zod, { url: "https://example.org" })
  same<Task<{ pages: number }>>()(task)
  same<{ pages: number }>()(await task.result())
  same<AsyncIterable<FollowEvent>>()(task.events())

  // @ts-expect-error: the input wants a text.
  await troupe.submit(zod, { url: 7 })
  // @ts-expect-error: the input wants a url.
  await troupe.submit(zod, {})
  // @ts-expect-error: the input has no such field.
  await troupe.submit(zod, { url: "https://example.org", deep: 2 })
  // @ts-expect-error: there is no such priority.
  await troupe.submit(zod, { url: "https://example.org" }, { priority: "soon" })
  // @ts-expect-error: that is no duration.
  await troupe.submit(zod, { url: "https://example.org" }, { delay: "soon" })
  // @ts-expect-error: an input is always said.
  await troupe.submit(zod)
  await troupe.submit(
    untyped,
    {},
    { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "a=1" }
  )
  // @ts-expect-error: that is a text.
  await troupe.submit(untyped, {}, { traceparent: 1 })

  same<AsyncIterable<LifecycleNews>>()(troupe.events({ types: ["task.failed"], queues: ["documents"] }))
  // @ts-expect-error: that is nothing which becomes of a task.
  troupe.events({ types: ["task.lost"] })
  // @ts-expect-error: the result has no such field.
  void (await task.result()).page

  same<number>()(await troupe.ask(valibot, { text: "hello" }))
  // @ts-expect-error: the input wants a text.
  await troupe.ask(valibot, { text: 1 })

  // What is submitted is what the schema reads, and what is read is what it writes.
  same<{ readonly at: string }>()(await troupe.ask(effect, { at: "2030-01-01T00:00:00Z" }))
  // @ts-expect-error: a date is submitted as text.
  await troupe.ask(effect, { at: new Date() })

  same<string>()(await troupe.ask(untyped, { anything: true }))
  same<unknown>()(await troupe.ask("a.name", { anything: true }))

  const [first, second] = await troupe.submitAll([
    { task: zod, input: { url: "https://example.org" }, priority: "high" },
    { task: "a.name", input: 1 }
  ])
  if (first.status === "fulfilled") same<{ pages: number }>()(await first.value.result())
  if (second.status === "fulfilled") same<unknown>()(await second.value.result())
  await troupe.submitAll([
    // @ts-expect-error: the input wants a text.
    { task: zod, input: { url: 7 } }
  ])
  const many = await troupe.submitAll(["a", "b"].map((text) => ({ task: valibot, input: { text } })))
  if (many[0]?.status === "fulfilled") same<number>()(await many[0].value.result())
}

export const effects = Effect.gen(function* () {
  const troupe = yield* Fx.Troupe
  const task = yield* troupe.submit(zod, { url: "https://example.org" })
  same<{ pages: number }>()(yield* task.result())
  same<Stream.Stream<FollowEvent, Fx.EventError>>()(task.events())
  // @ts-expect-error: the input wants a text.
  yield* troupe.submit(zod, { url: 7 })
  same<number>()(yield* troupe.ask(valibot, { text: "hello" }))
  // @ts-expect-error: the input wants a text.
  yield* troupe.ask(valibot, { text: 1 })
})

const cart = defineAgent({
  name: "cart",
  state: { schema: z.object({ items: z.array(z.string()) }), initial: () => ({ items: [] }) },
  messages: {
    add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
    clear: {}
  },
  handle: { add: (_, ctx) => ({ size: ctx.state.items.length }), clear: () => null }
})

export const agents = async (troupe: Troupe): Promise<void> => {
  const mine = troupe.agent(cart, "user-7")
  same<{ size: number }>()(await mine.ask("add", { item: "tea" }, { timeout: "1 minute" }))
  const told = await mine.tell(
    "add",
    { item: "tea" },
    { delay: "1 hour", dedupe: "order-1", priority: "high" }
  )
  same<Task<{ size: number }>>()(told)
  same<unknown>()(await mine.ask("clear", {}))
  // @ts-expect-error: there is no such message.
  await mine.ask("ad", { item: "tea" })
  // @ts-expect-error: an item is a text.
  await mine.ask("add", { item: 1 })
  // @ts-expect-error: the input has no such field.
  await mine.tell("add", { item: "tea", amount: 2 })
  // @ts-expect-error: an input is always said.
  await mine.tell("add")
  // @ts-expect-error: an agent has one queue.
  await mine.tell("add", { item: "tea" }, { queue: "other" })
  // @ts-expect-error: that is no duration.
  await mine.ask("add", { item: "tea" }, { timeout: "soon" })
  // @ts-expect-error: a task is no agent.
  troupe.agent(zod, "user-7")

  same<unknown>()(await troupe.agent("by.name", "user-7").ask("any", { thing: true }))
  // @ts-expect-error: nothing stands so.
  await troupe.agents.list({ status: "asleep" })
}

export const agentsInEffects = Effect.gen(function* () {
  const mine = (yield* Fx.Troupe).agent(cart, "user-7")
  same<{ size: number }>()(yield* mine.ask("add", { item: "tea" }))
  same<{ size: number }>()(yield* (yield* mine.tell("add", { item: "tea" })).result())
  // @ts-expect-error: there is no such message.
  yield* mine.tell("ad", { item: "tea" })
})

const fetchPage = defineTask({
  name: "fetch",
  input: z.object({ url: z.string() }),
  run: ({ url }) => ({ page: url })
})
const summarize = defineTask({
  name: "summarize",
  input: z.object({ page: z.string() }),
  run: ({ page }) => page.length
})
const join = defineTask({
  name: "join",
  input: z.array(z.number()),
  run: (all) => all.map(String)
})
const page = { task: fetchPage, input: { url: "https://example.org" } }

// A link of a chain takes what the one before it gives, however many there are.
defineTask({
  name: "chains",
  async run(_, { chain }) {
    same<number>()(await chain([page, summarize]))
    same<number>()(await chain([page, (fetched) => ({ task: summarize, input: fetched, priority: "high" })]))
    same<ReadonlyArray<string>>()(
      (await chain([page, summarize, (n) => ({ task: join, input: [n] })])) as ReadonlyArray<string>
    )
    const long = await chain([
      page,
      ({ page }) => ({ task: fetchPage, input: { url: page } }),
      summarize,
      (length) => ({ task: fetchPage, input: { url: length.toFixed() } }),
      untyped,
      (text) => ({ task: fetchPage, input: { url: text } }),
      summarize,
      (length) => ({ task: join, input: [length] })
    ])
    same<Array<string>>()(long)
    // Nobody knows what a name gives: whoever goes on with it has to.
    same<number>()(await chain([page, "a.name", summarize]))
    same<unknown>()(await chain([page, "a.name"]))
    // Nor how many there are.
    same<unknown>()(
      await chain([page, ...["one.name", "another.name"], (n: number) => ({ task: join, input: [n] })])
    )

    // @ts-expect-error: a url is a text.
    await chain([{ task: fetchPage, input: { url: 5 } }, summarize])
    // @ts-expect-error: a page is no list.
    await chain([page, join])
    // @ts-expect-error: nor is it further on.
    await chain([page, summarize, join])
    // @ts-expect-error: what was fetched has no length.
    await chain([page, (fetched) => ({ task: join, input: [fetched.length] })])
    // @ts-expect-error: a page is a text.
    await chain([page, () => ({ task: summarize, input: { page: 5 } })])
    // @ts-expect-error: and stays one.
    await chain([page, summarize, (n) => ({ task: summarize, input: { page: n } })])
    // @ts-expect-error: something has to be first.
    await chain([])
  }
})
defineTask({
  name: "chords",
  async run(_, { chord }) {
    const length = { task: summarize, input: { page: "of a book" } }
    same<Array<string>>()(await chord([length, length], join))
    same<Array<string>>()(
      await chord(
        ["a", "b"].map((page) => ({ task: summarize, input: { page } })),
        join
      )
    )
    same<number>()(
      await chord([page, length], ([{ page }, length]) => ({
        task: summarize,
        input: { page: page + length }
      }))
    )

    // @ts-expect-error: a page is a text.
    await chord([{ task: summarize, input: { page: 5 } }], join)
    // @ts-expect-error: pages are no numbers.
    await chord([page, page], join)
    // @ts-expect-error: a list is no page.
    await chord([page], summarize)
    // @ts-expect-error: a page is a text.
    await chord([page], () => ({ task: summarize, input: { page: 5 } }))
  }
})

class Model extends Context.Service<Model, { readonly ask: (text: string) => Effect.Effect<string> }>()(
  "test/Model"
) {}
const model = Layer.succeed(Model, { ask: Effect.succeed })
const ask = Effect.flatMap(Model, ({ ask }) => ask("hello"))

defineTask.effect({
  name: "children in effects",
  run: Effect.fn(function* () {
    const { chain, chord } = yield* Fx.CurrentTask
    same<number>()(yield* chain([page, summarize]))
    // @ts-expect-error: a page is no list.
    yield* chain([page, join])
    // @ts-expect-error: a list is no page.
    yield* chord([page], summarize)
  })
})

// A run in effects that asks for services has a layer of them.
defineTask.effect({ name: "served", layer: model, run: () => Effect.andThen(Fx.CurrentTask, ask) })
defineTask.effect({ name: "serves itself", run: () => Effect.provide(ask, model) })
// @ts-expect-error: nobody gives it the model.
defineTask.effect({ name: "unserved", run: () => ask })
// @ts-expect-error: nor beside the task.
defineTask.effect({ name: "unserved", run: () => Effect.andThen(Fx.CurrentTask, ask) })
