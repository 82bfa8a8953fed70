import { describe, expect } from "bun:test"
import { ConfigProvider, Effect, Result } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { httpRequest } from "../../../handlers/http-request/index.ts"
import type { SettingsShape } from "../../../runtime/config.ts"
import { describe as describeFault } from "../../../runtime/fault.ts"
import { RetryAfter } from "../../../runtime/handler.ts"
import { it } from "../../support/effect.ts"
import { settings, temporaryFolder } from "../../support/folder.ts"
import { localServer, onLoopback } from "../../support/network.ts"
import { recordingTask, runHandler } from "../../support/recording.ts"
import { memorySystem } from "../../support/system.ts"

type Input = Parameters<typeof runHandler<Parameters<typeof httpRequest.readInput>[0], Output>>[1]
interface Output {
  readonly status: number
  readonly url: string
  readonly redirects: ReadonlyArray<string>
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  readonly json?: unknown
  readonly text?: string
  readonly base64?: string
  readonly file?: { readonly id: string; readonly bytes: number; readonly type: string }
}

/** What the handler makes of a request, where every name leads to this machine. */
const requested = (input: Input, over: Partial<SettingsShape> = {}) =>
  Effect.gen(function* () {
    const files = yield* temporaryFolder
    return (yield* runHandler(httpRequest as never, input, recordingTask().task).pipe(
      Effect.provide(settings({ files, ...over })),
      onLoopback()
    )) as Output
  })

/** A server that tells what it was asked, and when. */
const echo = localServer(async (request) =>
  Response.json({
    method: request.method,
    path: new URL(request.url).pathname,
    headers: Object.fromEntries(request.headers),
    body: await request.text()
  })
)

const withVariables = (variables: Readonly<Record<string, string>>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))

describe("a request", () => {
  it.live("is sent as it was asked for, and its answer kept", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      const output = yield* requested({
        url: `http://api.test:${port}/orders?x=1`,
        method: "POST",
        headers: { "X-Kind": "order" },
        body: { json: { item: "tea" } }
      })
      expect(output).toMatchObject({ status: 200, url: `http://api.test:${port}/orders?x=1`, redirects: [] })
      expect(output.headers["content-type"]).toStartWith("application/json")
      expect(output.json).toMatchObject({
        method: "POST",
        path: "/orders",
        body: `{"item":"tea"}`,
        headers: {
          "x-kind": "order",
          "content-type": "application/json",
          "idempotency-key": recordingTask().task.idempotencyKey
        }
      })
    })
  )

  it.live("that may be said twice carries no idempotency key", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      for (const method of ["GET", "PUT", "DELETE"]) {
        const { json } = yield* requested({ url: `http://api.test:${port}/`, method })
        expect(json).toMatchObject({
          method,
          headers: expect.not.objectContaining({ "idempotency-key": expect.anything() })
        })
      }
    })
  )

  it.live("may send a form, a text, or bytes", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      const sent = (body: unknown) =>
        Effect.map(requested({ url: `http://api.test:${port}/`, method: "PUT", body }), ({ json }) => json)
      expect(yield* sent({ form: { a: "1 2", b: "ü" } })).toMatchObject({
        body: "a=1+2&b=%C3%BC",
        headers: { "content-type": "application/x-www-form-urlencoded" }
      })
      expect(yield* sent({ text: "<x/>", type: "application/xml" })).toMatchObject({
        body: "<x/>",
        headers: { "content-type": "application/xml" }
      })
      expect(yield* sent({ base64: btoa("hello") })).toMatchObject({ body: "hello" })
    })
  )

  for (const [what, input] of [
    ["a body with a GET", { url: "http://a.test/", body: { text: "x" } }],
    ["a password in the URL", { url: "http://u:p@a.test/" }],
    ["another scheme", { url: "file:///etc/passwd" }],
    ["two bodies", { url: "http://a.test/", method: "PUT", body: { text: "x", json: 1 } }],
    ["no body in its body", { url: "http://a.test/", method: "PUT", body: {} }],
    [
      "a type of a body that has its own",
      { url: "http://a.test/", method: "PUT", body: { json: 1, type: "a/b" } }
    ],
    ["base64 of no length", { url: "http://a.test/", method: "PUT", body: { base64: "abcde" } }],
    ["base64 that is padded too much", { url: "http://a.test/", method: "PUT", body: { base64: "abcd=" } }],
    ["a field that it does not have", { url: "http://a.test/", metod: "PUT" }],
    ["a header that ends early", { url: "http://a.test/", headers: { a: "x\r\nhost: b" } }],
    ["a header of the connection", { url: "http://a.test/", headers: { "Transfer-Encoding": "chunked" } }],
    ["another host's name", { url: "http://a.test/", headers: { Host: "b.test" } }],
    ["one header twice", { url: "http://a.test/", headers: { a: "1", A: "2" } }],
    ["a token in clear", { url: "http://a.test/", headers: { Authorization: "Bearer t0ken" } }]
  ] as const) {
    it.live(`with ${what} is refused before it is taken in`, () =>
      Effect.sync(() => {
        const checked = httpRequest.readInput(input)
        if (checked instanceof Promise || Result.isSuccess(checked)) throw new Error("it was taken in")
        expect(JSON.stringify(checked.failure.faults)).not.toContain("t0ken")
      })
    )
  }
})

