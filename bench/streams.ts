/** How soon what a run emits is at the clients that follow it, and what very many followers cost. */
import { Effect, Record } from "effect"
import { fileURLToPath } from "node:url"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { BenchFailed } from "./processes.ts"
import type { Followed, Following } from "./streaming.ts"
import { troupe } from "./systems/troupe.ts"

const streams = 200
const chunksPerSecond = 50
const followersOf = (quick: boolean) => (quick ? 1_000 : 10_000)
const followedTasks = 100
const secondsOf = (quick: boolean) => (quick ? 3 : 10)
const warmUpSecondsOf = (quick: boolean) => (quick ? 3 : 10)

const ms = (name: string): Metric => ({ name, unit: "ms", better: "less" })
const p50 = ms("p50")
const p99 = ms("p99")
const lost: Metric = { name: "chunks lost", unit: "chunks", better: "less" }
const memory: Metric = { name: "memory of the API", unit: "MiB", better: "less" }
const cost = (of: string): Metric => ({ name: `CPU of ${of} per chunk`, unit: "µs", better: "less" })
const costs = {
  worker: cost("the worker"),
  redis: cost("Redis"),
  api: cost("the API"),
  client: cost("the clients")
}
const connections: Metric = { name: "connections to Redis", unit: "clients", better: "less" }

const paced = `${streams} streams, ${chunksPerSecond} chunks/s each`
const crowd = "followers of 100 tasks, a chunk/s each"

interface Child {
  readonly tell: (command: string, args: unknown) => void
  /** The next word of a kind. */
  readonly hear: <A>(kind: string) => Effect.Effect<A, BenchFailed>
}

const program = fileURLToPath(new URL("streaming.ts", import.meta.url))

const start = Effect.fnUntraced(function* (role: string, url: string) {
  const heard: Array<{ readonly kind: string; readonly value?: unknown; readonly url?: string }> = []
  let wake = () => {}
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.spawn([process.execPath, program, role, url], {
        env: { ...process.env, TROUPE_LOG: "warn" },
        stdio: ["ignore", "inherit", "inherit"],
        ipc: (message) => {
          heard.push(message as (typeof heard)[number])
          wake()
        }
      })
    ),
    (child) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await child.exited
      })
  )
  const hear = <A>(kind: string) =>
    Effect.promise(async () => {
      while (!heard.some((one) => one.kind === kind)) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
      return heard.splice(
        heard.findIndex((one) => one.kind === kind),
        1
      )[0]! as A
    }).pipe(
      Effect.timeoutOrElse({
        duration: "3 minutes",
        orElse: () => Effect.fail(new BenchFailed({ reason: `${role} did not say that it is ${kind}` }))
      })
    )
  const made: Child = { tell: (command, args) => child.send({ command, args }), hear }
  return made
})

interface Usage {
  readonly bytes: number
  readonly micros: number
}

const usageOf = (child: Child) =>
  Effect.suspend(() => {
    child.tell("usage", undefined)
    return Effect.map(child.hear<{ readonly value: Usage }>("usage"), ({ value }) => value)
  })

const round = Effect.fnUntraced(function* ({ quick, redis }: Stage) {
  const before = yield* Effect.promise(() => clients(redis.client))
  const api = yield* start("api", redis.url)
  const { url } = yield* api.hear<{ readonly url: string }>("ready")
  const ofApi = (yield* Effect.promise(() => clients(redis.client))) - before
  const worker = yield* start("worker", redis.url)
  yield* worker.hear("ready")
  const client = yield* start("client", redis.url)
  yield* client.hear("ready")
  const port = Number(new URL(url).port)
  const seconds = secondsOf(quick)

  const run = Effect.fnUntraced(function* (count: number, everyMs: number, each: number, lasts = seconds) {
    const chunks = Math.round((lasts * 1_000) / everyMs)
    worker.tell("submit", { count, chunks, everyMs })
    const { value: ids } = yield* worker.hear<{ readonly value: ReadonlyArray<string> }>("submitted")
    client.tell("follow", { port, ids, each } satisfies Following)
    yield* client.hear("following")
    const processes = { worker, api, client }
    const usage = Effect.all({ ...Record.map(processes, usageOf), redis: redis.cpuMicros })
    const before = yield* usage
    worker.tell("go", undefined)
    const { value } = yield* client.hear<{ readonly value: Followed }>("followed")
    const after = yield* usage
    const took = (from: number, to: number) => (to - from) / value.chunks
    return {
      ...value,
      lost: count * each * chunks - value.chunks,
      bytes: Math.max(before.api.bytes, after.api.bytes),
      micros: {
        ...Record.map(processes, (_, name) => took(before[name].micros, after[name].micros)),
        redis: took(before.redis, after.redis)
      }
    }
  })

  yield* run(streams, 1_000 / chunksPerSecond, 1, warmUpSecondsOf(quick))
  const even = yield* run(streams, 1_000 / chunksPerSecond, 1)
  const followers = followersOf(quick)
  const many = yield* run(followedTasks, 1_000, followers / followedTasks)
  const figures: ReadonlyArray<readonly [string, Metric, number]> = [
    [paced, p50, even.p50],
    [paced, p99, even.p99],
    [paced, lost, even.lost],
    [paced, costs.worker, even.micros.worker],
    [paced, costs.redis, even.micros.redis],
    [paced, costs.api, even.micros.api],
    [paced, costs.client, even.micros.client],
    [crowd, p50, many.p50],
    [crowd, p99, many.p99],
    [crowd, lost, many.lost],
    [crowd, memory, many.bytes / 1_048_576],
    [crowd, connections, ofApi]
  ]
  return figures.map(([name, metric, value]): Measured => ({ case: name, metric, value }))
})

const clients = async (redis: Stage["redis"]["client"]) =>
  String(await redis.client("LIST"))
    .trim()
    .split("\n").length

export const streamsBench: Bench = {
  name: "streams",
  says: "from emit to the client's byte at 200 streams of 50 chunks/s, and 10 000 followers on one API process",
  about: (quick) => [
    `Tasks emit at an even pace for ${secondsOf(quick)} s, each at moments of its own; clients follow them over HTTP from a process of their own.`,
    `A chunk's time is from the call of emit to its bytes in the client. All chunks count, after ${warmUpSecondsOf(quick)} s of the same that warm all processes up.`,
    `The followers of 100 tasks are ${followersOf(quick)}.`
  ],
  systems: [troupe],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: [
    { says: "from emit to the client's byte", case: paced, metric: p50, wanted: { atMost: 15 } },
    {
      says: "from emit to the client's byte, the slowest of a hundred",
      case: paced,
      metric: p99,
      wanted: { atMost: 50 }
    },
    { says: "chunks that did not come", case: paced, metric: lost, wanted: { atMost: 0 } },
    { says: "chunks that did not come to followers", case: crowd, metric: lost, wanted: { atMost: 0 } },
    {
      says: "memory of an API process with all its followers",
      case: crowd,
      metric: memory,
      wanted: { atMost: 1_024 }
    },
    {
      says: "connections of an API process to Redis",
      case: crowd,
      metric: connections,
      wanted: { atMost: 8 }
    }
  ]
}
