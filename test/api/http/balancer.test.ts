/** Servers behind a proxy or a load balancer, which looks whether they are ready and keeps its connections to them. */
import { describe, expect, spyOn, test } from "bun:test"
import { Context, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { Shutdown } from "../../../actors/shutdown.ts"
import { Drain } from "../../../api/http/drain.ts"
import * as Server from "../../../api/http/server.ts"
import { Settings } from "../../../runtime/config.ts"
import { anApi, jsonBody, memoryApi, promise } from "../../support/api.ts"
import { balancers, start } from "../../support/balancer.ts"
import { it } from "../../support/effect.ts"
import { aCaller, answerTo } from "../../support/socket.ts"
import { aTask, submit } from "../../support/tasks.ts"
import { aSocket } from "../../support/web-socket.ts"
import { aWorker } from "../../support/worker.ts"

/** A server that the test stops, or the end of the test. */
const aServer = Effect.fnUntraced(function* (grace: Duration.Input = 0) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const settings = { ...(yield* Settings), grace: Duration.fromInputUnsafe(grace) }
  const context = yield* Layer.build(
    Server.layer.pipe(Layer.provideMerge(Shutdown.layer), Layer.provide(Layer.succeed(Settings, settings)))
  ).pipe(Scope.provide(scope))
  const { port, url } = Context.get(context, Server.HttpServer)
  return { port, url, hurry: Context.get(context, Shutdown).hurry, stop: Scope.close(scope, Exit.void) }
})

const aSubmit = jsonBody({ name: "test", input: 1 })