describe("a secret", () => {
  const over = { secrets: [{ tenant: "default", variable: "API_TOKEN", host: "api.test" }] }
  const headers = { authorization: { secret: "API_TOKEN", prefix: "Bearer " } }
  const variables = withVariables({ API_TOKEN: "t0p-s3cret", OTHER: "other-value" })

  it.live("is sent, and is in nothing that is kept", () =>
    Effect.gen(function* () {
      let seen: string | null = null
      const { port } = yield* localServer((request) => {
        seen = request.headers.get("authorization")
        return Response.json({ you: seen }, { headers: { "x-echo": seen ?? "" } })
      })
      const output = yield* requested({ url: `http://api.test:${port}/`, headers }, over).pipe(variables)
      expect(seen as string | null).toBe("Bearer t0p-s3cret")
      expect(output.json).toEqual({ you: "Bearer [secret API_TOKEN]" })
      expect(JSON.stringify(output)).not.toContain("t0p-s3cret")
    })
  )

  it.live("is not told by the error of a server that says it", () =>
    Effect.gen(function* () {
      const { port } = yield* localServer(
        (request) => new Response(`no: ${request.headers.get("authorization")}`, { status: 403 })
      )
      const refused = yield* Effect.flip(
        requested({ url: `http://api.test:${port}/`, headers }, over).pipe(variables)
      )
      expect(refused).toMatchObject({
        name: "UrlRefused",
        message: expect.stringContaining("[secret API_TOKEN]")
      })
      expect(String(refused)).not.toContain("t0p-s3cret")
    })
  )

  it.live("is in nothing of where a server leads with it", () =>
    Effect.gen(function* () {
      const { port } = yield* localServer((request) => {
        const { pathname, search } = new URL(request.url)
        const token = encodeURIComponent(request.headers.get("authorization")!.slice("Bearer ".length))
        return search === ""
          ? Response.redirect(`${pathname}?token=${token}`, 302)
          : new Response("x", { headers: { "content-type": `text/plain; it=${token}`, [`x-${token}`]: "1" } })
      })
      const url = `http://api.test:${port}/landed`
      const landed = yield* requested({ url, headers, as: "file" }, over).pipe(variables)
      expect(landed).toMatchObject({ url: `${url}?token=[secret API_TOKEN]`, redirects: [url] })
      expect(JSON.stringify(landed)).not.toContain("t0p")
    })
  )

  const leads: ReadonlyArray<
    readonly [string, string, (token: string) => Response, Partial<SettingsShape>?]
  > = [
    ["a refusal", "UrlRefused", () => new Response(null, { status: 404 })],
    ["a status that may pass", "StatusUnusable", () => new Response(null, { status: 500 })],
    [
      "an hour to come back",
      "RetryAfter",
      () => new Response(null, { status: 503, headers: { "retry-after": "1" } })
    ],
    ["nowhere", "FetchFailed", (token) => Response.redirect(`http://api.test:1/?${token}`, 302)],
    ["another scheme", "AddressNotAllowed", (token) => Response.redirect(`ftp://b.test/${token}`, 302)],
    [
      "a host that is not allowed",
      "AddressNotAllowed",
      (token) => Response.redirect(`http://${token}.test/`, 302),
      { hosts: ["api.test"] }
    ]
  ]
  for (const [what, type, answer, settings] of leads) {
    it.live(`is not told by the error where a server leads with it to ${what}`, () =>
      Effect.gen(function* () {
        const { port } = yield* localServer((request) => {
          const token = request.headers.get("authorization")!.slice("Bearer ".length)
          return request.url.includes("token=") ? answer(token) : Response.redirect(`/on?token=${token}`, 302)
        })
        const refused = yield* Effect.flip(
          requested({ url: `http://api.test:${port}/`, headers }, { ...over, ...settings }).pipe(variables)
        )
        const { type: told, ...rest } = describeFault(refused)
        expect(told).toBe(type)
        expect(rest.message).toContain("[secret API_TOKEN]")
        expect(JSON.stringify(rest)).not.toContain("t0p-s3cret")
      })
    )
  }

  it.live("is not told by an error that ends in the middle of it", () =>
    Effect.gen(function* () {
      const long = "t0p-s3cret".repeat(200)
      const { port } = yield* localServer(
        () =>
          new Response(
            new ReadableStream({
              start: async (it) => {
                it.enqueue(long.slice(0, -1))
                await Bun.sleep(20)
                it.enqueue(long.slice(-1))
                it.close()
              }
            }),
            { status: 403 }
          )
      )
      const refused = yield* Effect.flip(
        requested({ url: `http://api.test:${port}/`, headers }, over).pipe(withVariables({ API_TOKEN: long }))
      )
      expect((refused as Error).message).toEndWith("403: [secret API_TOKEN]")
    })
  )

  it.live("does not follow a redirect to another host", () =>
    Effect.gen(function* () {
      const other = yield* echo
      const { port } = yield* localServer(() => Response.redirect(`http://other.test:${other.port}/`, 302))
      const { json } = yield* requested({ url: `http://api.test:${port}/`, headers }, over).pipe(variables)
      expect(json).toMatchObject({
        headers: expect.not.objectContaining({ authorization: expect.anything() })
      })
    })
  )

  it.live("that no rule names, or for another host, is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const refused = (url: string, secret: string) =>
        Effect.flip(requested({ url, headers: { "x-key": { secret } } }, over).pipe(variables))
      expect(yield* refused(`http://evil.test:${port}/`, "API_TOKEN")).toMatchObject({
        name: "SecretRefused"
      })
      expect(yield* refused(`http://api.test:${port}/`, "OTHER")).toMatchObject({ name: "SecretRefused" })
      expect(seen).toEqual([])
    })
  )

  it.live("that is longer than a header may be is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const refused = yield* Effect.flip(
        requested({ url: `http://api.test:${port}/`, headers }, over).pipe(
          withVariables({ API_TOKEN: "x".repeat(8_193) })
        )
      )
      expect(refused).toMatchObject({ name: "SecretRefused", message: expect.stringContaining("8193") })
      expect(seen).toEqual([])
    })
  )

  it.live("that is not set where the worker runs is named", () =>
    Effect.gen(function* () {
      const { port } = yield* echo
      const refused = yield* Effect.flip(
        requested({ url: `http://api.test:${port}/`, headers }, over).pipe(withVariables({}))
      )
      expect(refused).toMatchObject({ name: "SecretMissing", message: expect.stringContaining("API_TOKEN") })
    })
  )
})

