/** What a Redis server says of itself, also one that we would refuse to use: for whoever looks for what is wrong. */
import { Clock, Effect } from "effect"
import type { Redis } from "ioredis"
import type { RedisUnusable, ServerAddress } from "./address.ts"
import { briefly } from "./briefly.ts"
import { infoFields } from "./info.ts"
import { checkDatabase } from "./server.ts"

/** How many round trips and script calls are timed. */
const timed = 20

/** How long the server may take for any of it, in milliseconds. */
const answerMaxMs = 3_000

/** Milliseconds of some calls: the one in the middle, and the longest. */
export interface Timing {
  readonly medianMs: number
  readonly maxMs: number
}

export interface Examination {
  readonly version: string
  readonly role: string
  /** How many replicas are connected to it. */
  readonly replicas: number
  /** `noeviction`, or what it throws away when its memory is full. */
  readonly policy: string
  readonly usedBytes: number
  /** 0 where there is no limit. */
  readonly maxBytes: number
  readonly aof: boolean
  /** `always`, `everysec` or `no`; absent where the server does not tell. */
  readonly fsync?: string
  /** The rule by which it writes snapshots, empty for never; absent where the server does not tell. */
  readonly snapshots?: string
  /** Whether what it wrote last to disk was written. */
  readonly diskOk: boolean
  /** How far its clock is ahead of ours, give or take half a round trip. */
  readonly clockAheadMs: number
  readonly roundTrip: Timing
  readonly script: Timing
  readonly clients: number
}

const timing = async (call: () => Promise<unknown>, now: () => number): Promise<Timing> => {
  const taken: Array<number> = []
  for (let at = 0; at < timed; at++) {
    const start = now()
    await call()
    taken.push(now() - start)
  }
  taken.sort((one, other) => one - other)
  return { medianMs: taken[timed / 2]!, maxMs: taken[timed - 1]! }
}

const ask = async (client: Redis, now: () => number): Promise<Examination> => {
  await checkDatabase(client)
  const told = infoFields(await client.info())
  const field = (name: string) => told(name) ?? ""
  // A managed Redis may not tell its configuration.
  const config = async (name: string) =>
    client.config("GET", name).then(
      (reply) => (reply as ReadonlyArray<string>)[1],
      () => undefined
    )
  const [fsync, snapshots] = [await config("appendfsync"), await config("save")]
  const roundTrip = await timing(() => client.ping(), now)
  const script = await timing(() => client.eval("return redis.call('TIME')", 0), now)
  const before = now()
  const [seconds = 0, micros = 0] = (await client.time()).map(Number)
  const between = (before + now()) / 2
  return {
    version: field("redis_version"),
    role: field("role"),
    replicas: Number(field("connected_slaves")),
    policy: field("maxmemory_policy") || "noeviction",
    usedBytes: Number(field("used_memory")),
    maxBytes: Number(field("maxmemory")),
    aof: field("aof_enabled") === "1",
    ...(fsync === undefined ? {} : { fsync }),
    ...(snapshots === undefined ? {} : { snapshots }),
    diskOk: field("aof_last_write_status") !== "err" && field("rdb_last_bgsave_status") !== "err",
    clockAheadMs: seconds * 1_000 + micros / 1_000 - between,
    roundTrip,
    script,
    clients: Number(field("connected_clients"))
  }
}

/** Looks at a server over a connection of its own. Fails when it does not answer, or refuses us. */
export const examine = (address: ServerAddress): Effect.Effect<Examination, RedisUnusable> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
    return yield* briefly(address, (client) => ask(client, now), {
      connectionName: "troupe-doctor",
      connectTimeout: answerMaxMs,
      commandTimeout: answerMaxMs
    })
  })
