/** What failing costs: tasks that fail twice and then succeed, beside tasks that succeed at once. */
import { Effect } from "effect"
import { endToEnd, flow } from "./flow.ts"
import type { Bench, Measured, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const cases = [
  { name: "no failure", failures: 0 },
  { name: "two failures each", failures: 2 }
]

const round = Effect.fnUntraced(function* (stage: Stage) {
  const measured: Array<Measured> = []
  for (const { failures, name } of cases) {
    yield* stage.redis.flush
    const figures = yield* flow(stage, {
      workers: 1,
      concurrency: 200,
      batch: 250,
      inFlight: 4,
      inputBytes: 100,
      ...(failures === 0 ? {} : { effort: { failures } }),
      count: stage.quick ? 10_000 : 50_000,
      warmUp: 10_000
    })
    for (const [metric, value] of figures) measured.push({ case: name, metric, value })
  }
  return measured
})

export const retries: Bench = {
  name: "retries",
  says: "tasks that fail twice before they succeed, tried again at once",
  about: () => [
    "No-op tasks in batches of 250, four calls in flight; a worker with concurrency 200; three attempts without a delay.",
    "Each failure is kept with its message and stack, as by default; a figure counts tasks, not attempts."
  ],
  systems: [troupe, bullmq],
  round,
  bars: [
    {
      says: "tasks that fail twice, against BullMQ",
      case: "two failures each",
      metric: endToEnd,
      vs: bullmq.name,
      wanted: { atLeast: 4 }
    }
  ]
}
