import { describe, expect } from "bun:test"
import { Effect, Logger } from "effect"
import { Dispatcher, type SubmitError } from "../../../actors/dispatch/dispatcher.ts"
import { StoreError, StoreFull } from "../../../runtime/store.ts"
import { anApi, nothingWaits, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

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

  promise("that knows no parameter takes none for heard", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const path of ["/v1/queues/default/pause", "/v1/agents/shop.cart/user-7/reset"]) {
        expect(yield* ask(`${path}?dryRun=1`, { method: "POST" })).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter", errors: [{ path: "dryRun" }] }
        })
      }
      expect((yield* ask("/healthz?now=1")).status).toBe(200)
    })
  )

  promise("whose parameter is empty is refused, so that it never means everything, and nothing is done", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      yield* submit()
      yield* submit()
      yield* (yield* (yield* aWorker()).claimOne).fail({ type: "Broken", message: "so it is" })
      const yesOrNo = "is empty: say true or false, or leave it out"
      const something = "is empty: say something, or leave it out"

      for (const [method, path, parameter, message] of [
        ["POST", "/v1/dead/purge?name=", "name", something],
        ["POST", "/v1/dead/purge?dryRun", "dryRun", yesOrNo],
        ["POST", "/v1/dead/retry?error=&dryRun=1", "error", something],
        ["POST", "/v1/queues/default/purge?dryRun=", "dryRun", yesOrNo],
        ["POST", "/v1/queues/default/move?dryRun", "dryRun", yesOrNo],
        ["POST", "/v1/agents/shop.cart/user-7/stop?dryRun=", "dryRun", yesOrNo],
        ["GET", "/v1/tasks?state=", "state", something]
      ] as const) {
        expect(yield* ask(path, { method })).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter", errors: [{ path: parameter, message }] }
        })
      }
      expect((yield* ask("/v1/stats")).body).toMatchObject({ queued: 1, dead: 1 })
    })
  )

  promise("that takes other methods says which", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const [method, path, allowed] of [
        ["GET", "/v1/tasks/batch/", "404"],
        ["DELETE", "/v1/tasks", "POST, GET, HEAD"],
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
