/**
 * BullMQ, set up as its documentation says for speed: bulk submits, one worker with a high concurrency, its own
 * connections, defaults otherwise. Results are kept, as they are by default.
 */
import { type Job, Queue, QueueEvents, Worker } from "bullmq"
import type { Mix } from "../processes.ts"
import { farDelayMs, type Input, mixDelayMs, mixLimit, outputOf, type System } from "./system.ts"
import { addressOf } from "./address.ts"

const name = "bench"
const key = (part: string) => `bull:${name}:${part}`

const job = "noop"

const run = (job: Job<Input>) =>
  outputOf(job.data, { attempt: job.attemptsMade + 1, emit: (word) => job.updateProgress(word) })

/** Its groups, the nearest it has to keys, are part of BullMQ Pro. */
const optionsOf = (mix: Mix | undefined, { failures, i }: Input) => {
  if (failures !== undefined) return { attempts: failures + 1 }
  if (mix === "prioritised") return { priority: 1 + (i % 4) }
  if (mix === "far") return { delay: farDelayMs }
  return mix === "delayed" ? { delay: mixDelayMs } : {}
}

export const bullmq: System = {
  name: "bullmq",
  share: 0.1,

  connect: async (url) => {
    const connection = addressOf(url)
    const queue = new Queue(name, { connection })
    // Every job that is waited for listens to both, and Node warns of the eleventh.
    queue.setMaxListeners(0)
    await queue.waitUntilReady()

    // Opened by the first ask: it reads a stream of every event, which nobody who only submits needs to pay for.
    let listening: Promise<QueueEvents> | undefined
    const listen = async () => {
      const events = new QueueEvents(name, { connection })
      events.setMaxListeners(0)
      await events.waitUntilReady()
      return events
    }

    const ask = async (data: unknown, options: { readonly delay?: number } = {}) => {
      const events = await (listening ??= listen())
      const submitted = await queue.add(job, data, options)
      return submitted.waitUntilFinished(events)
    }

    return {
      submit: (data) => queue.add(job, data),
      submitAll: (inputs, mix) =>
        queue.addBulk(inputs.map((data) => ({ name: job, data, opts: optionsOf(mix, data) }))),
      ask: (data) => ask(data),
      askLater: (data, delay) => ask(data, { delay }),
      schedule: (i, every, firstAt) =>
        queue.upsertJobScheduler(
          `s${i}`,
          { every, ...(firstAt !== undefined && { startDate: firstAt }) },
          { name: job, data: { i, text: "" } }
        ),
      work: async (concurrency, mix) => {
        const limiter = { max: mixLimit.count, duration: mixLimit.perMs }
        const limited = mix === "limited" ? { limiter } : {}
        const worker = new Worker(name, run, { connection, concurrency, ...limited })
        await worker.waitUntilReady()
        return () => worker.close()
      }
    }
  },

  unended: async (redis) => {
    const left = await Promise.all([
      redis.llen(key("wait")),
      redis.llen(key("active")),
      redis.zcard(key("prioritized")),
      redis.zcard(key("delayed"))
    ])
    return left.reduce((sum, count) => sum + count, 0)
  },

  kept: (redis) => redis.zcard(key("completed"))
}
