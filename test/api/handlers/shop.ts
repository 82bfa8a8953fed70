/** Handlers of the command line's tests: both the program and the worker in the test load this module. */
import * as z from "zod"
import { defineAgent, defineTask, Fatal } from "../../../api/client/index.ts"

export const add = defineTask({
  name: "shop.add",
  input: z.object({ a: z.number(), b: z.number() }),
  run: ({ a, b }) => ({ sum: a + b })
})

export const speak = defineTask({
  name: "shop.speak",
  input: z.object({ chunks: z.array(z.unknown()) }),
  async run({ chunks }, { emit, log, progress }) {
    await log("it speaks")
    for (const [at, chunk] of chunks.entries()) {
      await emit(chunk)
      await progress((at + 1) / chunks.length)
    }
    return "spoken\n"
  }
})

export const refuse = defineTask({
  name: "shop.refuse",
  async run(_, { emit }) {
    await emit("one moment")
    throw new Fatal("it is closed", { type: "ShopClosed" })
  }
})

/** Puts out a line again and again, until it is stopped. */
export const chatter = defineTask({
  name: "shop.chatter",
  async run(_, { emit, signal }) {
    while (!signal.aborted) {
      await emit("more\n")
      await Bun.sleep(10)
    }
  }
})

/** Waits for a child, so that it runs twice; no run of it fails. */
export const parent = defineTask({
  name: "shop.parent",
  async run(_, ctx) {
    await ctx.emit("what will be? ")
    const child = await ctx.submit(add, { a: 1, b: 2 })
    const [{ sum }] = await ctx.all([child])
    await ctx.emit(`${sum}\n`)
  }
})

/** Takes items until it is closed. */
export const cart = defineAgent({
  name: "shop.cart",
  state: { initial: (): ReadonlyArray<string> => [] },
  messages: {
    add: { input: z.object({ item: z.string() }), output: z.object({ size: z.number() }) },
    close: {}
  },
  handle: {
    add({ item }, ctx) {
      ctx.setState([...ctx.state, item])
      return { size: ctx.state.length }
    },
    close() {
      throw new Fatal("it is closed", { type: "ShopClosed" })
    }
  }
})

/** Takes so many steps, and says after each how far it has come. */
export const walk = defineTask({
  name: "shop.walk",
  input: z.int(),
  async run(steps, { progress }) {
    for (let step = 1; step <= steps; step++) {
      await progress(step / (steps + 1), `step ${step}`)
      await Bun.sleep(300)
    }
    return "walked"
  }
})
