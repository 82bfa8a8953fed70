/**
 * How a bench is run: rounds, in each of which every system does the same work, one after the other.
 *
 * The systems take turns within a round (A B, A B, …), so that a machine that slows down slows them all, and a
 * ratio is taken inside a round. Each system starts a round with an empty Redis and fresh processes, and warms
 * them up before anything is measured.
 */
import { Console, Effect, FileSystem, type Scope } from "effect"
import { BenchFailed, type Process, startProcess } from "./processes.ts"
import { type BenchRedis, startRedis } from "./redis.ts"
import type { Served, System } from "./systems/system.ts"

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
  /** Forgets all tasks. */
  readonly clear: Effect.Effect<void>
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

/** How long nobody looks at a drain at least and at most, in milliseconds. */
const lookMinMs = 5
const lookMaxMs = 100

/**
 * When to look again at a drain, in milliseconds: after a fifth of the time that what is left takes at the pace so far, as
 * long as that has been seen for as long. Whoever looks every 5 ms takes 4 % of two processors from those that drain.
 */
const restMsOf = (left: number, done: number, elapsedMs: number): number =>
  Math.max(lookMinMs, Math.min(lookMaxMs, elapsedMs, (left / Math.max(1, done)) * elapsedMs * 0.2))

/** How long a drain may take. */
const drainMax = "5 minutes"

const stageOf = (system: System, redis: BenchRedis, served: Served | undefined, quick: boolean): Stage => {
  const url = served?.url ?? redis.url
  const clear = served === undefined ? redis.flush : Effect.promise(served.clear)

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

  const drained = Effect.gen(function* () {
    const start = performance.now()
    let first = 0
    while (true) {
      const left = yield* Effect.promise(() => system.unended(redis.client, url))
      if (left === 0) return
      first = Math.max(first, left)
      yield* Effect.sleep(restMsOf(left, first - left, performance.now() - start))
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: drainMax,
      orElse: () => Effect.fail(new BenchFailed({ reason: `${system.name} does not end its tasks` }))
    })
  )

  const verify: Stage["verify"] = Effect.fnUntraced(function* (count) {
    if (system.kept === undefined) return
    const { kept: keptBy } = system
    const kept = yield* Effect.promise(() => keptBy(redis.client, url))
    if (kept !== count) {
      return yield* new BenchFailed({ reason: `${system.name} kept ${kept} results of ${count} tasks` })
    }
  })

  return { system, redis, quick, clear, start: startProcess(system.name, url), measure, drained, verify }
}

/** The server of a system that has one of its own; it stops with the scope. */
const serve = Effect.fnUntraced(function* ({ serve }: System) {
  if (serve === undefined) return undefined
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "troupe-bench-" })
  return yield* Effect.acquireRelease(
    Effect.promise(() => serve(folder)),
    ({ stop }) => Effect.promise(stop)
  )
})

/** Runs every round of a bench on a Redis of its own. A system that is missing here is left out, and named. */
export const run = Effect.fnUntraced(function* (bench: Bench, quick: boolean) {
  const redis = yield* startRedis
  const systems = []
  for (const system of bench.systems) {
    const missing = system.missing?.()
    if (missing === undefined) systems.push({ system, served: yield* serve(system) })
    else yield* Console.error(`${bench.name}: ${system.name} is not measured: ${missing}`)
  }
  const rounds = (bench.rounds ?? roundsOf)(quick)
  const series = new Map<string, Series & { readonly values: Array<number> }>()
  for (let round = 1; round <= rounds; round++) {
    for (const { served, system } of systems) {
      yield* Console.error(`${bench.name}: round ${round} of ${rounds}, ${system.name}`)
      yield* redis.flush
      const stage = stageOf(system, redis, served, quick)
      yield* stage.clear
      const measured = yield* Effect.scoped(bench.round(stage))
      for (const { case: name, metric, value } of measured) {
        const key = `${name}/${metric.name}/${system.name}`
        const one = series.get(key) ?? { case: name, metric, system: system.name, values: [] }
        series.set(key, one)
        one.values.push(value)
      }
    }
  }
  const measured = { ...bench, systems: systems.map(({ system }) => system) }
  return {
    bench: measured,
    quick,
    rounds,
    redisVersion: redis.version,
    series: [...series.values()]
  } satisfies Results
}, Effect.scoped)
