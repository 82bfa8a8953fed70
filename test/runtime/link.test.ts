import { describe, expect, test } from "bun:test"
import { Duration, Effect, Exit, Fiber, Logger, Redacted, References, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Redis } from "ioredis"
import { readAddress } from "../../runtime/redis/address.ts"
import { callMaxMs, type LinkOptions, openLink, type RedisError } from "../../runtime/redis/link.ts"
import { Complaints, makeComplaints } from "../../runtime/telemetry/complaints.ts"
import { it } from "../support/effect.ts"
import { addressOf, aFreePort, aServer } from "../support/server.ts"

const link = (address: LinkOptions["address"], over: Partial<LinkOptions> = {}) =>
  openLink({ name: "link", address, ...over })

const ping = (client: Redis) => client.ping()

/** Says it again until it succeeds, as every caller of a link does. */
const insist = <A>(call: Effect.Effect<A, RedisError>) => Effect.retry(call, { times: 50 })

/** The ids of the link's connections, as the server sees them. */
const connections = async (client: Redis): Promise<ReadonlyArray<string>> =>
  String(await client.client("LIST"))
    .split("\n")
    .filter((line) => line.includes(" name=link "))
    .map((line) => /^id=(\d+)/.exec(line)![1]!)

/** Waits until the link has seen that its connection is gone. */
const seenGone = (call: Effect.Effect<unknown, RedisError>) =>
  Effect.repeat(Effect.exit(call), { until: Exit.isFailure })

