/**
 * A primary with replicas, and the sentinels that watch them: real processes on ports of their own, to be killed, stopped and
 * started again. When the primary is gone, the sentinels have made a replica the next one within about two seconds.
 */
import { Effect } from "effect"
import { createServer, type AddressInfo } from "node:net"
import { Messages, wordsOf } from "./proxy-frames.ts"
import { aPlace, aRedisProcess, type RedisProcess } from "./redis-process.ts"
import { eventually } from "./waiting.ts"

export interface SentinelSetOptions {
  /** Default 2. */
  readonly replicas?: number
  /** Default 3, any two of which decide. With none nobody takes over. */
  readonly sentinels?: number
  /** Of the primary and the replicas. */
  readonly password?: string
  readonly sentinelPassword?: string
  /** How long a primary may be silent before it counts as gone, in milliseconds, default 500. */
  readonly downAfterMs?: number
}

/** What the sentinels call the primary. */
const name = "troupe-primary"

/**
 * They look after everything far more often than they would by themselves, and never hold still for a busy machine. All in
 * milliseconds. A replica is chosen only if it was heard within five pings, and tells of itself once a second by then.
 */
const pace = [
  ...["INFO-PERIOD", 100, "PING-PERIOD", 300, "ASK-PERIOD", 100],
  ...["ELECTION-TIMEOUT", 1_000, "TILT-TRIGGER", 60_000, "TILT-PERIOD", 1_000]
]

/**
 * How often they tell each other what they know: at first so that they meet, and then so that one who promotes a replica on
 * demand has told so before the others make it a replica again, which they do after four times as long.
 */
const meeting = ["PUBLISH-PERIOD", 100]
const met = ["PUBLISH-PERIOD", 500]

/** Fields and values as Redis lists them. */
const fieldsOf = (flat: ReadonlyArray<string>) =>
  Object.fromEntries(flat.flatMap((text, at) => (at % 2 === 0 ? [[text, flat[at + 1]!]] : [])))

