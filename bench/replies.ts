/**
 * How a result gets back to whoever asked for it: Troupe's way beside the three that its users know, and beside itself on
 * their bare queue.
 */
import { Effect } from "effect"
import type { Bench, Measured, Metric, Stage } from "./frame.ts"
import { hints } from "./systems/hints.ts"
import { keys } from "./systems/keys.ts"
import { pubsub } from "./systems/pubsub.ts"
import { shared } from "./systems/shared.ts"
import { troupe } from "./systems/troupe.ts"

const concurrency = 1_000
const inputBytes = 100

const flights = [1, 10, 50, 100, 500, 1_000]
const caseOf = (inFlight: number) => `${inFlight} in flight`

/** How long each case is asked, in milliseconds. */
const millisOf = (quick: boolean) => (quick ? 250 : 400)

/** How long a run lasts whose data is looked at. */
const holdMs = 300

/** How often something is looked at meanwhile. */
const lookEvery = "10 millis"

const large = 512 * 1_024
const besides = 50

const cuts = { inFlight: 100, every: "100 millis", millis: 1_000 } as const

/** More in all than Redis holds for a subscriber that does not read (32 MiB). */
const stalled = { count: 500, reply: 100 * 1_024, holdMs: 300, stallMs: 4_000 }

/** What has no answer for so long is lost: Troupe reads again every two seconds. */
const waitMaxMs = 15_000

const less = (name: string, unit: string): Metric => ({ name, unit, better: "less" })
const rate: Metric = { name: "asks", unit: "asks/s", better: "more" }
const p50 = less("p50", "ms")
const p99 = less("p99", "ms")
const longest = less("longest", "ms")
const keysMost = less("keys, at most", "keys")
const heldBytes = less("data, at most", "KiB")
const connections = less("connections", "clients")
const connectionBytes = less("memory of connections", "KiB")
const lost = less("lost", "of 1 000")

const behind = `${besides} in flight, beside replies of ${large / 1_024} KiB`
const cut = `${cuts.inFlight} in flight, the reply connection cut ten times`
const still = `${stalled.count} replies of ${stalled.reply / 1_024} KiB to a process that stands still for ${stalled.stallMs / 1_000} s`

/** What of Redis is not the data. */
const clientsOf = ({ redis }: Stage) =>
  Effect.promise(async () => {
    const text = `${await redis.client.info("clients")}\n${await redis.client.info("memory")}`
    const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1] ?? 0)
    return { count: field("connected_clients"), bytes: field("mem_clients_normal") }
  })

/** Closes the connections on which replies come. */
const cutReplies = ({ redis: { client }, system }: Stage) =>
  Effect.promise(async () => {
    const list = String(await client.client("LIST"))
    const ids = list
      .split("\n")
      .filter((line) => line.includes(` name=${system.repliesOn} `))
      .map((line) => /^id=(\d+)/.exec(line)![1]!)
    await Promise.all(ids.map((id) => client.client("KILL", "ID", id)))
  })

/** Does some work, and says the most that was seen of something meanwhile. */
const watching = <A, E>(look: Effect.Effect<number>, work: Effect.Effect<A, E>) => {
  let most = 0
  const watch = Effect.map(look, (seen) => {
    most = Math.max(most, seen)
  })
  const watched = Effect.forever(Effect.andThen(watch, Effect.sleep(lookEvery)))
  return Effect.map(Effect.raceFirst(work, watched), (value) => ({ value, most }))
}

const perThousand = (some: number, all: number) => (1_000 * some) / (some + all)

const round = Effect.fnUntraced(function* (stage: Stage) {
  const client = yield* stage.start
  const worker = yield* stage.start
  const millis = millisOf(stage.quick)
  yield* worker.call("work", concurrency)
  yield* client.call("ask", { inFlight: 100, inputBytes, millis })
  const measured: Array<Measured> = []
  const note = (name: string, figures: ReadonlyArray<readonly [Metric, number]>) => {
    for (const [metric, value] of figures) measured.push({ case: name, metric, value })
  }

  for (const inFlight of flights) {
    yield* client.call("ask", { inFlight, inputBytes, millis: millis / 4 })
    const asking = client.call("ask", { inFlight, inputBytes, millis })
    const started = performance.now()
    const keysThere = Effect.promise(() => stage.redis.client.dbsize())
    const { most, value } = yield* watching(keysThere, asking)
    const seconds = (performance.now() - started) / 1_000

    const before = yield* stage.redis.usedBytes
    const held = yield* watching(
      stage.redis.usedBytes,
      client.call("ask", { inFlight, inputBytes, millis, count: inFlight, input: { holdMs } })
    )
    const clients = yield* clientsOf(stage)

    note(caseOf(inFlight), [
      [rate, value.count / seconds],
      [p50, value.p50],
      [p99, value.p99],
      [keysMost, most],
      [heldBytes, Math.max(0, held.most - before) / 1_024],
      [connections, clients.count],
      [connectionBytes, clients.bytes / 1_024]
    ])
  }

  const beside = yield* client.call("ask", {
    inFlight: besides,
    inputBytes,
    millis,
    beside: { reply: large }
  })
  note(behind, [
    [p50, beside.p50],
    [p99, beside.p99]
  ])

  const cutting = Effect.forever(Effect.andThen(Effect.sleep(cuts.every), cutReplies(stage)))
  const cutAsks = yield* Effect.raceFirst(
    client.call("ask", {
      inFlight: cuts.inFlight,
      inputBytes,
      millis: cuts.millis,
      waitMaxMs
    }),
    Effect.andThen(Effect.timeoutOption(cutting, cuts.millis), Effect.never)
  )
  note(cut, [
    [rate, cutAsks.count / (cuts.millis / 1_000)],
    [lost, perThousand(cutAsks.lost, cutAsks.count)],
    [longest, cutAsks.longest]
  ])

  const { count, reply, stallMs } = stalled
  const stood = yield* client.call("ask", {
    inFlight: count,
    count,
    inputBytes,
    millis,
    input: { reply, holdMs: stalled.holdMs },
    stallMs,
    waitMaxMs
  })
  note(still, [
    [lost, perThousand(stood.lost, stood.count)],
    [longest, stood.longest]
  ])
  return measured
})

export const replies: Bench = {
  name: "replies",
  says: "how a result gets back: a key per task, pub/sub, a queue per dispatcher, and Troupe's way",
  about: (quick) => [
    `No-op tasks with an input of ${inputBytes} bytes, asked for by one process and run by another, ${concurrency} at a time; each case for ${millisOf(quick) / 1_000} s.`,
    "troupe: the product, with its records, leases, retries and results that are kept. The others pop tasks from a bare list",
    "and keep nothing of them: keys, pubsub and shared reply as their names say, hints as Troupe does."
  ],
  systems: [troupe, hints, keys, pubsub, shared],
  rounds: (quick) => (quick ? 1 : 3),
  round,
  bars: [
    {
      says: "replies that are lost when their connection is cut",
      case: cut,
      metric: lost,
      wanted: { atMost: 0 }
    },
    {
      says: "replies that are lost when their reader stands still",
      case: still,
      metric: lost,
      wanted: { atMost: 0 }
    }
  ]
}
