/** A cart for each user: an agent, its state, and a timer that reminds of what was left in it. */
import { expect, test } from "bun:test"
import { defineAgent } from "troupe"
import { testTroupe } from "troupe/testing"
import { z } from "zod"

const sent: Array<string> = []

const cart = defineAgent({
  name: "shop.cart",
  state: { schema: z.object({ items: z.array(z.string()) }), initial: () => ({ items: [] }) },
  messages: {
    add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
    remind: { input: z.object({}) },
    pay: { output: z.array(z.string()) }
  },
  handle: {
    async add({ item }, ctx) {
      ctx.setState({ items: [...ctx.state.items, item] })
      // One reminder, a day after the last item.
      ctx.schedule("remind", {}, { delay: "1 day", name: "reminder" })
      return { size: ctx.state.items.length }
    },
    async remind(_, ctx) {
      sent.push(`${ctx.key}: ${ctx.state.items.join(", ")}`)
    },
    async pay(_, ctx) {
      const { items } = ctx.state
      ctx.unschedule("reminder")
      ctx.setState({ items: [] })
      return items
    }
  }
})

test("a cart reminds its user once, a day after the last item", async () => {
  await using troupe = await testTroupe({ handlers: [cart] })
  sent.length = 0
  const ada = troupe.agent(cart, "ada")

  expect(await ada.ask("add", { item: "tea" })).toEqual({ size: 1 })
  await troupe.advance("20 hours")
  expect(await ada.ask("add", { item: "milk" })).toEqual({ size: 2 })
  await troupe.advance("23 hours")
  expect(sent).toEqual([])

  await troupe.advance("1 hour")
  expect(sent).toEqual(["ada: tea, milk"])
  expect(troupe.runs(cart).map(({ message }) => message)).toEqual(["add", "add", "remind"])
})

test("nobody is reminded of what was paid", async () => {
  await using troupe = await testTroupe({ handlers: [cart] })
  sent.length = 0
  const grace = troupe.agent(cart, "grace")

  await grace.ask("add", { item: "tea" })
  expect(await grace.ask("pay", {})).toEqual(["tea"])
  await troupe.advance("30 days")

  expect(sent).toEqual([])
  expect((await grace.read()).state).toEqual({ items: [] })
})