describe("where a request may go", () => {
  it.live("is bounded by the names of the settings, at each redirect as well", () =>
    Effect.gen(function* () {
      const inner = yield* echo
      const { port } = yield* localServer(() => Response.redirect(`http://denied.test:${inner.port}/`, 302))
      const refused = (url: string, over: Partial<SettingsShape>) => Effect.flip(requested({ url }, over))
      expect(yield* refused(`http://other.test:${port}/`, { hosts: ["api.test"] })).toMatchObject({
        name: "AddressNotAllowed"
      })
      expect(yield* refused(`http://api.test:${port}/`, { hostsDenied: ["denied.test"] })).toMatchObject({
        name: "AddressNotAllowed",
        message: expect.stringContaining("denied.test")
      })
      expect(inner.seen).toEqual([])
    })
  )

  it.live("is no address of this machine, unless an operator says so", () =>
    Effect.gen(function* () {
      const { port, seen } = yield* echo
      const files = yield* temporaryFolder
      const run = (over: Partial<SettingsShape>) =>
        Effect.provide(
          runHandler(httpRequest as never, { url: `http://127.0.0.1:${port}/` }),
          settings({ files, ...over })
        )
      expect(yield* Effect.flip(run({}))).toMatchObject({ name: "AddressNotAllowed" })
      expect(seen).toEqual([])
      expect(yield* run({ networks: ["127.0.0.0/8"] })).toMatchObject({ status: 200 })
    })
  )
})

