import { describe, expect } from "bun:test"
import { Effect, Logger, type Scope } from "effect"
import { Dispatcher, type SubmitError } from "../../../actors/dispatcher.ts"
import { bodyBytesMax } from "../../../api/http/body.ts"
import type { ApiServices } from "../../../api/http/run.ts"
import { depthMax } from "../../../runtime/input.ts"
import { StoreError, StoreFull } from "../../../runtime/store.ts"
import { anApi, jsonBody, memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { aWorker } from "../../support/worker.ts"

const promise = <A, E>(sentence: string, body: () => Effect.Effect<A, E, ApiServices | Scope.Scope>) =>
  it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(memoryApi)))

/** Arrays in each other, `depth` of them. */
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

/** A body that comes in pieces and says nothing of its length. */
const inPieces = (piece: string, count: number): RequestInit => {
  let left = count
  const bytes = new TextEncoder().encode(piece)
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new ReadableStream({
      pull: (controller) => (left-- > 0 ? controller.enqueue(bytes) : controller.close())
    })
  }
}

/** Nothing was stored of what was refused. */
const nothingWaits = Effect.gen(function* () {
  expect(yield* (yield* aWorker()).claim(1)).toEqual([])
})

describe("a task that is refused", () => {
  const refused = (sentence: string, body: unknown, expected: { status: number; body: object }) =>
    promise(sentence, () =>
      Effect.gen(function* () {
        const { post } = yield* anApi()

        const response = yield* post("/v1/tasks", body)

        expect(response).toMatchObject(expected)
        expect(response.body.status).toBe(expected.status)
        expect(response.headers.get("content-type")).toBe("application/problem+json")
        yield* nothingWaits
      })
    )

  refused(
    "names a handler that is not there, and the one that may have been meant",
    { name: "tset" },
    {
      status: 404,
      body: { type: "unknown-handler", detail: "no handler is called tset; did you mean test?" }
    }
  )
  refused(
    "does not fit its handler in two places, and is told both",
    { name: "strict", input: { name: 1, count: "x" } },
    {
      status: 422,
      body: { type: "task-refused", errors: [{ path: "/input/name" }, { path: "/input/count" }] }
    }
  )
  refused(
    "has options that cannot be, each with its path",
    { name: "test", queue: "X!", delayMs: -1, foo: 1 },
    {
      status: 422,
      body: {
        type: "task-refused",
        errors: expect.arrayContaining([
          expect.objectContaining({ path: "/queue" }),
          expect.objectContaining({ path: "/delayMs" }),
          expect.objectContaining({ path: "/foo" })
        ])
      }
    }
  )
  refused(
    "has no name",
    { input: 1 },
    { status: 422, body: { type: "task-refused", errors: [{ path: "/name" }] } }
  )
  for (const body of ["[]", "null", "1", `"text"`]) {
    refused(`is ${body}, no object`, body, { status: 422, body: { type: "task-refused" } })
  }

  for (const key of ["__proto__", "constructor", "prototype"]) {
    const path = `/input/list/1/${key}`
    refused(
      `has the key ${key} anywhere`,
      `{"name":"test","input":{"list":[0,{"${key}":{"polluted":true}}]}}`,
      {
        status: 422,
        body: { type: "body-refused", errors: [{ path, message: `the key ${key} is not allowed` }] }
      }
    )
  }
  refused("has the key __proto__ at its top", `{"name":"test","__proto__":{"name":"strict"}}`, {
    status: 422,
    body: { type: "body-refused", errors: [{ path: "/__proto__" }] }
  })

  refused("is nested too deep", `{"name":"test","input":${nested(depthMax)}}`, {
    status: 422,
    body: { type: "body-refused", errors: [{ path: "", message: `nested more than ${depthMax} deep` }] }
  })
  refused("is nested so deep that a parser would fall over", `{"name":"test","input":${nested(400_000)}}`, {
    status: 422,
    body: { type: "body-refused" }
  })

  for (const [what, body] of [
    ["empty", ""],
    ["cut short", `{"name":"te`],
    ["no JSON", "name=test"],
    ["two values", "{}{}"]
  ]) {
    refused(`is ${what}`, body, { status: 400, body: { type: "malformed-body" } })
  }
})

