/** Troupe, through the library that its users import. */
import { connect, defineTask } from "troupe"
import { partitionKeys } from "../../runtime/keys.ts"
import { partitionOf } from "../../runtime/task.ts"
import type { System } from "./system.ts"

const noop = defineTask({ name: "noop", run: async () => 1 })

const keys = partitionKeys("troupe", partitionOf("default"))

export const troupe: System = {
  name: "troupe",
  share: 1,

  connect: async (redisUrl) => {
    const client = await connect({ redisUrl, handlers: [noop] })
    return {
      submit: (input) => client.submit(noop, input),
      submitAll: (inputs) => client.submitAll(inputs.map((input) => ({ task: noop, input }))),
      ask: (input) => client.ask(noop, input),
      work: async (concurrency) => {
        const work = await client.work({ queues: { default: concurrency } })
        return work.stop
      }
    }
  },

  // The hash counts the living tasks of each segment, and has no field for one without.
  unended: (redis) => redis.hlen(keys.live),

  kept: async (redis) => {
    let count = 0
    for await (const names of redis.scanStream({ match: `${keys.base}task:*`, count: 1_000 })) {
      for (const name of names as Array<string>) count += await redis.hlen(name)
    }
    return count
  }
}