/** Many of these tests make Redis go away, and need not read about it. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

describe("a link", () => {
  it.live("fails what is on its way as soon as Redis is killed", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { call } = yield* link(server.address)
      const onItsWay = yield* Effect.forEach(
        Array.from({ length: 20 }, () => call((client) => client.blpop("nothing", 0))),
        (call) => Effect.forkChild(call, { startImmediately: true })
      )

      const [took, exits] = yield* server.kill.pipe(
        Effect.andThen(Effect.forEach(onItsWay, (fiber) => Fiber.await(fiber))),
        Effect.timed
      )

      expect(exits.filter(Exit.isSuccess)).toEqual([])
      expect(Duration.toMillis(took)).toBeLessThan(callMaxMs / 2)
    }).pipe(quietly)
  )

  it.live("works again once Redis was started again", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { built, call } = yield* link(server.address)
      yield* server.kill
      yield* server.start

      expect(yield* insist(call(ping))).toBe("PONG")
      expect(built()).toBe(2)
    }).pipe(quietly)
  )

  it.live("lets a call wait for Redis to come back", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { call } = yield* link(server.address)
      yield* server.kill
      yield* seenGone(call(ping, 20))
      const waiting = yield* Effect.forkChild(call(ping), { startImmediately: true })

      yield* server.start

      expect(yield* Fiber.join(waiting)).toBe("PONG")
    }).pipe(quietly)
  )

  it.live("gives up a call at its limit when Redis does not come back", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { call } = yield* link(server.address)
      yield* server.kill

      const [took, error] = yield* Effect.timed(Effect.flip(call(ping, 100)))

      expect(error.message).toBe("no answer within 100 ms")
      expect(Duration.toMillis(took)).toBeLessThan(callMaxMs / 2)
    }).pipe(quietly)
  )

  it.live("gives up a call at its limit when Redis is frozen, and goes on with a fresh client", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { built, call } = yield* link(server.address)
      yield* server.freeze

      const [took, error] = yield* Effect.timed(Effect.flip(call(ping, 100)))
      yield* server.thaw

      expect(error.message).toBe("no answer within 100 ms")
      expect(Duration.toMillis(took)).toBeLessThan(callMaxMs / 2)
      expect(yield* insist(call(ping))).toBe("PONG")
      expect(built()).toBe(2)
    }).pipe(quietly)
  )

  it.live("heals whenever its connection is closed, and leaves none behind", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const client = yield* server.client
      const { built, call } = yield* link(server.address)
      for (let times = 1; times <= 5; times++) {
        const id = yield* insist(call((client) => client.client("ID")))
        yield* Effect.promise(() => client.client("KILL", "ID", id))
        // A call that meets the closing connection fails; the next ones wait for a fresh one.
        yield* Effect.repeat(insist(call(ping)), { until: () => built() === times + 1 })
      }
      expect(yield* Effect.promise(() => connections(client))).toHaveLength(1)
    }).pipe(quietly)
  )

  it.live("sends nothing again by itself", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const client = yield* server.client
      const { call } = yield* link(server.address)
      yield* server.freeze
      const lost = yield* Effect.forkChild(Effect.exit(call((client) => client.incr("count"), 200)))
      yield* Fiber.join(lost)
      yield* server.thaw

      yield* insist(call(ping))

      // The one that was sent may run late, once; it is not said a second time.
      expect(Number(yield* Effect.promise(() => client.get("count")))).toBeLessThanOrEqual(1)
    }).pipe(quietly)
  )

  it.live("goes on with other calls when one is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { built, call } = yield* link(server.address)
      const interrupted = yield* Effect.forkChild(
        call((client) => client.get("some")),
        { startImmediately: true }
      )
      const other = yield* Effect.forkChild(call(ping), { startImmediately: true })
      yield* Fiber.interrupt(interrupted)

      expect(yield* Fiber.join(other)).toBe("PONG")
      expect(yield* call(ping)).toBe("PONG")
      expect(built()).toBe(1)
    })
  )

  it.live("tells what Redis refused, and keeps its connection", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const { built, call } = yield* link(server.address)

      const error = yield* Effect.flip(call((client) => client.call("nonsense")))

      expect(error.message).toContain("unknown command")
      expect(yield* call(ping)).toBe("PONG")
      expect(built()).toBe(1)
    })
  )

  it.live("leaves a server that has become a replica, and comes back when it is none", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const client = yield* server.client
      const { built, call } = yield* link(server.address)
      yield* Effect.promise(() => client.replicaof("127.0.0.1", aFreePort()))

      const refused = yield* Effect.flip(call((client) => client.set("some", "thing")))
      expect(refused.message).toContain("READONLY")
      expect((yield* Effect.flip(call(ping, 100))).message).toBe("no answer within 100 ms")
      yield* Effect.promise(() => client.replicaof("NO", "ONE"))

      expect(yield* insist(call((client) => client.set("some", "thing")))).toBe("OK")
      expect(built()).toBe(2)
    }).pipe(quietly)
  )

  it.live("closes its connection with its scope, and fails who calls it afterwards", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const client = yield* server.client
      const { call } = yield* Effect.scoped(link(server.address))

      expect(Exit.isFailure(yield* Effect.exit(call(ping)))).toBe(true)
      yield* Effect.repeat(
        Effect.promise(() => connections(client)),
        { until: (left) => left.length === 0 }
      )
    })
  )

  it.live("prepares every fresh client, and says which is the first", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const prepared: Array<boolean> = []
      const onConnect = async (client: Redis, first: boolean) => {
        prepared.push(first)
        await client.ping()
      }
      const { call } = yield* link(server.address, { onConnect })
      yield* server.kill
      yield* server.start

      yield* insist(call(ping))

      expect(prepared).toEqual([true, false])
    }).pipe(quietly)
  )
})

describe("the links of a process whose Redis is gone", () => {
  it.effect("say so once of each cause, all together, and once when it is over", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      const server = yield* aServer()
      let now = 0
      const calls = yield* Effect.forEach(["bell", "bell", "orders"], (name) =>
        Effect.map(openLink({ name, address: server.address }), ({ call }) => call)
      ).pipe(
        Effect.provide(log),
        Effect.provideService(
          Complaints,
          makeComplaints(() => now)
        )
      )
      /** Lets attempts be made, each of which takes its time of the real clock; the log's clock goes along. */
      const passes = (isOver: () => boolean) =>
        Effect.repeat(
          Effect.andThen(
            TestClock.adjust("1 second"),
            Effect.promise(() => {
              now += 1_000
              return Bun.sleep(1)
            })
          ),
          { until: isOver }
        )
      const backs = () => lines.filter((line) => line.startsWith("Redis is back"))

      yield* server.kill
      for (let attempts = 0; attempts < 10; attempts++) yield* passes(() => true)
      yield* passes(() => lines.length >= 2)
      expect(lines[0]).toBe("Redis is gone: a connection was lost")
      expect(lines[1]).toStartWith("Redis is gone: no Redis answers at ")
      expect(lines).toEqual([...new Set(lines)])

      yield* server.start
      // An attempt that was on its way may have failed since.
      yield* passes(() => backs().length > 0)
      for (let seconds = 0; seconds < 15; seconds++) yield* passes(() => true)
      expect(backs()).toHaveLength(1)
      for (const call of calls) expect(yield* call(ping)).toBe("PONG")
    })
  )
})

