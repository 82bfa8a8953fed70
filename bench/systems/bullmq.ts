/**
 * BullMQ, set up as its documentation says for speed: bulk submits, one worker with a high concurrency, its own
 * connections, defaults otherwise. Results are kept, as they are by default.
 */
import { Queue, QueueEvents, Worker } from "bullmq"
import type { System } from "./system.ts"

const name = "bench"
const key = (part: string) => `bull:${name}:${part}`

const job = "noop"

export const bullmq: System = {
  name: "bullmq",
  share: 0.1,

  connect: async (url) => {
    const connection = { path: url.replace(/^unix:/, "") }
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

    return {
      submit: (data) => queue.add(job, data),
      submitAll: (inputs) => queue.addBulk(inputs.map((data) => ({ name: job, data }))),
      ask: async (data) => {
        const events = await (listening ??= listen())
        const submitted = await queue.add(job, data)
        return submitted.waitUntilFinished(events)
      },
      work: async (concurrency) => {
        const worker = new Worker(name, async () => 1, { connection, concurrency })
        await worker.waitUntilReady()
        return () => worker.close()
      }
    }
  },

  unended: async (redis) => {
    const [waiting, active] = await Promise.all([redis.llen(key("wait")), redis.llen(key("active"))])
    return waiting + active
  },

  kept: (redis) => redis.zcard(key("completed"))
}
