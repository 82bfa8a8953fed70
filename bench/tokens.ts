/** What agents' work looks like: many runs that wait for a model and hand on what it says, word by word. */
import { Effect } from "effect"
import { endToEnd, flow } from "./flow.ts"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const hold = { fromMs: 50, toMs: 500 }
const tokens = 20
const concurrency = 500

/** What the concurrency allows when nothing else bounds it. */
const most = (concurrency * 1_000) / ((hold.fromMs + hold.toMs) / 2)

const used: Metric = { name: "of what the concurrency allows", unit: "%", better: "more" }
const name = `${tokens} words in ${hold.fromMs} to ${hold.toMs} ms`

const round = Effect.fnUntraced(function* (stage: Stage) {
  const figures = yield* flow(stage, {
    workers: 1,
    concurrency,
    batch: 50,
    inFlight: 4,
    inputBytes: 1_024,
    effort: { holdMs: [hold.fromMs, hold.toMs], tokens },
    count: (most * (stage.quick ? 3 : 15)) / stage.system.share,
    warmUp: most / stage.system.share
  })
  const measured = figures.map(([metric, value]): Measured => ({ case: name, metric, value }))
  const { value } = measured.find(({ metric }) => metric === endToEnd)!
  return [...measured, { case: name, metric: used, value: (100 * value) / most }]
})

export const tokensBench: Bench = {
  name: "tokens",
  says: "a realistic load of agents: runs that wait and emit word by word",
  about: (quick) => [
    `Each run waits ${hold.fromMs} to ${hold.toMs} ms, evenly spread, and emits ${tokens} words meanwhile; inputs of 1 KiB; ${concurrency} at a time.`,
    `Work for ${quick ? 3 : 15} s. BullMQ has no streams: each word is written by \`updateProgress\`, its nearest.`
  ],
  systems: [troupe, bullmq],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: []
}
