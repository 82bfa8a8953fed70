/** What a soak runs: a little of everything that a task may do, over and over. */
import { Schema } from "effect"
import { defineAgent } from "../../../runtime/agent.ts"
import { defineTask } from "../../../runtime/handler.ts"

const Input = Schema.Struct({ number: Schema.Int })

const pause = (millis: number) => Bun.sleep(millis)

export const plain = defineTask({ name: "soak.plain", input: Input, run: ({ number }) => ({ number }) })

export const streamed = defineTask({
  name: "soak.streamed",
  input: Input,
  run: async ({ number }, ctx) => {
    for (let at = 0; at < 20; at++) {
      await ctx.emit(`token ${at} `)
      if (at % 5 === 0) await ctx.progress(at / 20)
      await pause(2)
    }
    return { number: await ctx.step("double", () => number * 2) }
  }
})

export const flaky = defineTask({
  name: "soak.flaky",
  input: Input,
  retry: { attempts: 3, backoff: { base: "50 millis", cap: "200 millis" } },
  run: ({ number }, { attempt }) => {
    if (attempt <= number % 4) throw new Error("not yet")
    return { number }
  }
})

export const parent = defineTask({
  name: "soak.parent",
  input: Input,
  run: async ({ number }, ctx) => {
    const children = [await ctx.submit(plain, { number }), await ctx.submit(plain, { number: number + 1 })]
    await ctx.all(children)
    return { number }
  }
})

export const slow = defineTask({
  name: "soak.slow",
  input: Input,
  run: async (_, { signal }) => {
    for (let at = 0; at < 20 && !signal.aborted; at++) await pause(50)
  }
})

export const limited = defineTask({
  name: "soak.limited",
  input: Input,
  limits: [{ key: "soak", rate: 200, per: "1 second", concurrency: 4 }],
  run: ({ number }) => ({ number })
})

export const counter = defineAgent({
  name: "soak.counter",
  state: { schema: Schema.Int, initial: () => 0 },
  messages: { add: { input: Input, output: Schema.Int } },
  handle: {
    add: ({ number }, ctx) => {
      ctx.setState((ctx.state + number) % 1_000)
      if (number % 10 === 0) ctx.schedule("add", { number: 1 }, { name: "later", delay: "1 second" })
      return ctx.state
    }
  }
})