describe("a link is not opened", () => {
  /** What opening a link to it fails with, without waiting for the times that lie between its attempts. */
  const refusal = (address: LinkOptions["address"]) =>
    Effect.gen(function* () {
      const opening = yield* Effect.forkChild(Effect.flip(link(address)), { startImmediately: true })
      while (opening.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(() => Bun.sleep(1))
      }
      return yield* Fiber.join(opening)
    })

  it.effect("where nobody listens", () =>
    Effect.gen(function* () {
      const port = aFreePort()

      const error = yield* refusal({ host: "127.0.0.1", port })

      expect(error.problem).toBe("unreachable")
      expect(error.message).toStartWith(`no Redis answers at 127.0.0.1:${port}: `)
    })
  )

  it.effect("where there is no socket", () =>
    Effect.gen(function* () {
      const error = yield* refusal({ path: "/nowhere/redis.sock" })

      expect(error.problem).toBe("unreachable")
      expect(error.message).toStartWith("no Redis answers at /nowhere/redis.sock: ")
    })
  )

  it.effect("where somebody listens who says nothing", () =>
    Effect.gen(function* () {
      const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
      yield* Effect.addFinalizer(() => Effect.sync(() => listener.stop(true)))

      const error = yield* refusal({ host: "127.0.0.1", port: listener.port })

      expect(error.problem).toBe("unreachable")
      expect(error.message).toEndWith(": no answer")
    })
  )

  it.effect("to a Redis that asks for a password that was not given", () =>
    Effect.gen(function* () {
      const server = yield* aServer("--requirepass", "secret")

      const error = yield* refusal(server.address)

      expect(error.problem).toBe("password")
      expect(error.message).toContain("refuses the user or password of REDIS_URL: NOAUTH")
    })
  )

  it.effect("to a Redis that asks for another password", () =>
    Effect.gen(function* () {
      const port = aFreePort()
      yield* aServer("--requirepass", "secret", "--port", String(port))

      const error = yield* refusal(addressOf(`redis://:guess@127.0.0.1:${port}`))

      expect(error.problem).toBe("password")
      expect(error.message).toContain("WRONGPASS")
      expect(error.message).not.toContain("guess")
    })
  )

  it.live("is opened with the right password", () =>
    Effect.gen(function* () {
      const port = aFreePort()
      yield* aServer("--requirepass", "se:cr@t", "--port", String(port))

      const { call } = yield* link(addressOf(`redis://:${encodeURIComponent("se:cr@t")}@127.0.0.1:${port}`))

      expect(yield* call(ping)).toBe("PONG")
    })
  )

  it.effect("to a Redis that is too old", () =>
    Effect.gen(function* () {
      const info =
        "# Server\r\nredis_version:6.2.14\r\nloading:0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n"
      const answer = (command: string) =>
        command === "hello"
          ? "-NOPROTO unsupported protocol version\r\n"
          : command === "info"
            ? `$${info.length}\r\n${info}\r\n`
            : "+OK\r\n"
      const port = yield* aStandIn(answer)

      const error = yield* refusal({ host: "127.0.0.1", port })

      expect(error.problem).toBe("too-old")
      expect(error.message).toContain("it is 6.2.14; use 7.0 or newer")
    })
  )

  it.effect("to a Redis that throws keys away when it is full", () =>
    Effect.gen(function* () {
      const server = yield* aServer("--maxmemory-policy", "allkeys-lru")

      const error = yield* refusal(server.address)

      expect(error.problem).toBe("evicts")
      expect(error.message).toContain("maxmemory-policy is allkeys-lru")
      expect(error.message).toContain("config set maxmemory-policy noeviction")
    })
  )

  it.effect("to a database that the server does not have, in place of which it would use the first", () =>
    Effect.gen(function* () {
      const server = yield* aServer("--databases", "4")

      const error = yield* refusal({ ...server.address, db: 4 })

      expect(error.problem).toBe("address")
      expect(error.message).toBe("REDIS_URL cannot be used: no database 4: ERR DB index is out of range")
      yield* Effect.scoped(link({ ...server.address, db: 3 }))
    })
  )

  it.effect("to a replica", () =>
    Effect.gen(function* () {
      const port = aFreePort()
      yield* aServer("--port", String(port))
      const replica = yield* aServer("--replicaof", "127.0.0.1", String(port))

      const error = yield* refusal(replica.address)

      expect(error.problem).toBe("replica")
      expect(error.message).toContain("use the address of its primary")
    })
  )
})

