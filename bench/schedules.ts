/** What many schedules cost that all fall due again and again, and whether each firing comes. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const everyMs = 1_000
const countOf = (quick: boolean) => (quick ? 200 : 1_000)
const secondsOf = (quick: boolean) => (quick ? 5 : 20)

const fired: Metric = { name: "firings of those that were due", unit: "%", better: "more" }
const cost = (of: string): Metric => ({ name: `${of} CPU`, unit: "µs/firing", better: "less" })
const redisCpu = cost("Redis")
const workerCpu = cost("worker")

const name = `every ${everyMs / 1_000} s`

const round = Effect.fnUntraced(function* ({ measure, quick, start }: Stage) {
  const count = countOf(quick)
  const worker = yield* start
  yield* worker.call("work", 200)
  yield* worker.call("schedule", { count, everyMs })
  // They have all fired once by then.
  yield* Effect.sleep(2 * everyMs)
  const before = yield* worker.call("ran")
  const spent = yield* measure([worker], Effect.sleep(secondsOf(quick) * 1_000))
  const firings = (yield* worker.call("ran")) - before
  return [
    { case: name, metric: fired, value: (100 * firings) / ((count * spent.seconds * 1_000) / everyMs) },
    { case: name, metric: redisCpu, value: spent.redisMicros / firings },
    { case: name, metric: workerCpu, value: spent.micros[0]! / firings }
  ] satisfies ReadonlyArray<Measured>
}, Effect.scoped)

export const schedules: Bench = {
  name: "schedules",
  says: "1 000 schedules that fire every second: what a firing costs, and whether each comes",
  about: (quick) => [
    `${countOf(quick)} schedules, each due every ${everyMs / 1_000} s, for ${secondsOf(quick)} s; one process fires and runs them.`
  ],
  systems: [troupe, bullmq],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: [{ says: "firings that came", case: name, metric: fired, wanted: { atLeast: 97 } }]
}
