/**
 * What the reply patterns share: a list of tasks, a worker that pops them in batches, and commands that are pipelined by
 * themselves. Nothing of a task is kept while it runs: one whose worker dies is lost.
 */
import { Redis } from "ioredis"
import { type Client, type Input, outputOf } from "./system.ts"
import { addressOf } from "./address.ts"

export const queue = "queue"

/** A task as it lies in the list; `to` says where its reply goes, and is empty when nobody waits for it. */
export interface Task {
  readonly id: string
  readonly to: string
  readonly input: Input
}

/** Sends what a task gave, as JSON. */
export type Reply = (redis: Redis, task: Task, output: string) => Promise<unknown>

/** The name of the connections on which replies come. */
export const repliesOn = "bench-replies"

/** How long a blocking command waits, in seconds: then it is sent again. */
export const blockSeconds = 5

/** How many replies, or tasks, are taken in one go. */
export const batchMax = 100

/** A connection with the client's defaults: one that was cut is made again, and what had no answer is sent again. */
export const open = (url: string, connectionName = "bench") => {
  const redis = new Redis({ ...addressOf(url), connectionName, enableAutoPipelining: true })
  // A listener keeps the client from printing.
  return redis.on("error", () => {})
}

/** Pops and runs tasks, `concurrency` at a time, until the function it gives is called. */
const startWork = (url: string, concurrency: number, reply: Reply) => {
  const listener = open(url)
  const redis = open(url)
  const running = new Set<Promise<unknown>>()
  let isStopped = false

  const run = async (task: Task) => {
    const output = JSON.stringify(await outputOf(task.input))
    if (task.to !== "") await reply(redis, task, output)
  }
  const loop = async () => {
    while (!isStopped) {
      if (running.size >= concurrency) await Promise.race(running)
      const most = Math.min(batchMax, concurrency - running.size)
      const popped = await listener.blmpop(1, 1, queue, "LEFT", "COUNT", most)
      for (const text of popped?.[1] ?? []) {
        const one = run(JSON.parse(text) as Task)
        running.add(one)
        void one.finally(() => running.delete(one))
      }
    }
  }
  const ended = loop()
  return async () => {
    isStopped = true
    await ended
    await Promise.all(running)
    listener.disconnect()
    redis.disconnect()
  }
}

/** A client of the list: `wait` is how the reply to a task comes back, `reply` how its worker sends it. */
export const clientOf = (
  url: string,
  pattern: {
    readonly to: string
    readonly wait: (id: string) => Promise<unknown>
    readonly reply: Reply
  }
): Client => {
  const redis = open(url)
  let last = 0
  const texts = (inputs: ReadonlyArray<Input>) =>
    inputs.map((input) => JSON.stringify({ id: "", to: "", input } satisfies Task))
  return {
    submit: (input) => redis.rpush(queue, ...texts([input])),
    submitAll: (inputs) => redis.rpush(queue, ...texts(inputs)),
    ask: async (input) => {
      const id = `${pattern.to}:${++last}`
      const answer = pattern.wait(id)
      await redis.rpush(queue, JSON.stringify({ id, to: pattern.to, input } satisfies Task))
      return answer
    },
    work: async (concurrency) => startWork(url, concurrency, pattern.reply)
  }
}

/** Who waits for what in this process: `tell` gives an answer to whoever waits for it. */
export const waiters = () => {
  const waiting = new Map<string, (output: unknown) => void>()
  return {
    wait: (id: string) => {
      const { promise, resolve } = Promise.withResolvers<unknown>()
      waiting.set(id, resolve)
      return promise
    },
    tell: (id: string, output: string) => {
      waiting.get(id)?.(JSON.parse(output))
      waiting.delete(id)
    },
    ids: () => [...waiting.keys()]
  }
}

/** A reply on its way, with what it belongs to. */
export const addressed = (id: string, output: string) => `${id} ${output}`

export const readAddressed = (text: string): readonly [id: string, output: string] => {
  const blank = text.indexOf(" ")
  return [text.slice(0, blank), text.slice(blank + 1)]
}
