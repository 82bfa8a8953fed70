/** Agents that tests talk to, and what they wait for. */
import { z } from "zod"
import { defineAgent } from "../../runtime/agent.ts"
import { defineTask, Fatal } from "../../runtime/handler.ts"

/** A cart whose `hold` lasts until the test lets it go on, or until it is stopped. */
export const aCart = (over: { readonly name?: string; readonly queue?: string } = {}) => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const cart = defineAgent({
    name: "shop.cart",
    ...over,
    state: { schema: z.object({ items: z.array(z.string()) }), version: 3, initial: () => ({ items: [] }) },
    messages: {
      add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
      items: { output: z.array(z.string()) },
      remind: { input: z.object({ hours: z.number() }) },
      speak: { input: z.object({ words: z.array(z.string()) }), output: z.string() },
      hold: {},
      break: {}
    },
    handle: {
      add({ item }, ctx) {
        ctx.setState({ items: [...ctx.state.items, item] })
        return { size: ctx.state.items.length }
      },
      items: (_, ctx) => ctx.state.items,
      remind: ({ hours }, ctx) =>
        void ctx.schedule("add", { item: "reminded" }, { delay: hours * 3_600_000, name: "reminder" }),
      async speak({ words }, ctx) {
        for (const word of words) await ctx.emit(word)
        return words.join(" ")
      },
      hold: (_, ctx) => {
        const { promise: aborted, resolve } = Promise.withResolvers<void>()
        ctx.signal.addEventListener("abort", () => resolve())
        return Promise.race([opened, aborted])
      },
      break() {
        throw new Fatal("the wheel came off", { type: "Broken" })
      }
    }
  })
  return { cart, open }
}

/** A handler that is no agent. */
export const count = defineTask({ name: "shop.count", run: () => 1 })
