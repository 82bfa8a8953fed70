import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Operations } from "../../../runtime/operations.ts"
import { anApi, jsonBody, nothingWaits, promise } from "../../support/api.ts"
import { partition } from "../../support/stores.ts"
import { ulidAt } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

const withKey = (key: string, body: object): RequestInit => ({
  ...jsonBody(body),
  headers: { "content-type": "application/json", "idempotency-key": key }
})

const task = { name: "test", input: 1 }

describe("a submit with an idempotency key", () => {
  promise("that was used before is answered with the first task: 200 in place of 202", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const first = yield* ask("/v1/tasks", withKey("k", task))

      const second = yield* ask("/v1/tasks", withKey("k", task))

      expect(first.status).toBe(202)
      expect(first.body.existing).toBeUndefined()
      expect(second.status).toBe(200)
      expect(second.body).toEqual({ ...first.body, existing: true })
      expect(second.headers.get("location")).toBe(first.headers.get("location"))
    })
  )

  promise("takes it from the header, the body, or both if they are the same", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const { body } = yield* ask("/v1/tasks", withKey("k", task))

      expect((yield* post("/v1/tasks", { ...task, idempotencyKey: "k" })).body.id).toBe(body.id)
      expect((yield* ask("/v1/tasks", withKey("k", { ...task, idempotencyKey: "k" }))).body.id).toBe(body.id)
      expect(yield* ask("/v1/tasks", withKey("k", { ...task, idempotencyKey: "l" }))).toMatchObject({
        status: 422,
        body: { type: "body-refused", errors: [{ path: "/idempotencyKey" }] }
      })
    })
  )

  promise("of another input is a conflict, which names the first task", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const { body } = yield* ask("/v1/tasks", withKey("k", task))

      const conflict = yield* ask("/v1/tasks", withKey("k", { ...task, input: 2 }))

      expect(conflict).toMatchObject({ status: 409, body: { type: "idempotency-conflict", status: 409 } })
      expect(conflict.body.detail).toContain(body.id)
    })
  )

  promise("is refused in the header where it would be read as another: not in ASCII, or said twice", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const twice = withKey("k1", task)
      twice.headers = new Headers(twice.headers)
      twice.headers.append("idempotency-key", "k2")
      // What a client sends in UTF-8 comes byte for byte, each as a letter of its own.
      const asBytes = Buffer.from("schlüssel").toString("latin1")

      for (const [request, reason] of [
        [withKey(asBytes, task), "is not in ASCII: say it in the field idempotencyKey"],
        [twice, "is said twice, or has a comma and a space: say it in the field idempotencyKey"]
      ] as const) {
        expect(yield* ask("/v1/tasks", request)).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter", errors: [{ path: "Idempotency-Key", message: reason }] }
        })
      }
      yield* nothingWaits
      for (const idempotencyKey of ["schlüssel", "k1, k2"]) {
        expect((yield* post("/v1/tasks", { ...task, idempotencyKey })).status).toBe(202)
      }
      expect((yield* ask("/v1/tasks", withKey("order 4711,a", task))).status).toBe(202)
    })
  )

  promise("that can be none is refused", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      expect(yield* ask("/v1/tasks", withKey("x".repeat(257), task))).toMatchObject({
        status: 422,
        body: { type: "task-refused", errors: [{ path: "/idempotencyKey" }] }
      })
      yield* nothingWaits
    })
  )
})

describe("a submit with a retry policy", () => {
  promise("whose backoff is fixed and grows is refused: it is one or the other", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      expect(
        yield* post("/v1/tasks", {
          ...task,
          retry: { backoff: { fixedMs: 60_000, baseMs: 1, jitter: false } }
        })
      ).toMatchObject({
        status: 422,
        body: {
          type: "task-refused",
          errors: [
            {
              path: "/retry/backoff/fixedMs",
              message: "give either this, or baseMs, factor, capMs and jitter"
            }
          ]
        }
      })
      yield* nothingWaits
    })
  )
})

describe("a submit to a full queue", () => {
  promise("in a batch is told there when to come back", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      yield* (yield* Operations).limit(partition, { maxDepth: 1 })
      yield* post("/v1/tasks", task)

      const { body, status } = yield* post("/v1/tasks/batch", { tasks: [task] })

      expect(status).toBe(202)
      expect(body.tasks).toMatchObject([{ problem: { type: "queue-full", retryAfterMs: 300_000 } }])
    })
  )

  promise("is told when to come back, and nothing is stored of it", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      yield* (yield* Operations).limit(partition, { maxDepth: 1 })
      const { body } = yield* post("/v1/tasks", task)

      const refused = yield* post("/v1/tasks", task)

      expect(refused).toMatchObject({
        status: 429,
        body: { type: "queue-full", status: 429, retryAfterMs: 300_000 }
      })
      expect(refused.headers.get("retry-after")).toBe("300")
      const claimed = yield* (yield* aWorker()).claim(10)
      expect(claimed.map(({ id }) => id as string)).toEqual([body.id])
    })
  )
})

describe("cancelling a task", () => {
  promise("ends it, whoever runs it, with the reason", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit()
      const run = yield* (yield* aWorker()).claimOne

      expect(yield* post(`/v1/tasks/${id}/cancel`, { reason: "enough" })).toMatchObject({
        status: 202,
        body: { id, state: "cancelled" }
      })
      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({
        state: "cancelled",
        error: { type: "Cancelled", message: "enough" }
      })
      yield* run.succeed(1)
      expect(yield* ask(`/v1/tasks/${id}/result`)).toMatchObject({
        status: 424,
        body: { type: "task-cancelled" }
      })
    })
  )

  promise("needs no body", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()

      expect((yield* ask(`/v1/tasks/${id}/cancel`, { method: "POST" })).status).toBe(202)
      yield* nothingWaits
    })
  )

  promise("that has ended already changes nothing", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      yield* (yield* (yield* aWorker()).claimOne).succeed("done")

      expect(yield* ask(`/v1/tasks/${id}/cancel`, { method: "POST" })).toMatchObject({
        status: 409,
        body: { type: "task-ended", status: 409 }
      })
      expect((yield* ask(`/v1/tasks/${id}/result`)).body).toBe("done")
    })
  )

  promise("that is not there, or with a body that is none, is a problem", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit()
      const absent = `default.0.${ulidAt(Date.now(), 1)}`

      expect((yield* ask(`/v1/tasks/${absent}/cancel`, { method: "POST" })).status).toBe(404)
      expect((yield* post(`/v1/tasks/${id}/cancel`, { because: "x" })).status).toBe(422)
      expect((yield* post(`/v1/tasks/${id}/cancel`, { reason: "x".repeat(1_001) })).status).toBe(422)
      expect((yield* ask(`/v1/tasks/${id}`)).body.state).toBe("queued")
    })
  )
})

describe("what was said of a task at its submit", () => {
  promise("is in its record", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const expiresAt = new Date(Date.now() + 60_000).toISOString()
      const id = yield* submit({ key: "ann", expiresAt, deadlineMs: 120_000 })

      const { body } = yield* ask(`/v1/tasks/${id}`)

      expect(body).toMatchObject({ key: "ann", expiresAt, state: "queued" })
      // It counts on the store's clock, and the submit on that of the API.
      const after = Date.parse(body.deadlineAt) - Date.parse(body.submittedAt)
      expect(Math.abs(after - 120_000)).toBeLessThan(1_000)
    })
  )
})
