/** What many delayed tasks cost while nothing is due, and how punctual those are that fall due among them. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100

/** How many tasks lie there. BullMQ gets its share of them. */
const countOf = (quick: boolean) => (quick ? 100_000 : 1_000_000)

/** How long nothing happens, and how many tasks then fall due how far apart. */
const idle = "5 seconds"
const due = { count: 50, everyMs: 100, firstMs: 2_000 }

const redisCpu: Metric = { name: "Redis CPU, idle", unit: "ms/s", better: "less" }
const workerCpu: Metric = { name: "worker CPU, idle", unit: "ms/s", better: "less" }
const bytes: Metric = { name: "Redis, delayed task", unit: "bytes", better: "less" }
const late = (name: string): Metric => ({ name: `late, ${name}`, unit: "ms", better: "less" })

const name = "many delayed tasks"

const round = Effect.fnUntraced(function* (stage: Stage) {
  const { measure, redis, start, system } = stage
  const submitter = yield* start
  const worker = yield* start
  const count = Math.ceil(countOf(stage.quick) * system.share)
  const empty = yield* redis.usedBytes
  yield* submitter.call("submit", { count, batch: 250, inFlight: 4, inputBytes, mix: "far" })
  const used = (yield* redis.usedBytes) - empty
  yield* worker.call("work", concurrency)
  yield* submitter.call("ask", { inFlight: 10, inputBytes, millis: 2_000 })

  const resting = yield* measure([worker], Effect.sleep(idle))
  const asked = yield* submitter.call("wait", { ...due, inputBytes })
  const figures = [
    [bytes, used / count],
    [redisCpu, resting.redisMicros / 1_000 / resting.seconds],
    [workerCpu, resting.micros[0]! / 1_000 / resting.seconds],
    [late("p50"), asked.p50],
    [late("p99"), asked.p99]
  ] as const
  return figures.map(([metric, value]): Measured => ({ case: name, metric, value }))
})

export const delays: Bench = {
  name: "delays",
  says: "1 000 000 delayed tasks: what they cost while nothing is due, and how late one is",
  about: (quick) => [
    `Tasks due in a day: ${[troupe, bullmq].map(({ name, share }) => `${name} ${countOf(quick) * share}`).join(", ")}.`,
    `Then ${due.count} more fall due, one every ${due.everyMs} ms: late is when the result is here, after the time it was due.`
  ],
  systems: [troupe, bullmq],
  round,
  bars: [{ says: "a task is late by", case: name, metric: late("p99"), wanted: { atMost: 50 } }]
}
