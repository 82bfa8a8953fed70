/** What the size of its input costs a task. */
import { Effect } from "effect"
import { flow } from "./flow.ts"
import type { Bench, Measured, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

/** The sizes, and how many tasks of each Troupe is given: large ones are fewer, as they are in life. */
const sizes = [
  { name: "100 B", inputBytes: 100, count: 100_000 },
  { name: "1 KiB", inputBytes: 1_024, count: 50_000 },
  { name: "10 KiB", inputBytes: 10_240, count: 20_000 },
  { name: "100 KiB", inputBytes: 102_400, count: 4_000 }
]
const batchBytesMax = 1_048_576

const round = Effect.fnUntraced(function* (stage: Stage) {
  const measured: Array<Measured> = []
  for (const { count, inputBytes, name } of sizes) {
    yield* stage.redis.flush
    const figures = yield* flow(stage, {
      workers: 1,
      concurrency: 200,
      batch: Math.max(1, Math.min(250, Math.floor(batchBytesMax / inputBytes))),
      inFlight: 4,
      inputBytes,
      count: stage.quick ? count / 5 : count,
      warmUp: stage.quick ? count / 5 : count / 2
    })
    for (const [metric, value] of figures) measured.push({ case: name, metric, value })
  }
  return measured
})

export const payloads: Bench = {
  name: "payloads",
  says: "no-op tasks with inputs of 100 B to 100 KiB, end to end",
  about: () => [
    "No-op tasks in batches of at most 250 tasks and 1 MiB, four calls in flight; a worker with concurrency 200.",
    "The inputs of ended tasks are kept up to 16 KiB each, as by default; larger ones go when their task ends."
  ],
  systems: [troupe, bullmq],
  round,
  bars: []
}