describe("a redirect", () => {
  const redirecting = (status: number) =>
    localServer(async (request) =>
      new URL(request.url).pathname === "/old"
        ? new Response(null, { status, headers: { location: "/new" } })
        : Response.json({ method: request.method, body: await request.text() })
    )

  for (const [status, method] of [
    [301, "GET"],
    [302, "GET"],
    [303, "GET"],
    [307, "POST"],
    [308, "POST"]
  ] as const) {
    it.live(`of ${status} makes of a POST a ${method}`, () =>
      Effect.gen(function* () {
        const { port } = yield* redirecting(status)
        const url = `http://api.test:${port}/old`
        const output = yield* requested({ url, method: "POST", body: { text: "hi" } })
        expect(output).toMatchObject({
          url: `http://api.test:${port}/new`,
          redirects: [url],
          json: { method, body: method === "POST" ? "hi" : "" }
        })
      })
    )
  }

  it.live("is an answer where none is to be followed", () =>
    Effect.gen(function* () {
      const { port } = yield* redirecting(302)
      expect(yield* requested({ url: `http://api.test:${port}/old`, redirects: 0 })).toMatchObject({
        status: 302,
        headers: { location: "/new" }
      })
    })
  )
})

describe("an answer", () => {
  const answering = (body: BodyInit, init: ResponseInit = {}) =>
    Effect.map(
      localServer(() => new Response(body, init)),
      ({ port }) => `http://api.test:${port}/`
    )

  it.live("is a text, JSON or base64 by its media type", () =>
    Effect.gen(function* () {
      const of = (type: string, body: BodyInit) =>
        Effect.flatMap(answering(body, { headers: { "content-type": type } }), (url) => requested({ url }))
      expect(yield* of("application/problem+json", `{"a":1}`)).toMatchObject({ json: { a: 1 }, bytes: 7 })
      expect(yield* of("text/plain; charset=iso-8859-1", new Uint8Array([0xfc]))).toMatchObject({ text: "ü" })
      expect(yield* of("image/png", new Uint8Array([1, 2, 3]))).toMatchObject({ base64: "AQID" })
      expect(yield* of("application/json", "")).toMatchObject({ text: "" })
    })
  )

  it.live("that was to be JSON and is not is refused", () =>
    Effect.gen(function* () {
      const url = yield* answering("<html>")
      expect(yield* Effect.flip(requested({ url, as: "json" }))).toMatchObject({ name: "BodyNotJson" })
    })
  )

  it.live("goes into a file when it is large, and is refused when it is too large", () =>
    Effect.gen(function* () {
      const url = yield* answering("x".repeat(300_000), { headers: { "content-type": "text/plain" } })
      const output = yield* requested({ url })
      expect(output).toMatchObject({ bytes: 300_000, file: { bytes: 300_000, type: "text/plain" } })
      expect(output.text).toBeUndefined()
      expect(yield* Effect.flip(requested({ url, bytesMax: 200_000, inlineMax: 1_000 }))).toMatchObject({
        name: "BodyTooLarge"
      })
      const streamed = yield* localServer(
        () => new Response(new ReadableStream({ pull: (it) => it.enqueue(new Uint8Array(50_000)) }))
      )
      expect(
        yield* Effect.flip(requested({ url: `http://api.test:${streamed.port}/`, bytesMax: 400_000 }))
      ).toMatchObject({ name: "BodyTooLarge" })
    })
  )

  it.live("that does not begin, or does not end, in time is given up", () =>
    Effect.gen(function* () {
      const silent = yield* localServer(() => new Promise<Response>(() => {}))
      const stalled = yield* localServer(
        () =>
          new Response(
            new ReadableStream({
              start: (it) => it.enqueue(new Uint8Array(10)),
              pull: () => new Promise(() => {})
            })
          )
      )
      expect(
        yield* Effect.flip(requested({ url: `http://api.test:${silent.port}/`, answerTimeoutMs: 30 }))
      ).toMatchObject({ _tag: "FetchFailed", reason: "no answer within 30 ms" })
      expect(
        yield* Effect.flip(requested({ url: `http://api.test:${stalled.port}/`, timeoutMs: 60 }))
      ).toMatchObject({ _tag: "FetchFailed", reason: "not read within 60 ms" })
    })
  )

  it.live("of 4xx ends the task, unless it counts as one", () =>
    Effect.gen(function* () {
      const url = yield* answering("no such order", { status: 404 })
      expect(yield* Effect.flip(requested({ url }))).toMatchObject({
        name: "UrlRefused",
        message: expect.stringContaining("404: no such order")
      })
      expect(yield* requested({ url, accept: [404] })).toMatchObject({ status: 404 })
    })
  )

  it.live("of 429 and 503 says when to come back; other 5xx are tried again", () =>
    Effect.gen(function* () {
      const failed = (status: number, after?: string) =>
        Effect.flatMap(
          answering("later", { status, headers: after === undefined ? {} : { "retry-after": after } }),
          (url) => Effect.flip(requested({ url }))
        )
      const later = yield* failed(503, "7")
      expect(later).toBeInstanceOf(RetryAfter)
      expect(later).toMatchObject({ afterMs: 7_000 })
      expect(yield* failed(429, "100000000")).toMatchObject({ afterMs: 86_400_000 })
      expect(yield* failed(429)).toMatchObject({ _tag: "StatusUnusable", status: 429 })
      expect(yield* failed(502, "7")).toMatchObject({ _tag: "StatusUnusable", status: 502 })
    })
  )
})

