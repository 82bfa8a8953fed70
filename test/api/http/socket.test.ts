import { describe, expect } from "bun:test"
import { Context, Deferred, Duration, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { anyone } from "../../../actors/access/caller.ts"
import { Gate } from "../../../actors/access/gate.ts"
import { KeyOperator } from "../../../actors/access/keys.ts"
import { Follow } from "../../../actors/follow/follow.ts"
import { Lifecycle } from "../../../actors/follow/lifecycle.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import { isWelcome } from "../../../api/http/routes/socket.ts"
import * as Server from "../../../api/http/server.ts"
import { Drain } from "../../../api/http/drain.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import { Sockets } from "../../../api/http/sockets.ts"
import { frameBytesMax } from "../../../api/http/socket-frames.ts"
import { Access } from "../../../runtime/access.ts"
import { Settings } from "../../../runtime/config.ts"
import { Store } from "../../../runtime/store.ts"
import { decodeRecord, readEnvelope } from "../../../runtime/record.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../../runtime/task.ts"
import { anApi, memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aWorker } from "../../support/worker.ts"
import { aSocket } from "../../support/web-socket.ts"

type Body<A, E> = () => Effect.Effect<A, E, Layer.Success<typeof memoryApi> | Scope.Scope>
const promise = <A, E>(sentence: string, body: Body<A, E>) =>
  it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(memoryApi)))

/** A server on a port, and how to take it down. */
const aServer = Effect.fnUntraced(function* (options: Server.ServerOptions = {}) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const settings = { ...(yield* Settings), grace: Duration.zero }
  const layer = Layer.provideMerge(Server.layerWith(options), Shutdown.layer).pipe(
    Layer.provide(Layer.succeed(Settings, settings))
  )
  const context = yield* Scope.provide(Layer.build(layer), scope)
  const { url } = Context.get(context, Server.HttpServer)
  return {
    url: `${url}/v1/ws`,
    host: url.replace("http://", ""),
    stop: Effect.andThen(
      Context.get(context, Shutdown).run("the test says so"),
      Scope.close(scope, Exit.void)
    )
  }
})

const aClient = Effect.fnUntraced(function* (options?: Server.ServerOptions) {
  const server = yield* aServer(options)
  return { ...server, ...(yield* aSocket(server.url)) }
})

const task = { op: "submit", name: "test", input: 1 }

/** Succeeds once nobody follows or listens any more. */
const nobodyFollows = Effect.gen(function* () {
  const { topics } = yield* Follow
  const { listeners } = yield* Lifecycle
  while ((yield* topics) + (yield* listeners) > 0) yield* Effect.sleep(1)
})

const aRunningTask = Effect.gen(function* () {
  const { submit } = yield* anApi()
  const id = yield* submit()
  return { id, run: yield* (yield* aWorker()).claimOne }
})