describe("a server that is looked after", () => {
  it.live("answers a check that names no host, as HTTP/1.0 needs none", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()

      expect(yield* answerTo(port, "GET /readyz HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 200")
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("takes no part of a path for a host that is not named, or cannot be one", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()

      for (const head of ["HTTP/1.0\r\n", "HTTP/1.1\r\nconnection: close\r\nhost: a b\r\n"]) {
        expect(yield* answerTo(port, `GET /some/healthz ${head}\r\n`)).toStartWith("HTTP/1.1 404")
      }
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("refuses what a page of another origin makes somebody send, though no host is named", () =>
    Effect.gen(function* () {
      const { port } = yield* aServer()
      const head = "POST /v1/tasks HTTP/1.0\r\norigin: http://elsewhere.test\r\ncontent-type: text/plain"

      expect(yield* answerTo(port, `${head}\r\ncontent-length: 2\r\n\r\n{}`)).toStartWith("HTTP/1.1 403")
    }).pipe(Effect.provide(memoryApi))
  )

  it.live("keeps a quiet connection longer than proxies keep one for their next request", () =>
    Effect.gen(function* () {
      const serve = yield* Effect.acquireRelease(
        Effect.sync(() => spyOn(Bun, "serve")),
        (spy) => Effect.sync(() => spy.mockRestore())
      )

      yield* aServer()

      // Caddy's two minutes are the longest of those that are used most.
      const [options] = serve.mock.calls[0]!
      expect("idleTimeout" in options && options.idleTimeout).toBeGreaterThan(120)
    }).pipe(Effect.provide(memoryApi))
  )
})

describe("a server that goes", () => {
  it.live("ends the connection of each that it still answers", () =>
    Effect.gen(function* () {
      const { hurry, port, stop, url } = yield* aServer("1 hour")
      yield* Effect.forkScoped(stop, { startImmediately: true })
      yield* Effect.addFinalizer(() => Effect.sync(hurry))
      while ((yield* Effect.promise(() => fetch(`${url}/readyz`))).status === 200);

      const answer = yield* answerTo(port, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")

      expect(answer).toStartWith("HTTP/1.1 200")
      expect(answer).toMatch(/\r\nconnection: close\r\n/i)
    }).pipe(Effect.provide(memoryApi))
  )

  promise("refuses new tasks in the end, and sends who asks elsewhere", () =>
    Effect.gen(function* () {
      const drain = new Drain()
      const { post } = yield* anApi({ drain })
      drain.begin()
      expect((yield* post("/v1/tasks", { name: "test", input: 1 })).status).toBe(202)

      drain.close()

      for (const way of [
        "/v1/tasks",
        "/v1/tasks/batch",
        "/v1/agents/shop.cart/u/tell",
        "/v1/agents/shop.cart/u/ask"
      ]) {
        const refused = yield* post(way, { name: "test", input: 1, tasks: [{ name: "test" }] })
        expect(refused).toMatchObject({ status: 503, body: { type: "going-away" } })
        expect(refused.headers.get("retry-after")).toBe("1")
      }
    })
  )
})

for (const balancer of balancers) {
  const { name, program } = balancer
  const behind = (sentence: string, body: Parameters<typeof it.live>[1]) =>
    program === null
      ? test.skip(`${sentence}: ${name} is not installed`, () => {})
      : it.live(sentence, body, 20_000)

  describe(`servers behind ${name}, as deploy/ sets it up`, () => {
    behind("send each event when it happens", () =>
      Effect.gen(function* () {
        const { port } = yield* start(balancer, [(yield* aServer()).port, (yield* aServer()).port])
        yield* submit(aTask())
        const run = yield* (yield* aWorker()).claimOne
        const headers = { "accept-encoding": "identity" }
        const { rest, take } = yield* aCaller({ port, path: `/v1/tasks/${run.id}/events`, headers })
        yield* take(1)
        const from = performance.now()

        for (let n = 0; n < 20; n++) {
          yield* run.chunks(n)
          expect(yield* take(1)).toMatchObject([{ event: "chunk", data: { chunk: n } }])
        }

        // One that waits for more to send with it waits a fifth of a second each time.
        expect(performance.now() - from).toBeLessThan(2_000)
        yield* run.succeed("done")
        expect(yield* rest).toMatchObject([{ event: "end" }])
      }).pipe(Effect.provide(memoryApi))
    )

    behind("open a web socket for a page of theirs", () =>
      Effect.gen(function* () {
        const { url } = yield* start(balancer, [(yield* aServer()).port, (yield* aServer()).port])

        const socket = yield* aSocket(`${url}/v1/ws`, { origin: url })

        expect(yield* socket.ask({ op: "submit", name: "test", input: 1 })).toMatchObject({ ok: true })
      }).pipe(Effect.provide(memoryApi))
    )

    behind("refuse nobody while one of them goes, and its followers go on at the other", () =>
      Effect.gen(function* () {
        const going = yield* aServer("1 second")
        const staying = yield* aServer()
        const { port, url } = yield* start(balancer, [going.port, staying.port])
        yield* submit(aTask())
        const run = yield* (yield* aWorker()).claimOne
        const path = `/v1/tasks/${run.id}/events`
        const followers = yield* Effect.forEach([1, 2, 3, 4], () => aCaller({ port, path }))
        yield* run.chunks("a")
        yield* Effect.forEach(followers, ({ take }) => take(2))

        const stopping = yield* Effect.forkScoped(going.stop, { startImmediately: true })
        const answers = new Set<number>()
        const ask = Effect.promise(async () => {
          const answer = balancer.looks ? fetch(`${url}/v1/tasks`, aSubmit) : fetch(`${url}/v1/caller`)
          answers.add((await answer).status)
        })
        yield* Effect.forEach([1, 2, 3, 4], () => Effect.forever(ask), { concurrency: 4 }).pipe(
          Effect.raceFirst(Effect.andThen(Fiber.join(stopping), Effect.sleep(200)))
        )
        yield* run.chunks("b")
        yield* run.succeed("done")

        expect([...answers]).toEqual([balancer.looks ? 202 : 200])
        const ends = yield* Effect.forEach(followers, ({ rest }) => rest)
        const sent = ends.filter((frames) => frames.at(-1)?.event === "away")
        expect(sent.length).toBeGreaterThan(0)
        const again = yield* aCaller({ port, path, headers: { "last-event-id": "1-1" } })
        expect((yield* again.rest).flatMap(({ id }) => id ?? [])).toEqual(["1-2", "1-end"])
      }).pipe(Effect.provide(memoryApi))
    )
  })
}
