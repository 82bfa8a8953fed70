/** How long it takes to submit a task and have its result, with 1 to 1 000 of them in flight. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100

const flights = [1, 10, 100, 1_000]
const caseOf = (inFlight: number) => `${inFlight} in flight`

/** How long each case is asked, in milliseconds. */
const millisOf = (quick: boolean) => (quick ? 1_000 : 3_000)

const time = (name: string): Metric => ({ name, unit: "ms", better: "less" })
const cost = (name: string): Metric => ({ name, unit: "µs/ask", better: "less" })

const p50 = time("p50")
const p99 = time("p99")
const rate: Metric = { name: "asks", unit: "asks/s", better: "more" }
const redisCpu = cost("Redis CPU")
const clientCpu = cost("client CPU")
const workerCpu = cost("worker CPU")

const round = Effect.fnUntraced(function* (stage: Stage) {
  const client = yield* stage.start
  const worker = yield* stage.start
  const millis = millisOf(stage.quick)
  yield* worker.call("work", concurrency)
  yield* client.call("ask", { inFlight: 100, inputBytes, millis })

  const measured: Array<Measured> = []
  for (const inFlight of flights) {
    yield* client.call("ask", { inFlight, inputBytes, millis: millis / 4 })
    const asking = client.call("ask", { inFlight, inputBytes, millis })
    const { micros, redisMicros, seconds, value } = yield* stage.measure([client, worker], asking)
    const figures = [
      [p50, value.p50],
      [p99, value.p99],
      [rate, value.count / seconds],
      [redisCpu, redisMicros / value.count],
      [clientCpu, micros[0]! / value.count],
      [workerCpu, micros[1]! / value.count]
    ] as const
    for (const [metric, figure] of figures) measured.push({ case: caseOf(inFlight), metric, value: figure })
  }
  return measured
})

export const latency: Bench = {
  name: "latency",
  says: "ask, which is submit and wait for the result, with 1, 10, 100 and 1 000 in flight",
  about: (quick) => [
    `No-op tasks with an input of ${inputBytes} bytes; results are kept; a worker with concurrency ${concurrency}.`,
    `Each case is asked for ${millisOf(quick) / 1_000} s. BullMQ waits by job.waitUntilFinished and QueueEvents.`
  ],
  systems: [troupe, bullmq],
  round,
  bars: [
    {
      says: "one at a time, against BullMQ",
      case: caseOf(1),
      metric: p50,
      vs: bullmq.name,
      wanted: { atLeast: 2 }
    },
    {
      says: "1 000 in flight, against BullMQ",
      case: caseOf(1_000),
      metric: rate,
      vs: bullmq.name,
      wanted: { atLeast: 8 }
    }
  ]
}
