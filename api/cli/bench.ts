/**
 * `troupe bench`: measures this machine and this Redis, with tasks that do nothing, in a namespace of its own that is
 * dropped afterwards. What else uses the Redis is slowed down meanwhile.
 *
 * It is for comparing one's own machines and settings. The product beside its peers is measured in a clone, by
 * `bun run bench`.
 */
import { Clock, Duration, Effect, Layer, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { Settings } from "../../runtime/config.ts"
import { defineTask } from "../../runtime/handler.ts"
import { readAddress } from "../../runtime/redis/address.ts"
import { dropNamespace } from "../../runtime/redis/dropping.ts"
import { Troupe } from "../client/effect.ts"
import { connected } from "../client/settings.ts"
import * as Environment from "./environment.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { type Column, printList } from "./table.ts"

const idle = defineTask({ name: "bench.idle", run: () => null })

/** How many tasks one submit of many has. */
const batch = 500

/** What one round of a case gave. */
interface Measured {
  readonly case: string
  readonly metric: string
  readonly unit: string
  readonly value: number
}

/** What the rounds of a case come to. */
interface Figure extends Omit<Measured, "value"> {
  readonly median: number
  readonly min: number
  readonly max: number
}

const elapsedMs = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const start = clock.monotonicTimeNanosUnsafe()
    yield* effect
    return Number(clock.monotonicTimeNanosUnsafe() - start) / 1e6
  })

const submitMany = Effect.fnUntraced(function* (count: number) {
  const troupe = yield* Troupe
  const results = []
  for (let left = count; left > 0; left -= batch) {
    const tasks = Array.from({ length: Math.min(left, batch) }, () => ({ task: idle, input: null }))
    for (const result of yield* troupe.submitAll(tasks)) results.push(yield* Effect.fromResult(result))
  }
  return results
})

/** Nobody runs them: only the way in is measured. */
const submits = (count: number) =>
  Effect.map(elapsedMs(submitMany(count)), (ms): Measured => ({
    case: "submit",
    metric: "rate",
    unit: "tasks/s",
    value: (count / ms) * 1_000
  }))

/** From the first submit to the last result. */
const throughput = (count: number) =>
  Effect.map(
    elapsedMs(
      Effect.flatMap(submitMany(count), (tasks) =>
        Effect.forEach(tasks, (task) => task.result(), { concurrency: "unbounded", discard: true })
      )
    ),
    (ms): Measured => ({ case: "run", metric: "rate", unit: "tasks/s", value: (count / ms) * 1_000 })
  )

/** There and back, one after the other. */
const asks = Effect.fnUntraced(function* (count: number) {
  const troupe = yield* Troupe
  const taken: Array<number> = []
  for (let at = 0; at < count; at++) taken.push(yield* elapsedMs(troupe.ask(idle, null)))
  taken.sort((one, other) => one - other)
  const at = (share: number) => taken[Math.min(count - 1, Math.floor(count * share))]!
  return (["p50", "p99"] as const).map((metric): Measured => ({
    case: "ask",
    metric,
    unit: "ms",
    value: at(metric === "p50" ? 0.5 : 0.99)
  }))
})

/** At most four digits: more say nothing. */
const rounded = (value: number) => Number(value.toPrecision(4))

const figuresOf = (rounds: ReadonlyArray<ReadonlyArray<Measured>>): ReadonlyArray<Figure> =>
  (rounds[0] ?? []).map(({ value: _, ...measured }, row) => {
    const values = rounds.map((round) => round[row]!.value).toSorted((one, other) => one - other)
    return {
      ...measured,
      median: rounded(values[values.length >> 1]!),
      min: rounded(values[0]!),
      max: rounded(values.at(-1)!)
    }
  })

const columns: ReadonlyArray<Column<Figure>> = [
  ["CASE", (figure) => figure.case],
  ["METRIC", ({ metric }) => metric],
  ["MEDIAN", ({ median }) => median],
  ["MIN", ({ min }) => min],
  ["MAX", ({ max }) => max],
  ["UNIT", ({ unit }) => unit]
]

const rounds = 3

export const bench = () =>
  Command.make(
    "bench",
    {
      tasks: Flag.Int("tasks").pipe(
        Flag.withDescription("How many tasks a round has; default 5000, or 1000 with --quick"),
        Flag.withMetavar("N"),
        Flag.filter(
          (count) => count >= 1 && count <= 100_000,
          () => "a whole number from 1 to 100000"
        ),
        Flag.optional
      ),
      quick: Flag.Boolean("quick").pipe(
        Flag.withDescription("Take some seconds, and tell less precisely"),
        Flag.withDefault(false)
      ),
      redis: Environment.redis,
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ json, quick, redis, tasks }) {
      const count = tasks._tag === "Some" ? tasks.value : quick ? 1_000 : 5_000
      const namespace = `bench-${crypto.randomUUID().slice(0, 8)}`
      const settings = connected({ log: "Error" }, Environment.environment({ redis }))
      yield* Effect.gen(function* () {
        const url = (yield* Settings).redisUrl!
        const address = yield* Effect.fromResult(readAddress(url))
        const options = {
          redisUrl: Redacted.value(url),
          namespace,
          handlers: [idle],
          settings: { log: "Error", handlers: undefined, drain: Duration.zero }
        } as const
        const measure = Effect.gen(function* () {
          const all: Array<ReadonlyArray<Measured>> = []
          // One more, which warms up and does not count.
          for (let round = 0; round <= rounds; round++) {
            if (Output.stderrIsTerminal) yield* Output.say(Output.dim(`round ${round} of ${rounds}`))
            const way = yield* Effect.provide(
              submits(count),
              Troupe.layer({ ...options, namespace: `${namespace}.in` })
            )
            const rest = yield* Effect.gen(function* () {
              return [yield* throughput(count), ...(yield* asks(quick ? 50 : 200))]
            }).pipe(Effect.provide(Troupe.layer({ ...options, work: true })))
            if (round > 0) all.push([way, ...rest])
          }
          return figuresOf(all)
        })
        const figures = yield* measure.pipe(
          Effect.ensuring(
            Effect.ignore(
              Effect.forEach([namespace, `${namespace}.in`], (name) => dropNamespace(address, name))
            )
          )
        )
        yield* printList(figures, {
          json,
          toJson: (figure) => ({ bench: "local", system: "troupe", ...figure }),
          columns
        })
      }).pipe(Effect.provide(Layer.fresh(settings)))
    })
  ).pipe(
    Command.withDescription(
      "Measures this machine and this Redis with tasks that do nothing, in a namespace that is dropped afterwards; whatever else uses the Redis is slowed down"
    ),
    Command.withShortDescription("Measures this machine and this Redis"),
    Command.withExamples([
      { command: "troupe bench --quick --json", description: "In some seconds, as JSON" }
    ])
  )
