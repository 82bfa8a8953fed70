/** How throughput grows with the workers when tasks wait for something, with and without an append-only file. */
import { Effect } from "effect"
import { endToEnd, flow, redisCpu } from "./flow.ts"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const holdMs = 50
const concurrency = 50
const crews = [1, 2, 3, 4]

/** What so many workers could do if nothing but their concurrency bound them. */
const mostOf = (workers: number) => (workers * concurrency * 1_000) / holdMs

const used: Metric = { name: "of what the concurrency allows", unit: "%", better: "more" }

const files = [
  { name: "append-only file off", settings: { appendonly: "no" } },
  { name: "append-only file, fsync every second", settings: { appendonly: "yes", appendfsync: "everysec" } }
]

const caseOf = (workers: number, file: string) => `${workers} worker${workers === 1 ? "" : "s"}, ${file}`

const round = Effect.fnUntraced(function* (stage: Stage) {
  const measured: Array<Measured> = []
  for (const { name, settings } of files) {
    for (const [setting, value] of Object.entries(settings))
      yield* Effect.promise(() => stage.redis.client.config("SET", setting, value))
    for (const workers of crews) {
      yield* stage.redis.flush
      const figures = yield* flow(stage, {
        workers,
        concurrency,
        batch: 50,
        inFlight: 4,
        inputBytes: 100,
        effort: { holdMs },
        count: (mostOf(workers) * (stage.quick ? 2 : 10)) / stage.system.share,
        warmUp: mostOf(workers) / stage.system.share
      })
      for (const [metric, value] of figures) {
        if (metric !== endToEnd && metric !== redisCpu) continue
        measured.push({ case: caseOf(workers, name), metric, value })
        if (metric !== endToEnd) continue
        const part = (100 * value) / mostOf(workers)
        measured.push({ case: caseOf(workers, name), metric: used, value: part })
      }
    }
  }
  yield* Effect.promise(() => stage.redis.client.config("SET", "appendonly", "no"))
  return measured
})

export const workers: Bench = {
  name: "workers",
  says: "tasks that wait, with 1 to 4 worker processes, with the append-only file off and on",
  about: (quick) => [
    `Each task waits for ${holdMs} ms; a worker runs ${concurrency} at a time, so ${mostOf(1)} tasks/s are the most for each worker.`,
    `Work for ${quick ? 2 : 10} s in each case, submitted in batches of 50, four calls in flight.`
  ],
  systems: [troupe, bullmq],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: files.map(({ name }) => ({
    says: `four workers do what four can, ${name}`,
    case: caseOf(4, name),
    metric: used,
    wanted: { atLeast: 90 }
  }))
}
