/**
 * How a bench is run: rounds, in each of which every system does the same work, one after the other.
 *
 * The systems take turns within a round (A B, A B, …), so that a machine that slows down slows them all, and a
 * ratio is taken inside a round. Each system starts a round with an empty Redis and fresh processes, and warms
 * them up before anything is measured.
 */
import { Console, Effect, type Scope } from "effect"
import { BenchFailed, type Process, startProcess } from "./processes.ts"
import { type BenchRedis, startRedis } from "./redis.ts"
import type { System } from "./systems/system.ts"

export interface Metric {
  readonly name: string
  readonly unit: string
  readonly better: "more" | "less"
}

/** One number of one round. */
export interface Measured {
  readonly case: string
  readonly metric: Metric
  readonly value: number
}

/** What a figure, or its ratio to that of another system, has to be. */
export interface Bar {
  readonly says: string
  readonly case: string
  readonly metric: Metric
  /** Compares with this system; without it the figure itself is meant. */
  readonly vs?: string
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number }
}

export interface Bench {
  readonly name: string
  /** One line, for the list. */
  readonly says: string
  /** What a reader of its table must know, a line each. */
  readonly about: (quick: boolean) => ReadonlyArray<string>
  /** The first one is compared with each of the others. */
  readonly systems: ReadonlyArray<System>
  /** How many rounds there are. Default: five, or three when it is to be quick. */
  readonly rounds?: (quick: boolean) => number
  /** One system's part of a round. */
  readonly round: (stage: Stage) => Effect.Effect<ReadonlyArray<Measured>, BenchFailed, Scope.Scope>
  /** All of them about the first system. */
  readonly bars: ReadonlyArray<Bar>
}

/** What some work took. */
export interface Spent<A> {
  readonly value: A
  readonly seconds: number
  readonly redisMicros: number
  /** CPU of each process that was watched, in their order. */
  readonly micros: ReadonlyArray<number>
}

/** Where one system does its part of a round. */
export interface Stage {
  readonly system: System
  readonly redis: BenchRedis
  readonly quick: boolean
  /** Starts a process of the system; it ends with the part. */
  readonly start: Effect.Effect<Process, BenchFailed, Scope.Scope>
  /** Does some work, and says what it took of Redis and of these processes. */
  readonly measure: <A, E>(
    processes: ReadonlyArray<Process>,
    work: Effect.Effect<A, E>
  ) => Effect.Effect<Spent<A>, E | BenchFailed>
  /** Succeeds when nothing is left to do. */
  readonly drained: Effect.Effect<void, BenchFailed>
  /** Fails unless exactly so many results are kept. */
  readonly verify: (count: number) => Effect.Effect<void, BenchFailed>
}

/** The numbers of one case, metric and system, a value for each round. */
export interface Series {
  readonly case: string
  readonly metric: Metric
  readonly system: string
  readonly values: ReadonlyArray<number>
}

export interface Results {
  readonly bench: Bench
  readonly quick: boolean
  readonly rounds: number
  readonly redisVersion: string
  readonly series: ReadonlyArray<Series>
}

const roundsOf = (quick: boolean) => (quick ? 3 : 5)

/** How often a drain is looked at. */
const lookEvery = "5 millis"

/** How long a drain may take. */
const drainMax = "5 minutes"

const stageOf = (system: System, redis: BenchRedis, quick: boolean): Stage => {
  const usage = (processes: ReadonlyArray<Process>) =>
    Effect.forEach(processes, (process) => Effect.map(process.call("usage"), ({ cpuMicros }) => cpuMicros))

  const measure: Stage["measure"] = Effect.fnUntraced(function* (processes, work) {
    const before = yield* usage(processes)
    const redisBefore = yield* redis.cpuMicros
    const start = performance.now()
    const value = yield* work
    const seconds = (performance.now() - start) / 1_000
    const redisMicros = (yield* redis.cpuMicros) - redisBefore
    const after = yield* usage(processes)
    return { value, seconds, redisMicros, micros: after.map((micros, at) => micros - before[at]!) }
  })

  const drained = Effect.promise(() => system.unended(redis.client)).pipe(
    Effect.tap((left) => (left === 0 ? Effect.void : Effect.sleep(lookEvery))),
    Effect.repeat({ until: (left) => left === 0 }),
    Effect.timeoutOrElse({
      duration: drainMax,
      orElse: () => Effect.fail(new BenchFailed({ reason: `${system.name} does not end its tasks` }))
    }),
    Effect.asVoid
  )

  const verify: Stage["verify"] = Effect.fnUntraced(function* (count) {
    const kept = yield* Effect.promise(() => system.kept(redis.client))
    if (kept !== count) {
      return yield* new BenchFailed({ reason: `${system.name} kept ${kept} results of ${count} tasks` })
    }
  })

  return { system, redis, quick, start: startProcess(system.name, redis.url), measure, drained, verify }
}

/** Runs every round of a bench on a Redis of its own. */
export const run = Effect.fnUntraced(function* (bench: Bench, quick: boolean) {
  const redis = yield* startRedis
  const rounds = (bench.rounds ?? roundsOf)(quick)
  const series = new Map<string, Series & { readonly values: Array<number> }>()
  for (let round = 1; round <= rounds; round++) {
    for (const system of bench.systems) {
      yield* Console.error(`${bench.name}: round ${round} of ${rounds}, ${system.name}`)
      yield* redis.flush
      const measured = yield* Effect.scoped(bench.round(stageOf(system, redis, quick)))
      for (const { case: name, metric, value } of measured) {
        const key = `${name}/${metric.name}/${system.name}`
        const one = series.get(key) ?? { case: name, metric, system: system.name, values: [] }
        series.set(key, one)
        one.values.push(value)
      }
    }
  }
  return { bench, quick, rounds, redisVersion: redis.version, series: [...series.values()] } satisfies Results
}, Effect.scoped)
