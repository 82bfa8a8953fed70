/** One flow of tasks from a submitter to its workers, warmed up, in and out at once: what tables about tasks measure. */
import { Effect } from "effect"
import type { Metric, Stage } from "./frame.ts"
import type { Load } from "./processes.ts"

export const endToEnd: Metric = { name: "end to end", unit: "tasks/s", better: "more" }
export const redisCpu: Metric = { name: "Redis CPU", unit: "µs/task", better: "less" }
export const submitterCpu: Metric = { name: "submitter CPU", unit: "µs/task", better: "less" }
export const workerCpu: Metric = { name: "worker CPU", unit: "µs/task", better: "less" }

/** Tasks of one kind, and who runs them. */
export interface Flow extends Pick<Load, "batch" | "count" | "effort" | "inFlight" | "inputBytes"> {
  readonly workers: number
  /** Of each worker. */
  readonly concurrency: number
  /** How many tasks go before anything is measured. */
  readonly warmUp: number
}

/** Runs the flow in fresh processes. Counts are Troupe's; other systems are given their share of them. */
export const flow = Effect.fnUntraced(function* (
  stage: Stage,
  { concurrency, count, warmUp, workers, ...load }: Flow
) {
  const { drained, measure, redis, start, system, verify } = stage
  const share = (all: number) => Math.ceil(all * system.share)
  const submitter = yield* start
  const working = yield* Effect.all(Array.from({ length: workers }, () => start))
  const work = Effect.forEach(working, (worker) => worker.call("work", concurrency), { discard: true })

  yield* work
  yield* submitter.call("submit", { ...load, count: share(warmUp) })
  yield* drained
  // What a worker keeps in Redis for itself goes with the rest: it is told anew.
  yield* Effect.forEach(working, (worker) => worker.call("rest"))
  yield* redis.flush
  yield* work
  const given = share(count)
  const both = yield* measure(
    [submitter, ...working],
    Effect.andThen(submitter.call("submit", { ...load, count: given }), drained)
  )
  yield* verify(given)
  const [submitterMicros = 0, ...workerMicros] = both.micros
  return [
    [endToEnd, given / both.seconds],
    [redisCpu, both.redisMicros / given],
    [submitterCpu, submitterMicros / given],
    [workerCpu, workerMicros.reduce((sum, micros) => sum + micros, 0) / given]
  ] as const
}, Effect.scoped)
