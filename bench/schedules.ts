/** What many schedules cost that all fall due again and again, whether each firing comes, and how late when all come at once. */
import { Clock, Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { BenchFailed } from "./processes.ts"
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

const atOnceOf = (quick: boolean) => (quick ? 1_000 : 5_000)
const atOnce = "all at once"
const late: Metric = { name: "the last runs after", unit: "ms", better: "less" }
const hourMs = 3_600_000
/** How long it may take until the first of them is made, and to make each. */
const leadMs = 2_000
const makingMs = 3

/** Schedules that are due again and again, at times that lie anywhere in their period. */
const again = Effect.fnUntraced(function* ({ measure, quick, start }: Stage) {
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

/** Schedules that are due at the same moment, as those of a midnight are. */
const together = Effect.fnUntraced(function* ({ measure, quick, start }: Stage) {
  const count = atOnceOf(quick)
  const worker = yield* start
  yield* worker.call("work", 200)
  const firstAt = (yield* Clock.currentTimeMillis) + leadMs + count * makingMs
  yield* worker.call("schedule", { count, everyMs: hourMs, firstAt })
  if ((yield* Clock.currentTimeMillis) >= firstAt)
    return yield* new BenchFailed({ reason: "schedules were due before all of them were there" })
  const spent = yield* measure([worker], worker.call("begun", { count, after: firstAt }))
  return [
    { case: atOnce, metric: late, value: spent.value },
    { case: atOnce, metric: redisCpu, value: spent.redisMicros / count },
    { case: atOnce, metric: workerCpu, value: spent.micros[0]! / count }
  ] satisfies ReadonlyArray<Measured>
}, Effect.scoped)

const round = Effect.fnUntraced(function* (stage: Stage) {
  const measured = yield* again(stage)
  yield* stage.clear
  return [...measured, ...(yield* together(stage))]
})

export const schedules: Bench = {
  name: "schedules",
  says: "1 000 schedules that fire every second, and 5 000 that fire at once: what a firing costs, and whether each comes",
  about: (quick) => [
    `${countOf(quick)} schedules, each due every ${everyMs / 1_000} s, for ${secondsOf(quick)} s; one process fires and runs them.`,
    `Then ${atOnceOf(quick)} that are all due at the same moment.`
  ],
  systems: [troupe, bullmq],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: [{ says: "firings that came", case: name, metric: fired, wanted: { atLeast: 97 } }]
}
