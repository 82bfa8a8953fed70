import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Operator } from "../../../actors/operate/operator.ts"
import { Operations } from "../../../runtime/operations.ts"
import { Store } from "../../../runtime/store.ts"
import { anApi, jsonBody, promise } from "../../support/api.ts"
import { partition } from "../../support/stores.ts"
import { aTurn } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const absent = "default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV"

const put = (body: unknown): RequestInit => ({ ...jsonBody(body), method: "PUT" })
const empty: RequestInit = { method: "POST" }

/** Submits a task, and fails it. */
const aDeadLetter = Effect.fnUntraced(function* (over: object = {}) {
  const { submit } = yield* anApi()
  const id = yield* submit(over)
  yield* (yield* (yield* aWorker()).claimOne).fail({ type: "Broken", message: "part 7" })
  return id
})

describe("a list of tasks", () => {
  promise("has their records, without payloads, and says where to go on", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const ids = [yield* submit({ tags: ["a"], input: "secret" }), yield* submit({ tags: ["a"] })]
      yield* submit()

      const first = yield* ask("/v1/tasks?tag=a&limit=1")
      const second = yield* ask(`/v1/tasks?tag=a&limit=1&cursor=${first.body.next}`)

      expect(first.status).toBe(200)
      expect(first.body.tasks).toEqual([
        expect.objectContaining({
          name: "test",
          state: "queued",
          submittedAt: iso,
          links: expect.objectContaining({ self: expect.stringContaining("/v1/tasks/") })
        })
      ])
      const found = [...first.body.tasks, ...second.body.tasks].map(({ id }: { id: string }) => id)
      expect(found.toSorted()).toEqual(ids.toSorted())
      expect(JSON.stringify(first.body)).not.toContain("secret")
    })
  )

  promise("cannot be asked for with what is no filter; each parameter is told why", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      const { body, status } = yield* ask("/v1/tasks?limit=many&stat=queued&to=soon")

      expect(status).toBe(400)
      expect(body.type).toBe("invalid-parameter")
      expect(body.errors.map(({ path }: { path: string }) => path).toSorted()).toEqual([
        "limit",
        "stat",
        "to"
      ])
      expect((yield* ask("/v1/tasks?cursor=x")).body.errors).toEqual([
        { path: "cursor", message: "not the `next` of a page" }
      ])
    })
  )
})

describe("a failed task", () => {
  promise("goes back to work", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const id = yield* aDeadLetter()

      expect(yield* ask(`/v1/tasks/${id}/retry`, empty)).toMatchObject({
        status: 202,
        body: { id, state: "queued" }
      })
      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({
        state: "queued",
        attempts: [{ attempt: 1 }]
      })
    })
  )

  promise("goes back to work with another input, if that fits", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const id = yield* aDeadLetter({ name: "strict", input: { name: "a", count: 1 } })

      expect(yield* post(`/v1/tasks/${id}/retry`, { input: { name: "b" } })).toMatchObject({
        status: 422,
        body: { type: "task-refused", errors: [{ path: "/input/count" }] }
      })
      expect(yield* post(`/v1/tasks/${id}/retry`, { inptu: 1 })).toMatchObject({
        status: 422,
        body: { type: "body-refused", errors: [{ path: "/inptu" }] }
      })
      expect((yield* post(`/v1/tasks/${id}/retry`, { input: { name: "b", count: 2 } })).status).toBe(202)
      expect((yield* ask(`/v1/tasks/${id}/input`)).body).toEqual({ name: "b", count: 2 })
    })
  )

  promise("is the only one that does", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()

      expect(yield* ask(`/v1/tasks/${id}/retry`, empty)).toMatchObject({
        status: 409,
        body: { type: "not-retryable", detail: `${id} is queued; only failed tasks can be retried` }
      })
      expect((yield* ask(`/v1/tasks/${absent}/retry`, empty)).status).toBe(404)
      expect((yield* ask("/v1/tasks/x/retry", empty)).status).toBe(404)
    })
  )
})

