/**
 * A response queue for each dispatcher: the worker pushes the result with the id of its task to the list of the
 * dispatcher, which pops them in batches on one connection.
 */
import {
  addressed,
  batchMax,
  blockSeconds,
  clientOf,
  open,
  queue,
  readAddressed,
  repliesOn,
  waiters
} from "./plain-queue.ts"
import type { System } from "./system.ts"

const listOf = (dispatcher: string) => `responses:${dispatcher}`

export const shared: System = {
  name: "shared",
  share: 1,
  repliesOn,

  connect: async (url) => {
    const to = crypto.randomUUID()
    const { tell, wait } = waiters()
    const listener = open(url, repliesOn)
    const listen = async () => {
      while (true) {
        const popped = await listener.blmpop(blockSeconds, 1, listOf(to), "LEFT", "COUNT", batchMax)
        for (const text of popped?.[1] ?? []) tell(...readAddressed(text))
      }
    }
    void listen()
    return clientOf(url, {
      to,
      wait,
      reply: (redis, task, output) => redis.rpush(listOf(task.to), addressed(task.id, output))
    })
  },

  unended: (redis) => redis.llen(queue),
  kept: async () => 0
}