describe("a web socket", () => {
  promise("submits, follows from the first event to the end, and says so in answers with their ref", () =>
    Effect.gen(function* () {
      const { ask, events, next } = yield* aClient()
      const { id, ...submitted } = yield* ask({ ...task, tags: ["a"] })
      expect(submitted).toMatchObject({ ref: 1, ok: true, state: "queued" })
      expect(yield* ask({ op: "subscribe", task: id })).toEqual({ ref: 2, ok: true, task: id })
      expect(yield* next(({ event }) => event === "state")).toEqual({
        event: "state",
        task: id,
        data: { state: "queued", attempt: 0 }
      })

      const run = yield* (yield* aWorker()).claimOne
      yield* run.chunks("a", "b")
      yield* run.succeed("done")

      expect(yield* events(3)).toEqual([
        { event: "chunk", task: id, id: "1-1", data: { attempt: 1, seq: 1, chunk: "a" } },
        { event: "chunk", task: id, id: "1-2", data: { attempt: 1, seq: 2, chunk: "b" } },
        { event: "end", task: id, id: "1-end", data: { state: "succeeded" } }
      ])
      yield* nobodyFollows
    })
  )

  promise("goes on after the event that was seen last, on another connection", () =>
    Effect.gen(function* () {
      const first = yield* aClient()
      const { id } = yield* first.ask(task)
      yield* first.ask({ op: "subscribe", task: id })
      const run = yield* (yield* aWorker()).claimOne
      yield* run.chunks("a")
      yield* first.events(1)
      first.socket.close()
      yield* run.chunks("b", "c")

      const second = yield* aSocket(first.url)
      yield* second.ask({ op: "subscribe", task: id, after: "1-1" })

      expect((yield* second.events(2)).map(({ id }) => id)).toEqual(["1-2", "1-3"])
      yield* run.succeed("done")
      expect(yield* second.ask({ op: "subscribe", task: id, after: "1-end" })).toMatchObject({ ended: true })
    })
  )

  promise("hears of a task no more once it has said so", () =>
    Effect.gen(function* () {
      const { ask } = yield* aClient()
      const { id } = yield* ask(task)
      yield* ask({ op: "subscribe", task: id })
      expect(yield* ask({ op: "unsubscribe", task: id })).toMatchObject({ ok: true, task: id })
      yield* nobodyFollows
    })
  )

  promise("cancels, asks and waits for what comes of it", () =>
    Effect.gen(function* () {
      const { ask } = yield* aClient()
      const { id } = yield* ask(task)
      expect(yield* ask({ op: "cancel", task: id, reason: "no more" })).toMatchObject({ state: "cancelled" })
      expect(yield* ask({ op: "cancel", task: id })).toMatchObject({ problem: { type: "task-ended" } })
      const worker = yield* aWorker()
      const [asked] = yield* Effect.all(
        [
          ask({ op: "ask", name: "test", input: 2 }),
          Effect.gen(function* () {
            while (true) {
              const [run] = yield* worker.claim(1)
              if (run !== undefined) return yield* run.succeed({ done: true })
              yield* Effect.sleep(1)
            }
          })
        ],
        { concurrency: "unbounded" }
      )
      expect(asked).toMatchObject({ ok: true, result: { done: true }, id: expect.any(String) })
      expect(yield* ask({ op: "ask", name: "test", waitMs: 0 })).toMatchObject({ ok: true, late: true })
    })
  )

  promise("listens to all tasks", () =>
    Effect.gen(function* () {
      const { ask, events } = yield* aClient()
      expect(yield* ask({ op: "subscribe", types: ["task.completed"] })).toMatchObject({ ok: true })
      expect(yield* events(1)).toMatchObject([{ event: "listening", id: expect.any(String) }])
      const { id } = yield* ask(task)
      yield* (yield* (yield* aWorker()).claimOne).succeed("done")
      expect(yield* events(1)).toMatchObject([
        {
          event: "task.completed",
          task: id,
          data: { type: "task.completed", task: id, at: expect.any(String) }
        }
      ])
      yield* ask({ op: "unsubscribe" })
      yield* nobodyFollows
    })
  )

  promise("answers what it cannot do with the problem that HTTP has for it", () =>
    Effect.gen(function* () {
      const { ask, next, say } = yield* aClient()
      const types = (frame: object) =>
        Effect.map(ask(frame), ({ problem }) => (problem as { readonly type?: string } | undefined)?.type)
      expect(yield* types({ op: "dance" })).toBe("body-refused")
      expect(yield* types({ op: "submit", name: "nobody" })).toBe("unknown-handler")
      expect(yield* types({ op: "submit", name: "strict", input: 1 })).toBe("task-refused")
      expect(yield* types({ op: "subscribe", task: "x" })).toBe("body-refused")
      expect(yield* types({ op: "subscribe", task: "default.0.01M80PCCPYYG3XYDT2W3PRW6KG" })).toBe(
        "task-not-found"
      )
      const { id } = yield* ask(task)
      expect(yield* types({ op: "subscribe", task: id, after: "x" })).toBe("invalid-position")
      expect(yield* types({ op: "subscribe", after: "x" })).toBe("invalid-position")
      expect(yield* types({ op: "submit", name: "test", input: JSON.parse('{"__proto__":1}') })).toBe(
        "body-refused"
      )
      for (const [text, type] of [
        ["{", "malformed-body"],
        ["", "malformed-body"],
        ["[]", "body-refused"],
        ["1", "body-refused"],
        ['{"op":"submit"}', "body-refused"],
        [`{"ref":${"[".repeat(200)}`, "body-refused"]
      ] as const) {
        say(text)
        expect(yield* next(({ ref }) => ref === null)).toMatchObject({ problem: { type } })
      }
    })
  )

  promise("is refused to pages of a strange origin, and to who is no web socket client", () =>
    Effect.gen(function* () {
      const { host, url } = yield* aServer({ origins: ["https://app.example.com"] })
      const status = (headers: Record<string, string>) =>
        Effect.promise(async () => (await fetch(url, { headers })).status)
      expect(yield* status({})).toBe(426)
      const upgrade = {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x"
      }
      for (const origin of [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com"
      ]) {
        expect(yield* status({ ...upgrade, origin })).toBe(403)
      }
      for (const origin of [`http://${host}`, "https://app.example.com"]) {
        expect((yield* aSocket(url, { origin })).isOpen()).toBe(true)
      }
    })
  )

  promise("takes a key in its first frame, and does what that may do", () =>
    Effect.gen(function* () {
      const keys = yield* KeyOperator
      const reader = yield* keys.create(anyone, { role: "read" })
      const { ask, url } = yield* aClient()
      expect(yield* ask(task)).toMatchObject({ problem: { status: 401, type: "unauthorized" } })
      expect(yield* ask({ op: "auth", key: "troupe_wrong" })).toMatchObject({
        problem: { type: "unauthorized" }
      })
      expect(yield* ask({ op: "auth", key: Redacted.value(reader.key) })).toMatchObject({
        ok: true,
        role: "read"
      })
      expect(yield* ask(task)).toMatchObject({ problem: { status: 403, type: "forbidden" } })
      expect(yield* ask({ op: "subscribe" })).toMatchObject({ ok: true })

      const submitter = yield* keys.create(anyone, { role: "submit" })
      const other = yield* aSocket(url, { authorization: `Bearer ${Redacted.value(submitter.key)}` })
      expect(yield* other.ask(task)).toMatchObject({ ok: true })
      expect(yield* other.ask({ op: "subscribe" })).toMatchObject({ problem: { type: "forbidden" } })
      yield* keys.revoke(anyone, submitter.id)
      expect(yield* other.closed).toMatchObject({ code: 4401 })
    })
  )

  promise("lets in once, by the key that it was shown first, and closes when that counts no more", () =>
    Effect.gen(function* () {
      const keys = yield* KeyOperator
      const [first, second] = [
        yield* keys.create(anyone, { role: "read" }),
        yield* keys.create(anyone, { role: "submit" })
      ]
      const gate = yield* Gate
      const slow = Gate.of({
        ...gate,
        admit: (shown, options) => Effect.delay(gate.admit(shown, options), "20 millis")
      })
      const sockets = new Sockets(Context.add(yield* Effect.context<ApiServices>(), Gate, slow), {
        drain: new Drain(),
        heartbeat: "10 millis",
        slow: "10 seconds",
        open: true
      })
      const sent: Array<unknown> = []
      const closed = yield* Deferred.make<number>()
      const socket = sockets.begin({ entrant: undefined, base: "", carried: {} })
      socket.opened({
        send: (text) => sent.push(JSON.parse(text)),
        ping: () => {},
        close: (code) => {
          Deferred.doneUnsafe(closed, Effect.succeed(code))
          socket.closed()
        },
        terminate: () => {}
      })
      for (const [at, { key }] of [first, second].entries())
        socket.said(JSON.stringify({ ref: at, op: "auth", key: Redacted.value(key) }))
      yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => sent.length === 2 }))
      expect(sent).toMatchObject([
        { ref: 1, problem: { type: "body-refused" } },
        { ref: 0, ok: true, role: "read" }
      ])
      yield* keys.revoke(anyone, first.id)
      expect(yield* Deferred.await(closed)).toBe(4401)
    })
  )

  promise("goes on in the trace that it was opened in, where a frame names none", () =>
    Effect.gen(function* () {
      const { url } = yield* aServer()
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      const another = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      const { ask } = yield* aSocket(url, { traceparent, tracestate: "vendor=1" })
      const ids = [yield* ask(task), yield* ask({ ...task, traceparent: another })].map(
        ({ id }) => id as TaskId
      )
      const found = yield* Store.use((store) => store.read(partitionOfId(ids[0]!), ids.map(ulidOfId)))
      expect(found.map((one) => readEnvelope(decodeRecord(one!.record).json))).toMatchObject([
        { traceparent, tracestate: "vendor=1" },
        { traceparent: another }
      ])
    })
  )

  promise("counts what it follows among the followers, until it closes", () =>
    Effect.gen(function* () {
      const { request } = yield* anApi()
      const followers = Effect.gen(function* () {
        const response = yield* request("/metrics")
        const text = yield* Effect.promise(() => response.text())
        return Number(/^troupe_followers\{.*\} (\d+)$/m.exec(text)?.[1])
      })
      // The process counts for all of its APIs together, and tests before this one have left some behind.
      const others = yield* followers
      const { ask, socket } = yield* aClient()
      const { id } = yield* ask({ ...task, delayMs: 60_000 })
      yield* ask({ op: "subscribe", task: id })
      yield* ask({ op: "subscribe", types: ["task.failed"] })
      expect(yield* followers).toBe(others + 2)
      yield* ask({ op: "unsubscribe", task: id })
      expect(yield* followers).toBe(others + 1)
      socket.close()
      yield* nobodyFollows
      expect(yield* followers).toBe(others)
    })
  )

  promise("notes what an operator cancels", () =>
    Effect.gen(function* () {
      const { ask } = yield* aClient()
      const { id } = yield* ask({ ...task, delayMs: 60_000 })
      yield* ask({ op: "cancel", task: id })
      yield* ask({ op: "cancel", task: id })
      const entries = yield* Access.use((access) => access.noted(undefined, 10))
      expect(entries).toMatchObject([
        { what: "cancelTask", on: `/v1/tasks/${String(id)}/cancel`, who: "anyone", outcome: "task-ended" },
        { what: "cancelTask", on: `/v1/tasks/${String(id)}/cancel`, who: "anyone", outcome: "done" }
      ])
    })
  )

  promise("shows nobody the tasks of another tenant", () =>
    Effect.gen(function* () {
      const keys = yield* KeyOperator
      const { url } = yield* aServer()
      const of = Effect.fnUntraced(function* (tenant: string) {
        const { key } = yield* keys.create(anyone, { role: "operate", tenant })
        return yield* aSocket(url, { authorization: `Bearer ${Redacted.value(key)}` })
      })
      const [us, them] = [yield* of("us"), yield* of("them")] as const
      yield* them.ask({ op: "subscribe" })
      yield* them.events(1)
      const { id } = yield* us.ask(task)
      for (const op of ["subscribe", "cancel"]) {
        expect(yield* them.ask({ op, task: id })).toMatchObject({ problem: { type: "task-not-found" } })
      }
      const theirs = yield* them.ask(task)
      expect(yield* them.events(1)).toMatchObject([{ event: "task.submitted", task: theirs["id"] }])
    })
  )

  promise("is bounded in what it says, and says at once", () =>
    Effect.gen(function* () {
      const { ask, closed, next, say, url } = yield* aClient()
      const { id } = yield* ask(task)
      for (let n = 0; n < 250; n++) say({ ref: "many", op: "unsubscribe", task: id })
      expect(yield* next(({ problem }) => problem !== undefined)).toMatchObject({
        ref: "many",
        problem: { status: 429, type: "too-fast" }
      })
      for (let n = 0; n < 1_000; n++) say({ ref: "many", op: "unsubscribe", task: id })
      expect(yield* closed).toMatchObject({ code: 1008 })

      const large = yield* aSocket(url)
      large.say({ ref: 1, op: "submit", name: "test", input: "x".repeat(frameBytesMax) })
      yield* large.closed
      const binary = yield* aSocket(url)
      binary.socket.send(new Uint8Array([1]))
      expect(yield* binary.closed).toMatchObject({ code: 1003 })
    })
  )

  promise("cuts off who answers no ping, and nobody else who says nothing", () =>
    Effect.gen(function* () {
      const { host, isOpen } = yield* aClient({ heartbeat: "20 millis", silent: "300 millis" })
      const closed = yield* Deferred.make<void>()
      let text = ""
      const [hostname = "", port] = host.split(":")
      // One whose machine is gone: it takes what it is sent, and says nothing.
      yield* Effect.acquireRelease(
        Effect.promise(() =>
          Bun.connect({
            hostname,
            port: Number(port),
            socket: {
              open: (socket) => {
                const upgrade = ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"]
                const key = `sec-websocket-key: ${btoa("0123456789abcdef")}`
                socket.write(["GET /v1/ws HTTP/1.1", `host: ${host}`, ...upgrade, key, "", ""].join("\r\n"))
              },
              data: (_, data) => void (text += data.toString("latin1")),
              close: () => void Deferred.doneUnsafe(closed, Effect.void)
            }
          })
        ),
        (socket) => Effect.sync(() => socket.terminate())
      )

      yield* Deferred.await(closed)

      expect(text).toStartWith("HTTP/1.1 101")
      expect(isOpen()).toBe(true)
    })
  )

  promise("says that the process goes away, and closes", () =>
    Effect.gen(function* () {
      const { ask, closed, next, stop } = yield* aClient()
      const { id } = yield* ask(task)
      yield* ask({ op: "subscribe", task: id })
      yield* Effect.forkScoped(stop)

      expect(yield* next(({ event }) => event === "away")).toMatchObject({
        data: { reason: expect.any(String) }
      })
      expect(yield* closed).toMatchObject({ code: 1001 })
      yield* nobodyFollows
    })
  )

  promise(
    "sends a client that does not read nothing more, goes on where it stopped, and cuts it off in the end",
    () =>
      Effect.gen(function* () {
        const { id, run } = yield* aRunningTask
        const sockets = new Sockets(yield* Effect.context<ApiServices>(), {
          drain: new Drain(),
          heartbeat: "10 millis",
          slow: "200 millis",
          open: true
        })
        const sent: Array<string> = []
        let reads = true
        let terminated = false
        const socket = sockets.begin({ entrant: anyone, base: "", carried: {} })
        socket.opened({
          send: (text) => {
            sent.push(text)
            return reads ? text.length : -1
          },
          ping: () => {},
          close: () => {},
          terminate: () => {
            terminated = true
            socket.closed()
          }
        })
        socket.said(JSON.stringify({ ref: 1, op: "subscribe", task: id }))
        const chunks = () => sent.filter((text) => text.includes('"chunk"')).length
        const until = (holds: () => boolean) => Effect.sleep(1).pipe(Effect.repeat({ until: () => holds() }))
        yield* run.chunks("a")
        yield* until(() => chunks() === 1)
        reads = false
        for (let n = 0; n < 100; n++) yield* run.chunks(n)
        yield* until(() => chunks() === 2)
        yield* Effect.sleep(20)
        expect(chunks()).toBe(2)
        reads = true
        socket.drained()
        yield* until(() => chunks() === 101)
        reads = false
        yield* run.chunks("b", "c")
        yield* until(() => terminated)
        expect(chunks()).toBe(102)
        yield* nobodyFollows
        expect(sockets.counts).toEqual({ sockets: 0, subscriptions: 0, timers: 0 })
      })
  )
})

describe("the origin of a page", () => {
  it.live("is compared as it is", () =>
    Effect.sync(() => {
      const list = ["https://app.example.com"]
      expect(isWelcome(undefined, "x", [])).toBe(true)
      expect(isWelcome("https://app.example.com", "api.example.com", list)).toBe(true)
      expect(isWelcome("http://localhost:4000", "localhost:4000", [])).toBe(true)
      for (const origin of [
        "null",
        "",
        "https://app.example.com/",
        "https://app.example.com:444",
        "HTTPS://app.example.com"
      ]) {
        expect(isWelcome(origin, "api.example.com", list)).toBe(false)
      }
    })
  )
})