describe("a body", () => {
  promise("may be nested as deep as allowed, and not polluted by what it holds", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      expect((yield* post("/v1/tasks", `{"name":"test","input":${nested(depthMax - 1)}}`)).status).toBe(202)
      expect((yield* post("/v1/tasks", `{"name":"test","input":"__proto__ [[[[ {{{{"}`)).status).toBe(202)
      expect("polluted" in {}).toBe(false)
    })
  )

  promise("that is not UTF-8 is refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = new Uint8Array([0x22, 0xc3, 0x28, 0x22])

      const response = yield* ask("/v1/tasks", { ...jsonBody(""), body })

      expect(response).toMatchObject({
        status: 400,
        body: { type: "malformed-body", detail: expect.stringContaining("UTF-8") }
      })
    })
  )

  promise("that says it is larger than allowed is refused unread", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = JSON.stringify({ name: "test", input: "x".repeat(bodyBytesMax) })

      const response = yield* ask("/v1/tasks", jsonBody(body))

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
      yield* nothingWaits
    })
  )

  promise("that does not say how large it is is refused once it is too large, and not read to its end", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      let pieces = 0
      const endless = inPieces("", 0)
      const piece = new Uint8Array(64 * 1024).fill(0x20)
      const body = new ReadableStream({ pull: (controller) => (pieces++, controller.enqueue(piece)) })

      const response = yield* ask("/v1/tasks", { ...endless, body })

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
      expect(pieces).toBeLessThan(20)
    })
  )

  promise("that lies about its length is measured", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const init = inPieces(" ".repeat(64 * 1024), 100)

      const response = yield* ask("/v1/tasks", {
        ...init,
        headers: { "content-type": "application/json", "content-length": "2" }
      })

      expect(response).toMatchObject({ status: 413, body: { type: "body-too-large" } })
    })
  )

  promise("that breaks off is refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) })

      expect(yield* ask("/v1/tasks", { ...jsonBody(""), body })).toMatchObject({
        status: 400,
        body: { type: "malformed-body" }
      })
    })
  )

  promise("of another media type is refused, as is one without any", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const body = `{"name":"test"}`
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"]) {
        const init = { method: "POST", headers: { "content-type": type }, body }
        expect(yield* ask("/v1/tasks", init)).toMatchObject({
          status: 415,
          body: { type: "unsupported-media-type" }
        })
      }

      const bare = { method: "POST", body: new TextEncoder().encode(body) }
      expect(yield* ask("/v1/tasks", bare)).toMatchObject({
        status: 415,
        body: { detail: expect.stringContaining("missing") }
      })
    })
  )

  promise("that is compressed is refused, since a small one could unfold into a large one", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }

      const response = yield* ask("/v1/tasks", { method: "POST", headers, body: Bun.gzipSync("{}") })

      expect(response).toMatchObject({ status: 415, body: { type: "unsupported-media-type" } })
    })
  )

  promise("with an idempotency key is refused as long as the key would not be kept", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const headers = { "content-type": "application/json", "idempotency-key": "d42" }

      const response = yield* ask("/v1/tasks", { method: "POST", headers, body: `{"name":"test"}` })

      expect(response).toMatchObject({ status: 422, body: { errors: [{ path: "Idempotency-Key" }] } })
      yield* nothingWaits
    })
  )
})

describe("an address", () => {
  promise("that is none of ours is a problem", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const path of ["/", "/v1", "/v1/task", "/v1/tasks/", "/v2/tasks", "/v1/tasks/a/b/c"]) {
        expect(yield* ask(path)).toMatchObject({
          status: 404,
          body: { type: "no-such-address", status: 404 }
        })
      }
    })
  )

  promise("that takes other methods says which", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const [method, path, allowed] of [
        ["GET", "/v1/tasks/batch/", "404"],
        ["DELETE", "/v1/tasks", "POST"],
        ["PUT", "/v1/tasks/batch", "POST, GET, HEAD"],
        ["POST", "/v1/tasks/x/result", "GET, HEAD"],
        ["PATCH", "/v1/files/x", "GET, HEAD, DELETE"],
        ["POST", "/healthz", "GET, HEAD"]
      ] as const) {
        const { body, headers, status } = yield* ask(path, { method })
        if (allowed === "404") {
          expect(status).toBe(404)
          continue
        }
        expect(status).toBe(405)
        expect(body).toMatchObject({ type: "method-not-allowed", status: 405 })
        expect(headers.get("allow")?.split(", ").toSorted()).toEqual(allowed.split(", ").toSorted())
      }
    })
  )

  promise("answers with an id of the request, and with headers that keep browsers careful", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const { headers } = yield* ask("/healthz", { headers: { "x-request-id": "mine-1" } })

      expect(headers.get("x-request-id")).toBe("mine-1")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect((yield* ask("/nowhere")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    })
  )
})

describe("trouble of our own", () => {
  const apiWith = (submit: Effect.Effect<never, SubmitError>) =>
    anApi().pipe(
      Effect.updateService(Dispatcher, (dispatcher) =>
        Dispatcher.of({ ...dispatcher, submit: () => submit })
      ),
      // What is logged of it is not to be seen among the tests.
      Effect.provide(Logger.layer([]))
    )
  const secret = "redis://user:password@host refused"

  promise("with the store is told without its details, and says when to come back", () =>
    Effect.gen(function* () {
      const { post } = yield* apiWith(
        Effect.fail(new StoreError({ operation: "Store.submit", cause: secret }))
      )

      const { body, headers, status } = yield* post("/v1/tasks", { name: "test" })

      expect(status).toBe(503)
      expect(body.type).toBe("store-unavailable")
      expect(JSON.stringify(body)).not.toContain("password")
      expect(headers.get("retry-after")).toBe("5")
    })
  )

  promise("is told when the store is full, before anything is acknowledged", () =>
    Effect.gen(function* () {
      const { post } = yield* apiWith(Effect.fail(new StoreFull()))

      const { body, headers, status } = yield* post("/v1/tasks", { name: "test" })

      expect(status).toBe(503)
      expect(body.type).toBe("store-full")
      expect(headers.get("retry-after")).toBe("30")
    })
  )

  promise("that nobody expected is a problem, too, and says nothing of our insides", () =>
    Effect.gen(function* () {
      const { post } = yield* apiWith(Effect.die(new Error(secret)))

      const { body, headers, status } = yield* post("/v1/tasks", { name: "test" })

      expect(status).toBe(500)
      expect(body).toEqual({
        type: "internal",
        title: "This should not have happened; it is our fault",
        status: 500
      })
      expect(headers.get("content-type")).toBe("application/problem+json")
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    })
  )
})
