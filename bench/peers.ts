/** Troupe beside whom teams use today, and beside the floor: how many no-op tasks go in, are done, and both at once. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { beequeue } from "./systems/beequeue.ts"
import { bullmq } from "./systems/bullmq.ts"
import { bunqueue } from "./systems/bunqueue.ts"
import { celery } from "./systems/celery.ts"
import { floor } from "./systems/floor.ts"
import { graphile } from "./systems/graphile.ts"
import { persistedqueue } from "./systems/persistedqueue.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100

/** How many tasks Troupe is given in a phase, and to warm up. The others get their share of it. */
const countOf = (quick: boolean) => (quick ? 20_000 : 200_000)
const warmUpCountOf = (quick: boolean) => (quick ? 20_000 : 150_000)

const rate = (name: string): Metric => ({ name, unit: "tasks/s", better: "more" })
const submitRate = rate("submit")
const drainRate = rate("drain")
const endToEnd = rate("end to end")

const load = { batch: 250, inFlight: 4, inputBytes }
const name = "batches of 250, 4 in flight"

const round = Effect.fnUntraced(function* (stage: Stage) {
  const { drained, measure, quick, verify } = stage
  const { share } = stage.system
  const submitter = yield* stage.start
  const worker = yield* stage.start
  const work = worker.call("work", concurrency)
  const rest = worker.call("rest")

  yield* work
  yield* submitter.call("submit", { ...load, count: Math.ceil(warmUpCountOf(quick) * share) })
  yield* drained
  yield* rest

  const count = Math.ceil(countOf(quick) * share)
  const submit = submitter.call("submit", { ...load, count })
  yield* stage.clear
  const submitting = yield* measure([], submit)
  const draining = yield* measure([], Effect.andThen(work, drained))
  yield* verify(count)
  yield* rest

  yield* stage.clear
  yield* work
  const both = yield* measure([], Effect.andThen(submit, drained))
  yield* verify(count)
  yield* rest

  const figures = [
    [submitRate, count / submitting.seconds],
    [drainRate, count / draining.seconds],
    [endToEnd, count / both.seconds]
  ] as const
  return figures.map(([metric, value]): Measured => ({ case: name, metric, value }))
})

const against = (vs: { readonly name: string }, atLeast: number, says: string) => ({
  says,
  case: name,
  metric: endToEnd,
  vs: vs.name,
  wanted: { atLeast }
})

export const peers: Bench = {
  name: "peers",
  says: "the same tasks through BullMQ, bee-queue, PersistedQueue, bunqueue, graphile-worker, Celery, and the bare Lua",
  about: (quick) => [
    `No-op tasks with an input of ${inputBytes} bytes; a worker with concurrency ${concurrency} (Celery: a process for each core).`,
    `Troupe is given ${countOf(quick)} tasks in each phase, the others as many as take them about as long.`,
    "Results are kept by Troupe, the floor, BullMQ, bee-queue, bunqueue and Celery.",
    "The floor is the bare Lua of the same data movement, with no product around it."
  ],
  systems: [troupe, floor, bullmq, beequeue, persistedqueue, bunqueue, graphile, celery],
  round,
  bars: [
    against(bullmq, 10, "end to end, against BullMQ"),
    against(beequeue, 3, "end to end, against bee-queue"),
    against(persistedqueue, 3, "end to end, against PersistedQueue"),
    against(celery, 50, "end to end, against Celery"),
    against(floor, 0.6, "end to end, of the floor")
  ]
}
