/** Troupe, through the library that its users import. */
import { connect, defineTask, type SubmitOptions } from "troupe"
import { defineAgent } from "../../runtime/agent.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { lanes, partitionOf } from "../../runtime/task.ts"
import type { Mix } from "../processes.ts"
import { farDelayMs, type Input, mixDelayMs, mixLimit, outputOf, type System } from "./system.ts"

const noop = defineTask({
  name: "noop",
  retry: { attempts: 3, backoff: { fixed: 0 } },
  run: (input, { attempt, emit }) => outputOf(input as Input, { attempt, emit })
})

const limited = defineTask({
  name: "limited",
  limits: [{ key: "bench", rate: mixLimit.count, per: mixLimit.perMs }],
  run: async () => 1
})

/** Counts its messages. */
const counter = defineAgent({
  name: "counter",
  state: { initial: () => 0 },
  messages: { add: {} },
  handle: {
    add: (_, ctx) => {
      ctx.setState(ctx.state + 1)
      return ctx.state
    }
  }
})

const messageOf = (input: Input) => ({ message: "add", input })
const agentOf = ({ agent }: Input) => `a${agent}`

const keys = 100

const optionsOf = (mix: Mix | undefined, i: number): SubmitOptions => {
  switch (mix) {
    case "prioritised":
      return { priority: lanes[i % lanes.length]! }
    case "delayed":
      return { delay: mixDelayMs }
    case "far":
      return { delay: farDelayMs }
    case "keyed":
      return { key: `k${i % keys}` }
    case "limited":
    case "agents":
    case undefined:
      return {}
  }
}

const partition = partitionKeys("troupe", partitionOf("default"))

export const troupe: System = {
  name: "troupe",
  share: 1,
  repliesOn: "troupe-inbox",

  connect: async (redisUrl) => {
    const client = await connect({ redisUrl, handlers: [noop, limited, counter] })
    return {
      submit: (input) => client.submit(noop, input),
      submitAll: (inputs, mix) => {
        if (mix === "agents") {
          return client.submitAll(
            inputs.map((input) => ({ task: counter, input: messageOf(input), key: agentOf(input) }))
          )
        }
        const task = mix === "limited" ? limited : noop
        return client.submitAll(inputs.map((input) => ({ task, input, ...optionsOf(mix, input.i) })))
      },
      ask: (input) => client.ask(noop, input),
      askAgent: (input) => client.ask(counter, messageOf(input), { key: agentOf(input) }),
      askLater: (input, delay) => client.ask(noop, input, { delay }),
      schedule: (i, every, firstAt) =>
        client.schedules.create(
          noop,
          { i, text: "" },
          { every, ...(firstAt !== undefined && { startAt: new Date(firstAt) }) }
        ),
      work: async (concurrency) => {
        const work = await client.work({ queues: { default: concurrency } })
        return work.stop
      }
    }
  },

  unended: async (redis) => Number(await redis.hget(partition.control, "living")),

  kept: async (redis) => {
    let count = 0
    for await (const names of redis.scanStream({ match: `${partition.base}task:*`, count: 1_000 })) {
      for (const name of names as Array<string>) count += await redis.hlen(name)
    }
    return count
  }
}