/** Succeeds once the sentinels know each other and all replicas. */
export const aSentinelSet = Effect.fnUntraced(function* ({
  downAfterMs = 500,
  password,
  replicas: replicaCount = 2,
  sentinelPassword,
  sentinels: sentinelCount = 3
}: SentinelSetOptions = {}) {
  const place = yield* aPlace
  const own = [
    ...[
      "appendonly yes",
      "appendfsync no",
      `save ""`,
      "repl-diskless-sync-delay 0",
      "repl-ping-replica-period 1"
    ],
    ...(password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`])
  ]
  const first = yield* aRedisProcess(place, { lines: () => own, password })
  const others = yield* Effect.all(
    Array.from({ length: replicaCount }, () =>
      aRedisProcess(place, { lines: () => [...own, `replicaof 127.0.0.1 ${first.port}`], password })
    ),
    { concurrency: "unbounded" }
  )
  const servers = [first, ...others]

  /** Waits until so many replicas of `primary` have all it has, and take what comes. */
  const following = (primary: RedisProcess, count: number) =>
    Effect.promise(() =>
      eventually(`${count} replicas to follow`, async () => {
        const states = (await primary.client.info("replication")).match(/state=online/g)
        return (states?.length ?? 0) === count ? true : undefined
      })
    )
  yield* following(first, replicaCount)

  const sentinels = yield* Effect.all(
    Array.from({ length: sentinelCount }, () =>
      aRedisProcess(place, {
        sentinel: true,
        password: sentinelPassword,
        lines: () => [
          ...(sentinelPassword === undefined
            ? []
            : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
          `sentinel monitor ${name} 127.0.0.1 ${first.port} 2`,
          `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
          `sentinel failover-timeout ${name} 1500`,
          `sentinel parallel-syncs ${name} ${replicaCount}`,
          ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${password}`])
        ]
      })
    ),
    { concurrency: "unbounded" }
  )
  const ask = (sentinel: RedisProcess, ...words: ReadonlyArray<string | number>) =>
    sentinel.client.call("sentinel", ...words)
  const debugAll = (...said: typeof pace) =>
    Effect.promise(() => Promise.all(sentinels.map((sentinel) => ask(sentinel, "DEBUG", ...said))))
  yield* debugAll(...pace, ...meeting)
  yield* Effect.promise(() =>
    eventually("the sentinels to know each other", async () => {
      const known = await Promise.all(
        sentinels.map(async (sentinel) => {
          const said = fieldsOf((await ask(sentinel, "MASTER", name)) as ReadonlyArray<string>)
          return `${said["flags"]} ${said["num-slaves"]} ${said["num-other-sentinels"]}`
        })
      )
      return known.every((said) => said === `master ${replicaCount} ${sentinelCount - 1}`) ? true : undefined
    })
  )
  yield* debugAll(...met)

  const named = async (sentinel: RedisProcess) => {
    const [, port] = (await ask(sentinel, "get-master-addr-by-name", name)) as [string, string]
    return servers.find((server) => server.port === Number(port))!
  }
  /** What all sentinels that live call the primary, once that is one server which is not `before` and says so itself. */
  const promoted = (before?: RedisProcess) =>
    Effect.promise(() =>
      eventually("a new primary", async () => {
        const [one, ...more] = await Promise.all(sentinels.filter((each) => each.answers()).map(named))
        if (one === undefined || one === before || more.some((other) => other !== one)) return undefined
        return (await one.told("role")) === "master" ? one : undefined
      })
    )
  const query = sentinelPassword === undefined ? "" : `?sentinelPassword=${sentinelPassword}`
  const login = password === undefined ? "" : `:${password}@`
  const urlVia = (hosts: ReadonlyArray<string>, master = name) =>
    `redis+sentinel://${login}${hosts.join(",")}/${master}${query}`

  return {
    name,
    url: urlVia(sentinels.map(({ host }) => host)),
    /** The same by other sentinels, or for another name. */
    urlVia,
    /** The primary at the start, and the replicas. */
    first,
    servers,
    sentinels,
    /** The one that all sentinels name. */
    primary: promoted(),
    promoted,
    following,
    /** Kills the primary, and succeeds with the next one. */
    failOver: Effect.gen(function* () {
      const before = yield* promoted()
      yield* before.kill
      return { before, after: yield* promoted(before) }
    }),
    /** Has the sentinels make another server the primary though this one lives. */
    switchOver: Effect.promise(() => ask(sentinels[0]!, "FAILOVER", name)),
    /** Waits until `server` is a replica that has all its primary has. */
    demoted: (server: RedisProcess) =>
      Effect.promise(() =>
        eventually("the old primary to follow", async () =>
          (await server.told("role")) === "slave" && (await server.told("master_link_status")) === "up"
            ? true
            : undefined
        )
      )
  }
})

export type SentinelSet = Effect.Success<ReturnType<typeof aSentinelSet>>

/** A sentinel that says whatever it is to say: which port of this machine it calls the primary. */
export const aMistakenSentinel = Effect.fnUntraced(function* (port: () => number) {
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
  const list = (...texts: ReadonlyArray<string>) => `*${texts.length}\r\n${texts.map(bulk).join("")}`
  const answerTo = (words: ReadonlyArray<string>): string => {
    const [word = ""] = words
    switch (words.slice(0, 2).join(" ").toLowerCase()) {
      case "sentinel get-master-addr-by-name":
        return list("127.0.0.1", String(port()))
      case "sentinel master":
        return list(
          ...["name", words[2]!, "ip", "127.0.0.1", "port", String(port())],
          ...["flags", "master", "config-epoch", "0"]
        )
      default:
        return word.toLowerCase() === "client"
          ? "+OK\r\n"
          : `-ERR unknown command '${word.toUpperCase()}'\r\n`
    }
  }
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((client) => {
        const messages = new Messages()
        client.on("error", () => {})
        client.on("data", (data) => {
          for (const request of messages.push(data as Buffer)) client.write(answerTo(wordsOf(request)))
        })
      })
      const { promise, resolve } = Promise.withResolvers<void>()
      server.listen(0, "127.0.0.1", resolve)
      await promise
      return server
    }),
    (server) => Effect.sync(() => void server.close())
  )
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
})
