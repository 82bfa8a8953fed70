import { describe, expect } from "bun:test"
import { Context, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import type { Redis } from "ioredis"
import { Shutdown } from "../../../actors/shutdown.ts"
import { Follow } from "../../../actors/follow/follow.ts"
import * as Server from "../../../api/http/server.ts"
import { Settings, type SettingsShape } from "../../../runtime/config.ts"
import { partitionKeys } from "../../../runtime/keys.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Store } from "../../../runtime/store.ts"
import { apiOn, jsonBody, memoryApi, redisApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { aCaller } from "../../support/socket.ts"
import { aClient, partition } from "../../support/stores.ts"
import { aTask, submit } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

/** A server of the test's own, until the test or `scope` ends. */
const aServer = Effect.fnUntraced(function* (
  options: Server.ServerOptions = {},
  over: Partial<SettingsShape> = {}
) {
  const settings = { ...(yield* Settings), grace: Duration.zero, ...over }
  const context = yield* Layer.build(
    Server.layerWith(options).pipe(
      Layer.provideMerge(Shutdown.layer),
      Layer.provide(Layer.succeed(Settings, settings))
    )
  )
  return { ...Context.get(context, Server.HttpServer), ...Context.get(context, Shutdown) }
})

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

/** A task that a worker runs, and where its events are. */
const aRun = Effect.gen(function* () {
  yield* submit(aTask())
  const run = yield* (yield* aWorker()).claimOne
  return { run, path: `/v1/tasks/${run.id}/events` }
})

/** Waits until something holds, for as long as a test may take. */
const until = Effect.fnUntraced(function* <E, R>(holds: Effect.Effect<boolean, E, R>) {
  while (!(yield* holds)) yield* Effect.sleep(2)
})

const nobodyFollows = until(
  Effect.flatMap(Follow, ({ topics }) => Effect.map(topics, (count) => count === 0))
)

describe("a server", () => {
  it.live("listens on a free port of this machine, and says where", () =>
    Effect.gen(function* () {
      const { port, url } = yield* aServer()

      expect(url).toBe(`http://127.0.0.1:${port}`)
      expect((yield* Effect.promise(() => fetch(`${url}/healthz`))).status).toBe(200)
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("listens wherever only this machine can reach it", () =>
    Effect.gen(function* () {
      for (const host of ["localhost", "127.0.0.2", "::1"]) {
        const { url } = yield* aServer({}, { host })

        expect((yield* Effect.promise(() => fetch(`${url}/healthz`))).status).toBe(200)
      }
    }).pipe(Effect.provide(memoryApi))
  )

  for (const host of [
    "0.0.0.0",
    "::",
    "192.168.1.7",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "example.com",
    "127.0.0.1.example.com"
  ]) {
    it.live(`does not start on ${host}, where others could reach it`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(aServer({}, { host }))

        expect(error).toMatchObject({ _tag: "SettingsError", setting: "TROUPE_HOST" })
        expect(error.message).toContain(`"${host}" can be reached from other machines`)
      }).pipe(Effect.provide(memoryApi))
    )
  }

  it.live("does not start on a port where somebody else listens", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()

      const error = yield* Effect.flip(aServer({}, { port }))

      expect(error).toMatchObject({
        _tag: "SettingsError",
        setting: "TROUPE_PORT",
        reason: `cannot listen on 127.0.0.1 port ${port}: somebody else listens there`
      })
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("says to HEAD how long the answer to GET is, and nothing where that is not known", () =>
    Effect.gen(function* () {
      const { url } = yield* aServer()
      const length = (path: string, method: "GET" | "HEAD") =>
        Effect.promise(async () => {
          const answer = await fetch(`${url}${path}`, { method })
          await answer.body?.cancel()
          return answer.headers.get("content-length")
        })
      const { path, run } = yield* aRun
      yield* run.succeed("x".repeat(10_000))

      for (const there of [
        "/healthz",
        "/v1/stats",
        "/nowhere",
        "/v1/tasks/x",
        `/v1/tasks/${run.id}/result`
      ]) {
        const get = yield* length(there, "GET")
        expect(Number(get)).toBeGreaterThan(0)
        expect(yield* length(there, "HEAD")).toBe(get)
      }
      expect(yield* length(path, "HEAD")).toBeNull()
    }).pipe(Effect.provide(memoryApi))
  )

  for (const [how, headers, body] of [
    ["says that it is", { "content-length": "300000000" }, "{"],
    [
      "does not say how large it is",
      { "transfer-encoding": "chunked" },
      `200000\r\n${" ".repeat(0x200000)}\r\n`
    ]
  ] as const) {
    it.live(`refuses a body that is too large and ${how}, before its end`, () =>
      Effect.gen(function* () {
        const { port } = yield* aServer()
        const json = { "content-type": "application/json" }

        const answer = yield* aCaller({
          port,
          method: "POST",
          path: "/v1/tasks",
          headers: { ...json, ...headers },
          body
        })

        expect(yield* answer.status).toBe(413)
        yield* answer.rest
        expect(JSON.parse(answer.text())).toMatchObject({ type: "body-too-large" })
      }).pipe(Effect.provide(memoryApi))
    )
  }
})

describe("a server that stops", () => {
  /** A server in a scope that the test closes. */
  const aStoppable = Effect.fnUntraced(function* (settings: Partial<SettingsShape> = {}) {
    const scope = yield* Scope.make()
    const { hurry, port } = yield* aServer({}, settings).pipe(Scope.provide(scope))
    return { port, hurry, stop: Scope.close(scope, Exit.void) }
  })

  /** An upload of which the server has the first half. */
  const halfAnUpload = Effect.fnUntraced(function* (port: number) {
    const half = yield* aCaller({
      port,
      method: "POST",
      path: "/v1/files",
      headers: { "content-length": "6" },
      body: "abc"
    })
    // The server has the first half once it answers what came after it.
    yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/healthz`))
    return half
  })

  it.live("ends its streams, and takes no new connections", () =>
    Effect.gen(function* () {
      const { port, stop } = yield* aStoppable()
      const { path, run } = yield* aRun
      yield* run.chunks("a")
      const { rest, take } = yield* aCaller({ port, path })
      yield* take(2)

      yield* stop

      // It has no id: a client comes back with the last one it has.
      expect(yield* rest).toEqual([{ event: "away", data: { reason: expect.any(String) } }])
      yield* nobodyFollows
      expect(
        yield* Effect.flip(Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/healthz`)))
      ).toBeDefined()
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("lets a request finish", () =>
    Effect.gen(function* () {
      const { port, stop } = yield* aStoppable()
      const half = yield* halfAnUpload(port)
      const stopping = yield* Effect.forkScoped(stop, { startImmediately: true })

      half.socket.write("def")

      expect(yield* half.status).toBe(201)
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("waits for no request once somebody is in a hurry", () =>
    Effect.gen(function* () {
      const { hurry, port, stop } = yield* aStoppable({ grace: Duration.hours(1) })
      const half = yield* halfAnUpload(port)
      const stopping = yield* Effect.forkScoped(stop, { startImmediately: true })

      hurry()

      yield* half.closed
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("is not ready at first, and does all that it did", () =>
    Effect.gen(function* () {
      const { hurry, port, stop } = yield* aStoppable({ grace: Duration.hours(1) })
      const url = `http://127.0.0.1:${port}`
      const ask = (path: string, init?: RequestInit) => Effect.promise(() => fetch(`${url}${path}`, init))
      const { path, run } = yield* aRun
      const { rest } = yield* aCaller({ port, path })
      const waiting = yield* Effect.forkScoped(ask(`/v1/tasks/${run.id}/result?waitMs=60000`), {
        startImmediately: true
      })
      yield* ask("/healthz")
      const stopping = yield* Effect.forkScoped(stop, { startImmediately: true })

      const ready = yield* ask("/readyz")
      expect({ status: ready.status, again: ready.headers.get("retry-after") }).toEqual({
        status: 503,
        again: "1"
      })
      const submitted = yield* ask("/v1/tasks", jsonBody({ name: "test", input: 1 }))
      expect(submitted.status).toBe(202)
      expect((yield* ask(`/v1/tasks/${run.id}`)).status).toBe(200)
      // Who waits, and who follows, still hears of the end.
      yield* run.succeed("done")
      expect((yield* Fiber.join(waiting)).status).toBe(200)
      expect((yield* rest).at(-1)).toMatchObject({ event: "end" })

      hurry()
      yield* Fiber.join(stopping)
      expect(yield* Effect.flip(Effect.tryPromise(() => fetch(`${url}/healthz`)))).toBeDefined()
    }).pipe(Effect.provide(memoryApi))
  )
})

describe("a stream of events over the wire", () => {
  it.live(
    "resumes where it was cut, again and again, without a gap or a repetition",
    () =>
      Effect.gen(function* () {
        const { port } = yield* aServer()
        const { path, run } = yield* aRun
        const seen: Array<string> = []
        const total = 300
        const work = Effect.gen(function* () {
          for (let n = 1; n <= total; n += 3) {
            yield* run.chunks(n, n + 1, n + 2)
            yield* Effect.sleep(1)
          }
          yield* run.succeed("done")
        })
        yield* Effect.forkScoped(work)

        // Each connection is cut after a few frames, whatever is on its way then.
        for (let connection = 0; seen.at(-1) !== "1-end"; connection++) {
          const last = seen.at(-1)
          const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": last }
          const caller = aCaller({ port, path, headers })
          const frames = yield* Effect.scoped(
            Effect.flatMap(caller, ({ take }) => take(1 + (connection % 40)))
          )
          seen.push(...frames.flatMap(({ id }) => id ?? []))
        }

        expect(seen).toEqual([...numbers(1, total).map((n) => `1-${n}`), "1-end"])
      }).pipe(Effect.provide(redisApi)),
    20_000
  )

  it.live("leaves nothing behind in this process and in Redis when its client goes", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()
      const { path, run } = yield* aRun
      yield* run.chunks("a")
      const redis: Redis = yield* aClient
      const { watched } = partitionKeys((yield* Settings).namespace, partition)
      const watchers = Effect.promise(() => redis.hlen(watched))
      const { socket, take } = yield* aCaller({ port, path })
      yield* take(2)
      yield* until(Effect.map(watchers, (count) => count === 1))

      socket.terminate()

      yield* nobodyFollows
      yield* until(Effect.map(watchers, (count) => count === 0))
    }).pipe(Effect.provide(redisApi))
  )

  it.live(
    "is read from the store no faster than its client reads it",
    () => {
      let read = 0
      const counted = Layer.effect(
        Store,
        Store.useSync((store) =>
          Store.of({
            ...store,
            events: (...args) =>
              Effect.tap(store.events(...args), ({ length }) => Effect.sync(() => void (read += length)))
          })
        )
      ).pipe(Layer.provideMerge(Memory.layer))
      return Effect.gen(function* () {
        const { port } = yield* aServer()
        const { path, run } = yield* aRun
        const large = "x".repeat(100_000)
        const total = 400
        for (let n = 0; n < total; n += 50) yield* run.chunks(...numbers(1, 50).map(() => large))
        yield* run.succeed("done")
        const { bytes, rest, socket } = yield* aCaller({ port, path })
        socket.pause()
        // What is between here and there is full when no more is read.
        let before = -1
        while (read === 0 || read !== before) {
          before = read
          yield* Effect.sleep(50)
        }

        expect(read).toBeLessThan(total / 2)
        socket.resume()
        const frames = yield* rest
        expect(frames.map(({ id }) => id)).toEqual([...numbers(1, total).map((n) => `1-${n}`), "1-end"])
        expect(bytes()).toBeGreaterThan(total * large.length)
      }).pipe(Effect.provide(apiOn(counted, memorySettings)))
    },
    20_000
  )
})
