/** Agents in the hands of a program, in promises and in effects; their workers are real. */
import { describe, expect, test } from "bun:test"
import { Effect, Stream } from "effect"
import { z } from "zod"
import * as Fx from "../../api/client/effect.ts"
import {
  AgentNotFound,
  AgentQuarantined,
  AskTimeout,
  type ConnectOptions,
  connect,
  defineAgent,
  SubmitRefused,
  TaskFailed,
  UnknownAgent
} from "../../api/client/index.ts"
import { testTroupe } from "../../api/testing/index.ts"
import { aCart } from "../support/carts.ts"
import { it } from "../support/effect.ts"
import { aNamespace, redisUrl } from "../support/redis.ts"
import { rejection } from "../support/rejection.ts"

/** Asks a cart for a size, and itself is asked. */
const shopper = defineAgent({
  name: "shop.shopper",
  state: { initial: () => 0 },
  messages: { buy: { input: z.object({ item: z.string(), cart: z.string() }), output: z.number() } },
  handle: {
    async buy({ cart, item }, ctx) {
      const { size } = (await ctx.ask("shop.cart", cart, "add", { item })) as { size: number }
      ctx.setState(ctx.state + 1)
      return size
    }
  }
})

const stores = {
  memory: (): ConnectOptions => ({ store: "memory", settings: { log: "Warn" } }),
  Redis: (): ConnectOptions => ({ redisUrl, namespace: aNamespace(), settings: { log: "Warn" } })
}

for (const [name, place] of Object.entries(stores)) {
  describe(`a program's agents on ${name}`, () => {
    const system = async () => {
      const { cart, open } = aCart()
      const troupe = await connect({ ...place(), handlers: [cart, shopper], work: true })
      return { cart, open, troupe, [Symbol.asyncDispose]: troupe.close }
    }

    test("reply to what they are asked, and keep what they were told", async () => {
      await using system_ = await system()
      const { cart, troupe } = system_
      const mine = troupe.agent(cart, "user-7")

      expect(await mine.ask("add", { item: "tea" })).toEqual({ size: 1 })
      const told = await mine.tell("add", { item: "milk" }, { dedupe: "order-1", tags: ["shop"] })
      const again = await mine.tell("add", { item: "milk" }, { dedupe: "order-1", tags: ["shop"] })

      expect(again).toMatchObject({ id: told.id, existing: true })
      expect(await told.result()).toEqual({ size: 2 })
      expect(await troupe.task(told.id)).toMatchObject({ name: "shop.cart", key: "user-7", tags: ["shop"] })
      expect(await mine.read()).toMatchObject({ status: "idle", state: { items: ["tea", "milk"] } })
      expect((await troupe.agents.list({ name: "shop.cart" })).agents).toMatchObject([{ key: "user-7" }])
    })

    test("are known by their names alone", async () => {
      await using system_ = await system()
      expect(await system_.troupe.agent("shop.cart", "user-7").ask("add", { item: "tea" })).toEqual({
        size: 1
      })
    })

    test("need not be announced where their definition is at hand", async () => {
      await using troupe = await connect({ ...place(), handlers: [shopper], work: true })
      const { cart } = aCart()
      expect(await rejection(troupe.agent("shop.cart", "user-7").read())).toBeInstanceOf(UnknownAgent)
      expect(await troupe.agent(cart, "user-7").ask("add", { item: "tea" })).toEqual({ size: 1 })
    })

    test("ask each other", async () => {
      await using system_ = await system()
      const { troupe } = system_
      expect(await troupe.agent(shopper, "ada").ask("buy", { item: "tea", cart: "user-7" })).toBe(1)
      expect(await troupe.agent("shop.cart", "user-7").read()).toMatchObject({ state: { items: ["tea"] } })
      expect(await troupe.agent(shopper, "ada").read()).toMatchObject({ state: 1 })
    })

    test("put out what they say while they answer", async () => {
      await using system_ = await system()
      const { cart, troupe } = system_
      const answer = await troupe.agent(cart, "user-7").tell("speak", { words: ["good", "morning"] })

      const chunks: Array<unknown> = []
      for await (const event of answer.events()) if (event.type === "chunk") chunks.push(event.chunk)

      expect(chunks).toEqual(["good", "morning"])
      expect(await answer.result()).toBe("good morning")
    })

    test("may be late, and then still answer", async () => {
      await using system_ = await system()
      const { cart, open, troupe } = system_
      const mine = troupe.agent(cart, "user-7")

      const late = await rejection(mine.ask("hold", {}, { timeout: "20 millis" }))
      expect(late).toBeInstanceOf(AskTimeout)
      expect(late).toMatchObject({ message: "shop.cart/user-7 gave no answer within 20 ms" })
      open()
      expect(await mine.ask("items", {})).toEqual([])
    })

    test("are in quarantine after a failure, until they are resumed or reset; and end when they are stopped", async () => {
      await using system_ = await system()
      const { cart, troupe } = system_
      const mine = troupe.agent(cart, "user-7")
      await mine.ask("add", { item: "tea" })

      expect(await rejection(mine.ask("break", {}))).toBeInstanceOf(TaskFailed)
      expect(await rejection(mine.tell("items", {}))).toBeInstanceOf(AgentQuarantined)
      expect((await mine.resume()).status).toBe("idle")
      expect(await mine.ask("items", {})).toEqual(["tea"])
      await rejection(mine.ask("break", {}))
      expect(await mine.reset()).toMatchObject({ status: "idle", state: null })

      const held = await mine.tell("hold", {})
      expect(await mine.stop("closed")).toBe(1)
      expect(await rejection(held.result())).toMatchObject({
        state: "cancelled",
        error: { message: "closed" }
      })
      expect(await rejection(mine.read())).toBeInstanceOf(AgentNotFound)
    })

    test("are refused what does not fit", async () => {
      await using system_ = await system()
      const { cart, troupe } = system_
      const mine = troupe.agent(cart, "user-7")

      expect(await rejection(mine.ask("add", { item: 3 as never }))).toMatchObject({
        _tag: "SubmitRefused",
        faults: [{ path: "/input/item" }]
      })
      expect(await rejection(mine.tell("items", {}, { delay: "soon" as never }))).toBeInstanceOf(
        SubmitRefused
      )
      expect(await rejection(troupe.agent("shop.card", "user-7").read())).toBeInstanceOf(UnknownAgent)
    })

    it.live("are the same in effects", () =>
      Effect.gen(function* () {
        const troupe = yield* Fx.Troupe
        const { cart } = aCart()
        const mine = troupe.agent(cart, "user-7")

        expect(yield* mine.ask("add", { item: "tea" })).toEqual({ size: 1 })
        const answer = yield* mine.tell("speak", { words: ["hello"] })
        const events = yield* Stream.runCollect(answer.events())
        expect(events.filter(({ type }) => type === "chunk")).toMatchObject([{ chunk: "hello" }])
        expect(yield* mine.read).toMatchObject({ state: { items: ["tea"] } })
        expect(yield* Effect.flip(mine.ask("break", {}))).toMatchObject({ _tag: "TaskFailed" })
        expect((yield* mine.resume).failures).toBe(0)
        expect(yield* mine.stop()).toBe(0)
        expect(yield* Effect.flip(mine.read)).toMatchObject({ _tag: "AgentNotFound" })
      }).pipe(Effect.provide(Fx.Troupe.layer({ ...place(), handlers: [aCart().cart], work: true })))
    )
  })
}

