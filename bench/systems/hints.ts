/**
 * Troupe's way to reply, on the plain queue of the others: the result is written where it is kept, and a hint goes to the
 * one channel of the dispatcher, with a small result in it. What is waited for is read again every two seconds.
 */
import { addressed, clientOf, open, queue, readAddressed, repliesOn, waiters } from "./plain-queue.ts"
import type { System } from "./system.ts"

const keptSeconds = 60
const rereadMs = 2_000

/** A larger result does not come along: it is read. */
const hintMax = 4_096

const results = "results"
const channelOf = (dispatcher: string) => `reply:${dispatcher}`

export const hints: System = {
  name: "hints",
  share: 1,
  repliesOn,

  connect: async (url) => {
    const to = crypto.randomUUID()
    const { ids, tell, wait } = waiters()
    const redis = open(url)
    const listener = open(url, repliesOn)
    const read = async (some: ReadonlyArray<string>) => {
      if (some.length === 0) return
      const found = await redis.hmget(results, ...some)
      for (const [at, output] of found.entries()) if (output !== null) tell(some[at]!, output)
    }
    listener.on("message", (_: string, text: string) => {
      const [id, output] = readAddressed(text)
      if (output === "") void read([id])
      else tell(id, output)
    })
    await listener.subscribe(channelOf(to))
    setInterval(() => void read(ids()), rereadMs)
    let expiresAt = 0
    return clientOf(url, {
      to,
      wait,
      reply: (redis, task, output) => {
        const writing = redis.hset(results, task.id, output)
        const hinting = redis.publish(
          channelOf(task.to),
          addressed(task.id, output.length > hintMax ? "" : output)
        )
        const isDue = Date.now() >= expiresAt
        if (isDue) expiresAt = Date.now() + (keptSeconds * 1_000) / 2
        return Promise.all([writing, hinting, ...(isDue ? [redis.expire(results, keptSeconds)] : [])])
      }
    })
  },

  unended: (redis) => redis.llen(queue),
  kept: (redis) => redis.hlen(results)
}
