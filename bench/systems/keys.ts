/**
 * A response key for each task: the worker pushes the result to `response:<task>`, on which its dispatcher blocks. A
 * blocked connection serves nothing else, so there are as many as asks in flight, kept for the next ones. A key that
 * nobody pops goes after a minute.
 */
import type { Redis } from "ioredis"
import { blockSeconds, clientOf, open, queue, repliesOn } from "./plain-queue.ts"
import type { System } from "./system.ts"

const keptSeconds = 60

const responseKey = (id: string) => `response:${id}`

export const keys: System = {
  name: "keys",
  share: 1,
  repliesOn,

  connect: async (url) => {
    const idle: Array<Redis> = []
    const wait = async (id: string) => {
      const redis = idle.pop() ?? open(url, repliesOn)
      let popped: [string, string] | null = null
      while (popped === null) popped = await redis.brpop(responseKey(id), blockSeconds)
      idle.push(redis)
      return JSON.parse(popped[1]) as unknown
    }
    return clientOf(url, {
      to: crypto.randomUUID(),
      wait,
      reply: (redis, { id }, output) =>
        Promise.all([redis.lpush(responseKey(id), output), redis.expire(responseKey(id), keptSeconds)])
    })
  },

  unended: (redis) => redis.llen(queue),
  kept: async () => 0
}