describe("an agent under test", () => {
  test("is sent messages by a schedule, each at its slot", async () => {
    const { cart } = aCart()
    await using troupe = await testTroupe({ handlers: [cart] })
    const message = { message: "add", input: { item: "milk" } }
    await troupe.schedules.create(cart, message, { every: "1 day", key: "user-7" })

    await troupe.advance("3 days")

    expect((await troupe.agent(cart, "user-7").read()).state).toEqual({ items: ["milk", "milk", "milk"] })
    expect(troupe.runs(cart)).toMatchObject([
      { message: "add", input: { item: "milk" }, ended: "returned", output: { size: 1 } },
      { output: { size: 2 } },
      { output: { size: 3 } }
    ])
  })

  test("is sent the messages of a timer once in its interval, however long they take", async () => {
    const clock = defineAgent.effect({
      name: "clock",
      state: { initial: () => 0 },
      messages: { begin: {}, tick: {} },
      handle: {
        begin: (_, ctx) =>
          Effect.andThen(
            Effect.sync(() => ctx.schedule("tick", {}, { every: "1 minute", name: "tick" })),
            Effect.sleep("20 seconds")
          ),
        tick: (_, ctx) => {
          ctx.setState(ctx.state + 1)
          return Effect.sleep(ctx.state % 2 === 0 ? "0 seconds" : "10 seconds")
        }
      }
    })
    await using troupe = await testTroupe({ handlers: [clock] })
    const agent = troupe.agent(clock, "a")
    await agent.tell("begin", {})

    await troupe.advance("630 seconds")

    expect((await agent.read()).state).toBe(10)
  })

  test("has passed on what its handlers threw", async () => {
    const { cart } = aCart()
    await using troupe = await testTroupe({ handlers: [cart] })
    const told = await troupe.agent(cart, "user-7").tell("break", {}, { delay: "1 hour" })

    await troupe.advance("1 hour")

    expect(await told.state()).toBe("failed")
    expect(troupe.runs(cart)).toMatchObject([{ message: "break", ended: "threw" }])
    expect((await troupe.agents.list({ status: "quarantined" })).agents).toMatchObject([{ key: "user-7" }])
  })
})
