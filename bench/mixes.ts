/** How many tasks a second go in and out at once when they ask for more than to be run. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import type { Mix } from "./processes.ts"
import { bullmq } from "./systems/bullmq.ts"
import { mixDelayMs, mixLimit } from "./systems/system.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100
const load = { batch: 250, inFlight: 4, inputBytes }

/** How many tasks Troupe is given in each case, and to warm up. The others get their share of it. */
const countOf = (quick: boolean) => (quick ? 20_000 : 100_000)
const warmUpCount = 20_000

const endToEnd: Metric = { name: "end to end", unit: "tasks/s", better: "more" }
const redisCpu: Metric = { name: "Redis CPU", unit: "µs/task", better: "less" }

interface Case {
  readonly name: string
  readonly mix: Mix
  /** Whether the peer has the feature. */
  readonly compared: boolean
}

const cases: ReadonlyArray<Case> = [
  { name: "prioritised: four priorities in turn", mix: "prioritised", compared: true },
  { name: `delayed by ${mixDelayMs} ms`, mix: "delayed", compared: true },
  { name: "rate-limited, the limit never reached", mix: "limited", compared: true },
  { name: "keyed: in order within each of 100 keys", mix: "keyed", compared: false }
]

const one = Effect.fnUntraced(function* (stage: Stage, { mix }: Case) {
  const { drained, measure, redis, start, system, verify } = stage
  const submitter = yield* start
  const worker = yield* start
  yield* worker.call("work", concurrency, mix)
  yield* submitter.call("submit", { ...load, mix, count: Math.ceil(warmUpCount * system.share) })
  yield* drained
  yield* redis.flush
  // What a worker keeps in Redis for itself went with the rest: it is told anew.
  yield* worker.call("rest")
  yield* worker.call("work", concurrency, mix)

  const count = Math.ceil(countOf(stage.quick) * system.share)
  const both = yield* measure([], Effect.andThen(submitter.call("submit", { ...load, mix, count }), drained))
  yield* verify(count)
  return [
    [endToEnd, count / both.seconds],
    [redisCpu, both.redisMicros / count]
  ] as const
}, Effect.scoped)

const round = Effect.fnUntraced(function* (stage: Stage) {
  const measured: Array<Measured> = []
  for (const each of cases) {
    if (stage.system !== troupe && !each.compared) continue
    yield* stage.redis.flush
    for (const [metric, value] of yield* one(stage, each)) measured.push({ case: each.name, metric, value })
  }
  return measured
})

export const mixes: Bench = {
  name: "mixes",
  says: "tasks with priorities, delays, limits and keys: end to end, and Redis CPU",
  about: (quick) => [
    `No-op tasks with an input of ${inputBytes} bytes, submitted in batches of ${load.batch}; a worker with concurrency ${concurrency}.`,
    `Tasks in each case: ${[troupe, bullmq].map(({ name, share }) => `${name} ${countOf(quick) * share}`).join(", ")}.`,
    `The limit is ${mixLimit.count} in ${mixLimit.perMs} ms: what it costs is measured, not what it allows.`,
    "BullMQ has keys (groups) only in its Pro version, which is not measured."
  ],
  systems: [troupe, bullmq],
  round,
  bars: cases
    .filter(({ compared }) => compared)
    .map(({ name }) => ({
      says: `${name}, against BullMQ`,
      case: name,
      metric: endToEnd,
      vs: bullmq.name,
      wanted: { atLeast: 4 }
    }))
}
