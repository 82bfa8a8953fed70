/** Clients that take their time: they are cut off, and what they held is free. */
import { describe, expect, test } from "bun:test"
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import { isTooSlow } from "../../../api/http/pace.ts"
import * as Server from "../../../api/http/server.ts"
import { Settings } from "../../../runtime/config.ts"
import { Files } from "../../../runtime/files.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { apiOn } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"

/** A tenth of a second to begin with, and then 100 kB a second: what dawdles in a test is cut soon. */
const pace = { patienceMs: 100, bytesPerSecond: 100_000 }

const aServer = Effect.fnUntraced(function* (
  over: Partial<typeof pace> = {},
  options: Server.ServerOptions = {}
) {
  const settings = { ...(yield* Settings), grace: Duration.zero }
  const context = yield* Layer.build(
    Server.layerWith({ pace: { ...pace, ...over }, ...options }).pipe(
      Layer.provideMerge(Shutdown.layer),
      Layer.provide(Layer.succeed(Settings, settings))
    )
  )
  return Context.get(context, Server.HttpServer)
})

const promise = <A, E>(
  sentence: string,
  body: () => Effect.Effect<A, E, Layer.Success<typeof api> | Scope.Scope>
) => it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(api)), 15_000)

const api = apiOn(Memory.layer, memorySettings)

/** A connection that says what it is told to say. */
const aSocket = Effect.fnUntraced(function* (port: number, onData: (socket: Bun.Socket) => void = () => {}) {
  let text = ""
  const closed = Promise.withResolvers<void>()
  const socket = yield* Effect.acquireRelease(
    Effect.promise(() =>
      Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: {
          data: (socket, data) => {
            text += data.toString("latin1")
            onData(socket)
          },
          close: () => closed.resolve(),
          error: () => closed.resolve()
        }
      })
    ),
    (socket) => Effect.sync(() => socket.terminate())
  )
  return { socket, text: () => text, closed: Effect.promise(() => closed.promise) }
})

const head = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  [
    `${method} ${path} HTTP/1.1`,
    "host: localhost",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    ""
  ].join("\r\n")

const json = { "content-type": "application/json" }

describe("a slow client", () => {
  test("is one that has moved less than its pace, after the time that everybody has", () => {
    const slow = { patienceMs: 1_000, bytesPerSecond: 100 }

    expect(isTooSlow(slow, 1_000, 0)).toBe(false)
    expect(isTooSlow(slow, 2_000, 99)).toBe(true)
    expect(isTooSlow(slow, 2_000, 100)).toBe(false)
    expect(isTooSlow(slow, 60_000, 5_899)).toBe(true)
  })

  promise("whose body does not come is told so", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()
      const { socket, text } = yield* aSocket(port)
      socket.write(head("POST", "/v1/tasks", { ...json, "content-length": "100" }) + '{"name":')

      yield* Effect.promise(async () => {
        while (!text().includes("}")) await Bun.sleep(5)
      })
      expect(text()).toStartWith("HTTP/1.1 408")
      expect(text()).toContain("body-too-slow")
    })
  )

  promise("whose upload comes drop by drop is told so, and nothing is kept", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()
      const { socket, text } = yield* aSocket(port)
      socket.write(head("POST", "/v1/files", { "content-type": "text/plain", "content-length": "100000" }))
      const drops = setInterval(() => socket.write("."), 10)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(drops)))

      yield* Effect.promise(async () => {
        while (!text().includes("}")) await Bun.sleep(5)
      })
      expect(text()).toStartWith("HTTP/1.1 408")
    })
  )

  promise("that keeps its pace has its say and its file, however little of them moves at a time", () =>
    Effect.gen(function* () {
      // Bun looks every four seconds who has been silent, and takes a trickle for silence.
      const { port } = yield* aServer({ patienceMs: 10_000 }, { idleSeconds: 1 })
      const bytes = 16 * 1024 * 1024
      const { id } = yield* Files.use((files) => files.upload(new Blob([new Uint8Array(bytes)]).stream()))
      const body = JSON.stringify({ name: "test", input: "say it slowly" })
      const size = { "content-length": String(body.length) }
      const task = yield* aSocket(port)
      const upload = yield* aSocket(port)
      const download = yield* aSocket(port)
      task.socket.write(head("POST", "/v1/tasks", { ...json, ...size }))
      upload.socket.write(head("POST", "/v1/files", { "content-type": "text/plain", ...size }))
      download.socket.write(head("GET", `/v1/files/${id}`))
      download.socket.pause()

      yield* Effect.promise(async () => {
        for (const letter of body) {
          for (const { socket } of [task, upload]) socket.write(letter)
          await Bun.sleep(110)
        }
        download.socket.resume()
      })

      const answered = Effect.promise(async () => {
        while (!task.text().includes("}") || !upload.text().includes("}")) await Bun.sleep(5)
        while (download.text().length < bytes) await Bun.sleep(5)
      })
      const closed = [task, upload, download].map(({ closed }) => closed)
      yield* Effect.raceFirst(answered, Effect.raceAllFirst(closed))
      expect([task, upload, download].map(({ text }) => text().slice(0, 12))).toEqual([
        "HTTP/1.1 202",
        "HTTP/1.1 201",
        "HTTP/1.1 200"
      ])
      expect(download.text().length).toBeGreaterThan(bytes)
    })
  )

  promise("that takes its file drop by drop is cut off", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer({ bytesPerSecond: 1_000_000_000 })
      const bytes = 48 * 1024 * 1024
      const { id } = yield* Files.use((files) => files.upload(new Blob([new Uint8Array(bytes)]).stream()))
      const { closed, socket, text } = yield* aSocket(port, (socket) => {
        socket.pause()
        setTimeout(() => socket.resume(), 20)
      })
      socket.write(head("GET", `/v1/files/${id}`))

      yield* closed
      expect(text()).toStartWith("HTTP/1.1 200")
      expect(text().length).toBeLessThan(bytes)
    })
  )

  promise("that says nothing after its stream of events has ended is cut off", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer({}, { idleSeconds: 1 })
      const { id } = yield* Dispatcher.use((dispatcher) =>
        dispatcher.submit({ name: "test", input: "stream" })
      )
      const { closed, socket, text } = yield* aSocket(port)
      socket.write(head("GET", `/v1/tasks/${id}/events`))
      yield* Effect.promise(async () => {
        while (!text().includes("event: state")) await Bun.sleep(5)
      })
      yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id))

      yield* closed

      expect(text()).toContain("event: end")
      expect(text()).toEndWith("0\r\n\r\n")
    })
  )
})