/** A server that is no Redis, and answers each command, by its name, as it is told. Succeeds with its port. */
const aStandIn = Effect.fnUntraced(function* (answer: (command: string) => string) {
  const listener = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          // Commands come as RESP arrays, whole ones here: `*<n>` and then, for each word, `$<length>` and the word.
          data: (socket, bytes) => {
            for (const [, command] of bytes.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
              socket.write(answer(command!.toLowerCase()))
            }
          }
        }
      })
    ),
    (listener) => Effect.sync(() => listener.stop(true))
  )
  return listener.port
})

describe("an address", () => {
  const read = (url: string) => readAddress(Redacted.make(url))

  test.each([
    ["redis://localhost", { host: "localhost", port: 6379, db: 0 }],
    ["redis://127.0.0.1:7000/3", { host: "127.0.0.1", port: 7000, db: 3 }],
    ["redis://[::1]:7000", { host: "::1", port: 7000, db: 0 }],
    ["redis://me:se%3Acret@host", { host: "host", port: 6379, db: 0, username: "me", password: "se:cret" }],
    ["rediss://host", { host: "host", port: 6379, db: 0, tls: {} }],
    ["unix:/run/redis.sock", { path: "/run/redis.sock" }],
    ["unix:///run/redis.sock", { path: "/run/redis.sock" }],
    ["unix:./redis.sock", { path: "./redis.sock" }],
    [
      "redis+sentinel://a,b:26380,[::1]:80/my%20master/2",
      {
        sentinels: [
          { host: "a", port: 26_379 },
          { host: "b", port: 26_380 },
          { host: "::1", port: 80 }
        ],
        name: "my master",
        sentinelLogin: {},
        login: { db: 2 }
      }
    ],
    [
      "rediss+sentinel://me:a%2Fb@a/m?sentinelUsername=s&sentinelPassword=%3F",
      {
        sentinels: [{ host: "a", port: 26_379 }],
        name: "m",
        sentinelLogin: { username: "s", password: "?", tls: {} },
        login: { username: "me", password: "a/b", tls: {}, db: 0 }
      }
    ],
    [
      "redis+cluster://a,b:7001",
      {
        nodes: [
          { host: "a", port: 6379 },
          { host: "b", port: 7001 }
        ],
        login: {}
      }
    ],
    [
      "rediss+cluster://:secret@a:7000/",
      { nodes: [{ host: "a", port: 7000 }], login: { password: "secret", tls: {} } }
    ]
  ])("is read from %s", (url, address) => {
    expect(Result.getOrThrow(read(url))).toEqual(address)
  })

  test.each([
    ["", "it is not a URL such as redis://127.0.0.1:6379"],
    ["localhost", "it is not a URL such as redis://127.0.0.1:6379"],
    [
      "localhost:6379",
      "it starts with localhost:; use redis://, rediss://, unix:, redis+sentinel:// or redis+cluster://"
    ],
    [
      "http://localhost",
      "it starts with http:; use redis://, rediss://, unix:, redis+sentinel:// or redis+cluster://"
    ],
    ["redis://localhost/tasks", `"tasks" is not the number of a database`],
    ["redis://me:%E0%A4%A@host", "its user or password is not percent-encoded"],
    ["redis+cluster://", `"" is not host:port`],
    ["redis+cluster://a,b:x", `"b:x" is not host:port`],
    ["redis+cluster://a/1", "a cluster has database 0 only"],
    ["redis+cluster://a?name=x", `it takes no parameter "name"`],
    ["redis+sentinel://a,,b/m", `"" is not host:port`],
    [
      "redis+sentinel://a,b",
      "it wants the name of the primary, as in redis+sentinel://host:26379,other:26379/mymaster"
    ],
    ["redis+sentinel://a/m/x", `"x" is not the number of a database`],
    [
      "redis+sentinel://a/m?password=x",
      `"password" is none of its parameters, sentinelUsername and sentinelPassword`
    ],
    ["unix:", "unix: wants a path, as in unix:/run/redis.sock"],
    ["unix:redis.sock", "unix: wants a path, as in unix:/run/redis.sock"]
  ])(`is not "%s"`, (url, detail) => {
    expect(Result.getOrThrow(Result.flip(read(url))).message).toBe(`REDIS_URL cannot be used: ${detail}`)
  })
})
