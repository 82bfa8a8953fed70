import { defineAgent } from "troupe"
import { z } from "zod"

export const cart = defineAgent({
  name: "shop.cart",
  state: { schema: z.object({ items: z.array(z.string()) }), version: 1, initial: () => ({ items: [] }) },
  messages: {
    add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
    remind: { input: z.object({}) }
  },
  handle: {
    async add({ item }, ctx) {
      ctx.setState({ items: [...ctx.state.items, item] })
      ctx.schedule("remind", {}, { delay: "1 hour", name: "reminder" })
      return { size: ctx.state.items.length }
    },
    async remind(_, ctx) {
      await ctx.log(`${ctx.key} still has ${ctx.state.items.join(", ")}`)
    }
  }
})