describe("a POST without an idempotency key", () => {
  /** How a task ends whose server gives these answers in turn, and how often the server was asked. */
  const ended = (answers: ReadonlyArray<() => Response>) =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      let asked = 0
      const { port } = yield* localServer(() => answers[asked++]!())
      const input = { url: `http://127.0.0.1:${port}/`, method: "POST", idempotencyHeader: false }
      const outcome = yield* Dispatcher.use(({ ask }) =>
        ask({ name: "http.request", input, retry: { attempts: 3, backoff: { fixedMs: 1 } } })
      ).pipe(Effect.provide(memorySystem([httpRequest], { files, networks: ["127.0.0.0/8"] })))
      return { outcome, asked }
    })

  it.live("is not sent again when nobody knows what became of it", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* ended([
        () => new Response(null, { status: 500 }),
        () => new Response("done")
      ])
      expect(outcome).toMatchObject({ state: "failed", error: { type: "OutcomeUnknown" } })
      expect(asked).toBe(1)
    })
  )

  it.live("is sent again when the server says that it did nothing", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* ended([
        () => new Response(null, { status: 503, headers: { "retry-after": "0" } }),
        () => new Response(null, { status: 429 }),
        () => new Response("done")
      ])
      expect(outcome).toMatchObject({ state: "succeeded", output: { status: 200 } })
      expect(asked).toBe(3)
    })
  )
})
