/** Pub/sub: the worker publishes the result with the id of its task, on a channel of the dispatcher's own. */
import { addressed, clientOf, open, queue, readAddressed, repliesOn, waiters } from "./plain-queue.ts"
import type { System } from "./system.ts"

export const pubsub: System = {
  name: "pubsub",
  share: 1,
  repliesOn,

  connect: async (url) => {
    const to = crypto.randomUUID()
    const { tell, wait } = waiters()
    const channel = (dispatcher: string) => `response:dispatcher:${dispatcher}`
    const listener = open(url, repliesOn)
    listener.on("message", (_: string, text: string) => tell(...readAddressed(text)))
    await listener.subscribe(channel(to))
    return clientOf(url, {
      to,
      wait,
      reply: (redis, task, output) => redis.publish(channel(task.to), addressed(task.id, output))
    })
  },

  unended: (redis) => redis.llen(queue),
  kept: async () => 0
}