describe("dead letters", () => {
  promise("are not dropped from a time on that there is not", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      yield* aDeadLetter()

      expect(yield* ask("/v1/dead/purge?from=1", empty)).toMatchObject({
        status: 400,
        body: { errors: [{ path: "from" }] }
      })
      expect(yield* post("/v1/dead/purge", { from: "2020-02-30T00:00:00Z" })).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/from" }] }
      })
      expect((yield* ask("/v1/dead")).body.dead).toHaveLength(1)
    })
  )

  promise("are listed with what they failed with, and counted by it", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const id = yield* aDeadLetter()

      const { body, status } = yield* ask("/v1/dead?error=Broken")

      expect(status).toBe(200)
      expect(body).toEqual({
        dead: [
          expect.objectContaining({ id, state: "failed", error: { type: "Broken", message: "part 7" } })
        ],
        groups: [{ error: "Broken: part <n>", count: 1 }]
      })
    })
  )

  promise("are counted before they are retried or dropped, by a filter in the address or in the body", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      yield* aDeadLetter()
      const strict = yield* aDeadLetter({ name: "strict", input: { name: "a", count: 1 } })

      expect((yield* ask("/v1/dead/retry?dryRun=1", empty)).body).toEqual({ count: 2 })
      expect((yield* post("/v1/dead/retry?dryRun=1&name=strict", {})).body).toEqual({ count: 1 })
      expect((yield* post("/v1/dead/retry", { ids: [strict] })).body).toEqual({ count: 1 })
      expect((yield* post("/v1/dead/purge?dryRun=true", { name: "strict" })).body).toEqual({ count: 0 })
      expect((yield* ask("/v1/dead/purge", empty)).body).toEqual({ count: 1 })
      expect((yield* ask("/v1/dead")).body).toEqual({ dead: [], groups: [] })
    })
  )

  promise("stay when the filter cannot be understood", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      yield* aDeadLetter()
      for (const [path, body, status] of [
        ["/v1/dead/purge", { nmae: "strict" }, 422],
        ["/v1/dead/purge?nmae=strict", {}, 400],
        ["/v1/dead/purge", { ids: ["x"] }, 422],
        ["/v1/dead/purge", { input: 1 }, 422],
        ["/v1/dead/purge", [], 422],
        ["/v1/dead/purge?dryRun=perhaps", {}, 400],
        ["/v1/dead/retry", { input: 1 }, 422]
      ] as const) {
        expect((yield* post(path, body)).status).toBe(status)
      }
      expect((yield* ask("/v1/dead")).body.dead).toHaveLength(1)
    })
  )
})

