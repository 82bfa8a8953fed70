/** bee-queue, set up as its documentation says for speed: `saveAll`, no events for who does not wait, jobs are kept. */
import BeeQueue from "bee-queue"
import { outputOf, type Input, type System } from "./system.ts"
import { addressOf } from "./address.ts"

const name = "bench"
const key = (part: string) => `bq:${name}:${part}`

export const beequeue: System = {
  name: "beequeue",
  share: 0.25,

  connect: async (url) => {
    const redis = addressOf(url)
    const queue = new BeeQueue<Input>(name, { redis, isWorker: false, getEvents: false, storeJobs: false })
    await queue.ready()
    return {
      submit: (input) => queue.createJob(input).save(),
      submitAll: (inputs) => queue.saveAll(inputs.map((input) => queue.createJob(input))),
      work: async (concurrency) => {
        const worker = new BeeQueue<Input>(name, {
          redis,
          getEvents: false,
          sendEvents: false,
          storeJobs: false
        })
        await worker.ready()
        worker.process(concurrency, async ({ data }) => outputOf(data))
        return async () => {
          await worker.close()
        }
      }
    }
  },

  unended: async (redis) => (await redis.llen(key("waiting"))) + (await redis.llen(key("active"))),
  kept: (redis) => redis.scard(key("succeeded"))
}
