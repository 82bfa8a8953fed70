/** What agents cost: messages a second, Redis's time for each, what an idle one takes, and how long one is asked. */
import { Effect } from "effect"
import { partitionKeys } from "../runtime/keys.ts"
import { partitionOf } from "../runtime/task.ts"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100

const countsOf = (quick: boolean) =>
  quick ? { agents: 10_000, messages: 50_000 } : { agents: 100_000, messages: 1_000_000 }

const askedMs = (quick: boolean) => (quick ? 2_000 : 10_000)
const inFlights = [1, 100, 1_000]

const endToEnd: Metric = { name: "end to end", unit: "messages/s", better: "more" }
const redisCpu: Metric = { name: "Redis CPU", unit: "µs/message", better: "less" }
const workerCpu: Metric = { name: "worker CPU", unit: "µs/message", better: "less" }
const bytes: Metric = { name: "Redis, idle agent", unit: "bytes", better: "less" }
const asks: Metric = { name: "asks", unit: "asks/s", better: "more" }
const p50: Metric = { name: "ask p50", unit: "ms", better: "less" }
const p99: Metric = { name: "ask p99", unit: "ms", better: "less" }

const keys = partitionKeys("troupe", partitionOf("default"))

/** What the states of all agents take: what is free when they are dropped. */
const bytesOfAgents = ({ redis }: Stage) =>
  Effect.gen(function* () {
    const before = yield* redis.usedBytes
    const dropped = yield* Effect.promise(async () => {
      let count = 0
      for await (const names of redis.client.scanStream({ match: `${keys.base}agent:*`, count: 1_000 })) {
        if ((names as Array<string>).length > 0) count += await redis.client.del(...(names as Array<string>))
      }
      await redis.client.del(keys.agents)
      return count
    })
    return (before - (yield* redis.usedBytes)) / dropped
  })

const round = Effect.fnUntraced(function* (stage: Stage) {
  const { drained, measure, quick, start, verify } = stage
  const { agents, messages } = countsOf(quick)
  const measured: Array<Measured> = []
  const submitter = yield* start
  const worker = yield* start
  yield* worker.call("work", concurrency)

  const load = { batch: 250, inFlight: 4, inputBytes, mix: "agents", agents } as const
  const told = yield* measure(
    [worker],
    Effect.andThen(submitter.call("submit", { ...load, count: messages }), drained)
  )
  yield* verify(messages)
  const name = `${messages} messages to ${agents} agents`
  measured.push(
    { case: name, metric: endToEnd, value: messages / told.seconds },
    { case: name, metric: redisCpu, value: told.redisMicros / messages },
    { case: name, metric: workerCpu, value: told.micros[0]! / messages }
  )

  for (const inFlight of inFlights) {
    const millis = askedMs(quick)
    const asked = yield* submitter.call("ask", { agents, inFlight, inputBytes, millis })
    const name = `${inFlight} in flight`
    measured.push(
      { case: name, metric: asks, value: asked.count / (millis / 1_000) },
      { case: name, metric: p50, value: asked.p50 },
      { case: name, metric: p99, value: asked.p99 }
    )
  }
  measured.push({ case: name, metric: bytes, value: yield* bytesOfAgents(stage) })
  return measured
}, Effect.scoped)

export const agents: Bench = {
  name: "agents",
  says: "100 000 agents and 1 000 000 messages: end to end, Redis CPU, memory, asks",
  about: (quick) => [
    `Each agent counts its messages, of ${inputBytes} bytes each, told in batches of 250 to one agent after the other; a worker with concurrency ${concurrency}.`,
    `Then agents are asked, one after the other, for ${askedMs(quick) / 1_000} s.`,
    "An idle agent is its hash and its place in the list; the results of its messages are kept as those of tasks are.",
    "No peer here has durable agents on Redis, so there is none to compare with."
  ],
  systems: [troupe],
  // What it compares is nothing, and a round takes minutes.
  rounds: (quick) => (quick ? 3 : 1),
  round,
  bars: []
}