describe("a queue", () => {
  promise("is shown with what waits in it", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      yield* submit({ priority: "urgent" })
      yield* submit({ delayMs: 60_000 })

      const { body } = yield* ask("/v1/queues")

      expect(body).toEqual({
        queues: [
          {
            name: "default",
            paused: false,
            pausedKeys: [],
            depth: { urgent: 1, high: 0, normal: 0, low: 0, boxed: 0 },
            scheduled: 1,
            running: 0,
            waiting: 0,
            dead: 0,
            oldestMs: expect.any(Number),
            rates: { submitted: expect.any(Number), succeeded: 0, failed: 0 },
            limits: {}
          }
        ]
      })
      expect((yield* ask("/v1/queues/default")).body).toMatchObject({ name: "default", scheduled: 1 })
      expect((yield* ask("/v1/queues/NO")).status).toBe(400)
    })
  )

  promise("is paused and resumed, as a whole or by a key", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      yield* submit()
      const worker = yield* aWorker()

      expect((yield* ask("/v1/queues/default/pause", empty)).body).toMatchObject({ paused: true })
      expect(yield* worker.claim(1)).toEqual([])
      expect((yield* ask("/v1/queues/default/resume", empty)).body).toMatchObject({ paused: false })
      expect((yield* post("/v1/queues/default/pause", { key: "k" })).body).toMatchObject({
        paused: false,
        pausedKeys: ["k"]
      })
      expect((yield* post("/v1/queues/default/pause", { kye: "k" })).status).toBe(422)
      expect(yield* worker.claim(1)).toHaveLength(1)
    })
  )

  promise("is bounded, and says of a bound that is none which may be meant", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()

      const limited = yield* ask(
        "/v1/queues/default/limits",
        put({ maxDepth: 1, rate: { count: 9, perMs: 1_000 } })
      )
      const refused = yield* ask("/v1/queues/default/limits", put({ maxDeph: 1, concurrency: 0 }))

      expect(limited.body.limits).toEqual({ maxDepth: 1, rate: { count: 9, perMs: 1_000 } })
      expect(refused).toMatchObject({ status: 422, body: { type: "body-refused" } })
      expect(refused.body.errors).toContainEqual({
        path: "/maxDeph",
        message: "there is no such field; did you mean maxDepth?"
      })
      expect((yield* post("/v1/tasks", { name: "test" })).status).toBe(202)
      const full = yield* post("/v1/tasks", { name: "test" })
      expect(full.status).toBe(429)
      expect(full.headers.get("retry-after")).toMatch(/^[1-9]\d*$/)
    })
  )

  promise("whose name cannot be one is a fault of the address, whatever is to be done to it", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      for (const [path, init] of [
        ["", {}],
        ["/pause", empty],
        ["/resume", empty],
        ["/purge", empty],
        ["/move", jsonBody({ to: "other" })],
        ["/limits", put({})]
      ] as const) {
        expect(yield* ask(`/v1/queues/No%20Queue${path}`, init)).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter", errors: [{ path: "queue" }] }
        })
      }
    })
  )

  promise("is emptied after it was counted", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit()

      expect((yield* ask("/v1/queues/default/purge?dryRun=1", empty)).body).toEqual({ count: 1 })
      expect((yield* post("/v1/queues/default/purge", { reason: "too late" })).body).toEqual({ count: 1 })
      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({
        state: "cancelled",
        error: { message: "too late" }
      })
    })
  )

  promise("keeps no reason longer than that of a cancel", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit()

      expect(yield* post("/v1/queues/default/purge", { reason: "x".repeat(1_001) })).toMatchObject({
        status: 422,
        body: { type: "body-refused", errors: [{ path: "/reason" }] }
      })
      expect((yield* ask(`/v1/tasks/${id}`)).body.state).toBe("queued")
      expect((yield* post("/v1/queues/default/purge", { reason: "x".repeat(1_000) })).body.count).toBe(1)
      // A program of ours is cut short, as it is in a cancel.
      const other = yield* submit()
      yield* Operator.use((operator) => operator.purge("default", { reason: "y".repeat(2_000) }))
      expect((yield* ask(`/v1/tasks/${other}`)).body.error.message).toBe("y".repeat(1_000))
    })
  )

  promise("gives its tasks to another", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit()
      const move = "/v1/queues/default/move"

      expect((yield* post(`${move}?dryRun=1`, { to: "other" })).body).toEqual({ count: 1 })
      expect((yield* post(move, { to: "other" })).body).toEqual({ count: 1 })
      expect((yield* ask(`/v1/tasks/${id.replace("default", "other")}`)).body.state).toBe("queued")
      expect((yield* post(move, { to: "default" })).body.errors).toEqual([
        { path: "/to", message: "it is the queue that they are in" }
      ])
      expect((yield* ask(move, empty)).status).toBe(415)
    })
  )
})

describe("workers", () => {
  promise("are listed with what they run, and asked to go", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      const about = {
        node: "n",
        pid: 7,
        host: "h",
        startedAt: 0,
        memoryBytes: 5,
        done: 3,
        concurrency: 8,
        handlers: ["shop.cart"]
      }
      yield* Store.use((store) =>
        store.turn(
          partition,
          aTurn("w1", { want: 1, leaseMs: 60_000, about: JSON.stringify({ ...about, leaseMs: 60_000 }) })
        )
      )

      expect((yield* ask("/v1/workers")).body).toEqual({
        workers: [
          {
            ...about,
            id: "w1",
            state: "running",
            queues: ["default"],
            running: [id],
            startedAt: "1970-01-01T00:00:00.000Z",
            heartbeatAt: iso,
            silentMs: expect.any(Number)
          }
        ]
      })
      expect(yield* ask("/v1/workers/w1/drain", empty)).toMatchObject({
        status: 202,
        body: { id: "w1", state: "draining" }
      })
      expect(yield* ask("/v1/workers/w2/drain", empty)).toMatchObject({
        status: 404,
        body: { type: "worker-not-found", detail: "there is no worker w2" }
      })
    })
  )
})

describe("statistics", () => {
  promise("say how things stand and what happened, minute by minute", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      yield* submit()
      yield* Operations.use((operations) => operations.count(partition, { succeeded: 3, failed: 1 }))

      const { body, status } = yield* ask("/v1/stats?minutes=2")

      expect(status).toBe(200)
      expect(body).toMatchObject({
        queued: 1,
        running: 0,
        scheduled: 0,
        succeeded: 3,
        failed: 1,
        workers: 0,
        successRate: 0.75
      })
      expect(body.perMinute.at(-1)).toMatchObject({ at: iso, succeeded: 3, failed: 1 })
      for (const minutes of ["0", "121", "x"]) {
        expect(yield* ask(`/v1/stats?minutes=${minutes}`)).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter" }
        })
      }
    })
  )
})
