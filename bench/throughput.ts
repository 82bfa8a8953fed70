/** How many tasks a second go in, are done, and both at once; and what each costs. */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import type { Load, Process } from "./processes.ts"
import { bullmq } from "./systems/bullmq.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 200
const inputBytes = 100

/** How many tasks Troupe is given: in a phase, and to warm up. The others get their share of it. */
const countOf = (quick: boolean) => (quick ? 30_000 : 200_000)
const warmUpCountOf = (quick: boolean) => (quick ? 40_000 : 300_000)

const rate = (name: string): Metric => ({ name, unit: "tasks/s", better: "more" })
const cost = (name: string): Metric => ({ name, unit: "µs/task", better: "less" })

const submitRate = rate("submit")
const drainRate = rate("drain")
const endToEnd = rate("end to end")
const redisCpu = cost("Redis CPU, submit + drain")
const submitterCpu = cost("submitter CPU, submit")
const workerCpu = cost("worker CPU, drain")
const queuedBytes: Metric = { name: "Redis, queued task", unit: "bytes", better: "less" }
const resident = (role: string): Metric => ({ name: `memory of the ${role}`, unit: "MiB", better: "less" })

/** The ways to submit. */
const cases: ReadonlyArray<{ readonly name: string; readonly load: Pick<Load, "batch" | "inFlight"> }> = [
  { name: "batches of 250, 4 in flight", load: { batch: 250, inFlight: 4 } },
  { name: "single submits, 200 in flight", load: { batch: 1, inFlight: 200 } }
]
const [batches] = cases

/** One way to submit, first with the worker resting, then with both at once. The worker rests before and after. */
const phases = Effect.fnUntraced(function* (stage: Stage, submitter: Process, worker: Process, load: Load) {
  const { drained, measure, redis, verify } = stage
  const { count } = load
  const submit = submitter.call("submit", load)
  const work = worker.call("work", concurrency)

  yield* redis.flush
  const empty = yield* redis.usedBytes
  const submitting = yield* measure([submitter], submit)
  const queued = (yield* redis.usedBytes) - empty
  const draining = yield* measure([worker], Effect.andThen(work, drained))
  yield* verify(count)
  yield* worker.call("rest")

  yield* redis.flush
  yield* work
  const both = yield* measure([], Effect.andThen(submit, drained))
  yield* verify(count)
  yield* worker.call("rest")

  return [
    [submitRate, count / submitting.seconds],
    [drainRate, count / draining.seconds],
    [endToEnd, count / both.seconds],
    [redisCpu, (submitting.redisMicros + draining.redisMicros) / count],
    [submitterCpu, submitting.micros[0]! / count],
    [workerCpu, draining.micros[0]! / count],
    [queuedBytes, queued / count]
  ] as const
})

const round = Effect.fnUntraced(function* (stage: Stage) {
  const submitter = yield* stage.start
  const worker = yield* stage.start
  const { share } = stage.system
  const measured: Array<Measured> = []

  yield* worker.call("work", concurrency)
  for (const { load } of cases) {
    yield* submitter.call("submit", {
      ...load,
      count: Math.ceil(warmUpCountOf(stage.quick) * share),
      inputBytes
    })
    yield* stage.drained
  }
  yield* worker.call("rest")

  for (const { load, name } of cases) {
    const count = Math.ceil(countOf(stage.quick) * share)
    const figures = yield* phases(stage, submitter, worker, { ...load, count, inputBytes })
    for (const [metric, value] of figures) measured.push({ case: name, metric, value })
  }
  for (const [role, process] of [
    ["submitter", submitter],
    ["worker", worker]
  ] as const) {
    const { residentBytes } = yield* process.call("usage")
    measured.push({ case: "processes", metric: resident(role), value: residentBytes / 1024 / 1024 })
  }
  return measured
})

export const throughput: Bench = {
  name: "throughput",
  says: "no-op tasks of 100 bytes: submit, drain and both at once; CPU and memory a task",
  about: (quick) => [
    `No-op tasks with an input of ${inputBytes} bytes; results are kept; a worker with concurrency ${concurrency}.`,
    `Tasks in each phase: ${[troupe, bullmq].map(({ name, share }) => `${name} ${countOf(quick) * share}`).join(", ")}.`
  ],
  systems: [troupe, bullmq],
  round,
  bars: [
    {
      says: "end to end in batches, against BullMQ",
      case: batches!.name,
      metric: endToEnd,
      vs: bullmq.name,
      wanted: { atLeast: 8 }
    },
    { says: "Redis CPU of a task", case: batches!.name, metric: redisCpu, wanted: { atMost: 20 } },
    {
      says: "Redis memory of a queued task",
      case: batches!.name,
      metric: queuedBytes,
      wanted: { atMost: 350 }
    }
  ]
}
