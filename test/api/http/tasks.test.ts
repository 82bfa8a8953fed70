import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { keptInputMax } from "../../../actors/work/settlement.ts"
import { anApi, promise } from "../../support/api.ts"
import { ulidAt } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

const ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
const absent = "default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV"

describe("submitting a task", () => {
  promise("answers with its id, its state and where more is to be had", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      const { body, headers, status } = yield* post("/v1/tasks", { name: "test", input: { a: 1 } })

      expect(status).toBe(202)
      expect(body.id).toMatch(new RegExp(`^default\\.0\\.${ulid}$`))
      expect(body).toEqual({
        id: body.id,
        state: "queued",
        links: {
          self: `/v1/tasks/${body.id}`,
          input: `/v1/tasks/${body.id}/input`,
          result: `/v1/tasks/${body.id}/result`,
          events: `/v1/tasks/${body.id}/events`
        }
      })
      expect(headers.get("location")).toBe(body.links.self)
      expect(headers.get("content-type")).toStartWith("application/json")
    })
  )

  promise("says that a delayed one is scheduled", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      expect((yield* post("/v1/tasks", { name: "test", delayMs: 60_000 })).body.state).toBe("scheduled")
    })
  )

  promise("takes any JSON by its media type", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const type of [
        "application/json",
        "application/json; charset=utf-8",
        "application/ld+json",
        "Application/JSON"
      ]) {
        const init = { method: "POST", headers: { "content-type": type }, body: `{"name":"test"}` }

        expect((yield* ask("/v1/tasks", init)).status).toBe(202)
      }
    })
  )
})

describe("another time for a task", () => {
  promise("is answered with how the task stands then", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit({ delayMs: 3_600_000 })
      const runAt = new Date(Date.now() + 60_000).toISOString()

      const moved = yield* post(`/v1/tasks/${id}/reschedule`, { runAt })

      expect(moved).toMatchObject({ status: 200, body: { id, state: "scheduled", dueAt: runAt } })
      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({ state: "scheduled", dueAt: runAt })
      const now = yield* post(`/v1/tasks/${id}/reschedule`, { delayMs: 0 })
      expect(now).toMatchObject({ status: 200, body: { id, state: "queued" } })
      expect((yield* ask(`/v1/tasks/${id}`)).body.state).toBe("queued")
      expect(yield* post(`/v1/tasks/${id}/reschedule`, { delayMs: 0 })).toMatchObject({
        status: 409,
        body: {
          type: "not-reschedulable",
          detail: `${id} is queued; only a task that is scheduled or retrying can be given another time`
        }
      })
    })
  )

  promise("is refused where it cannot be, with what is at fault", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const id = yield* submit({ delayMs: 3_600_000, deadlineMs: 7_200_000 })
      const { body: before } = yield* ask(`/v1/tasks/${id}`)
      const path = `/v1/tasks/${id}/reschedule`
      const faults: ReadonlyArray<readonly [body: object, pointer: string, message: string]> = [
        [{}, "", "say when it is due: give delayMs, 0 for at once, or runAt"],
        [{ runAt: "soon" }, "/runAt", "not a time in ISO 8601, such as 2030-01-31T09:00:00Z"],
        [{ runAt: before.dueAt, delayMs: 1 }, "/runAt", "give either delayMs or runAt"],
        [{ delay: 5 }, "/delay", "there is no such option; did you mean delayMs?"],
        [{ delayMs: 8_000_000 }, "/delayMs", `is not before its deadline, ${before.deadlineAt}`]
      ]

      for (const [body, pointer, message] of faults) {
        expect(yield* post(path, body)).toMatchObject({
          status: 422,
          body: { type: "task-refused", errors: [{ path: pointer, message }] }
        })
      }
      expect((yield* post(path, { delayMs: -1 })).status).toBe(422)
      expect((yield* post(`/v1/tasks/${absent}/reschedule`, { delayMs: 0 })).status).toBe(404)
      expect((yield* ask(path, { method: "POST" })).status).toBe(415)
      expect((yield* ask(`/v1/tasks/${id}`)).body).toEqual(before)
    })
  )
})

describe("a task's record", () => {
  promise("of one that waits says what it is, with times in ISO 8601", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit({ priority: 15, tags: ["a"] })

      const { body, status } = yield* ask(`/v1/tasks/${id}`)

      expect(status).toBe(200)
      expect(body).toMatchObject({
        id,
        name: "test",
        queue: "default",
        priority: "urgent",
        state: "queued",
        attempt: 0,
        maxAttempts: 3,
        tags: ["a"],
        attempts: [],
        links: { self: `/v1/tasks/${id}` }
      })
      expect(new Date(body.submittedAt).toISOString()).toBe(body.submittedAt)
    })
  )

  promise("of a delayed one says when it is due", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
      const id = yield* submit({ runAt: tomorrow.replace("Z", "+00:00") })

      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({ state: "scheduled", dueAt: tomorrow })
    })
  )

  promise("is due on the day that was said, and on none where there is no such day", () =>
    Effect.gen(function* () {
      const { post, submit } = yield* anApi()
      yield* submit({ runAt: "2028-02-29" })

      for (const runAt of ["2027-02-30T00:00:00Z", "2027-02-29", "1", "0", "12/01/2027", "Dec 1 2027"]) {
        expect(yield* post("/v1/tasks", { name: "test", runAt })).toMatchObject({
          status: 422,
          body: { errors: [{ path: "/runAt", message: expect.stringContaining("not a time in ISO 8601") }] }
        })
      }
    })
  )

  promise("of one that runs says who runs it, since when, and how far it is", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      const worker = yield* aWorker()
      yield* (yield* worker.claimOne).note({ fraction: 0.5, message: "half" })

      expect((yield* ask(`/v1/tasks/${id}`)).body).toMatchObject({
        state: "running",
        attempt: 1,
        worker: worker.name,
        startedAt: "2030-01-01T09:00:00.000Z",
        progress: { fraction: 0.5, message: "half" },
        attempts: [{ attempt: 1, worker: worker.name, startedAt: "2030-01-01T09:00:00.000Z" }]
      })
    })
  )

  promise("of one that failed says with what, in every attempt", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      const worker = yield* aWorker()
      yield* (yield* worker.claimOne).retry({ type: "Flaky", message: "first" }, 0)
      yield* (yield* worker.claimOne).fail({ type: "Boom", message: "second" })

      const { body } = yield* ask(`/v1/tasks/${id}`)

      expect(body).toMatchObject({
        state: "failed",
        attempt: 2,
        finishedAt: "2030-01-01T09:00:01.000Z",
        error: { type: "Boom", message: "second" }
      })
      expect(body.attempts).toEqual([
        {
          attempt: 1,
          worker: worker.name,
          startedAt: "2030-01-01T09:00:00.000Z",
          finishedAt: "2030-01-01T09:00:00.500Z",
          error: { type: "Flaky", message: "first" }
        },
        {
          attempt: 2,
          worker: worker.name,
          startedAt: "2030-01-01T09:00:00.000Z",
          finishedAt: "2030-01-01T09:00:01.000Z",
          error: { type: "Boom", message: "second" }
        }
      ])
    })
  )

  promise("of one that was cancelled counts the attempts that were made, and no other", () =>
    Effect.gen(function* () {
      const { ask, post, submit } = yield* anApi()
      const attemptOf = Effect.fnUntraced(function* (id: string) {
        expect((yield* post(`/v1/tasks/${id}/cancel`, {})).status).toBe(202)
        const { body } = yield* ask(`/v1/tasks/${id}`)
        expect(body.state).toBe("cancelled")
        return body.attempt
      })
      const worker = yield* aWorker()

      expect(yield* attemptOf(yield* submit({ delayMs: 60_000 }))).toBe(0)
      expect(yield* attemptOf(yield* submit())).toBe(0)
      const flaky = yield* submit()
      yield* (yield* worker.claimOne).retry({ type: "Flaky", message: "first" }, 60_000)
      expect(yield* attemptOf(flaky)).toBe(1)
      const running = yield* submit()
      yield* worker.claimOne
      expect(yield* attemptOf(running)).toBe(1)
    })
  )

  promise("of one that is not there is a problem", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const absent = `default.0.${ulidAt(Date.now(), 1)}`
      for (const path of ["", "/input", "/result", "/result?waitMs=1000", "/events"]) {
        const { body, headers, status } = yield* ask(`/v1/tasks/${absent}${path}`)

        expect(status).toBe(404)
        expect(body).toMatchObject({ type: "task-not-found", status: 404, title: "There is no such task" })
        expect(body.detail).toContain(absent)
        expect(headers.get("content-type")).toBe("application/problem+json")
      }
    })
  )

  promise("is not there for what cannot be an id, which is said", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const id of [
        "1",
        "default.01ARZ3NDEKTSV4RRFFQ69G5FAV",
        `${absent}%20`,
        "..%2f..%2fetc",
        "default.0.{hash}",
        "💥"
      ]) {
        for (const path of ["", "/input", "/result", "/events"]) {
          expect(yield* ask(`/v1/tasks/${id}${path}`)).toMatchObject({
            status: 404,
            body: { type: "invalid-id", status: 404 }
          })
        }
      }
    })
  )
})

describe("a task's input", () => {
  promise("is given back as it was sent", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const input = { text: "a\r\nb", deep: [{ list: [1.5, null, "ä💥"] }] }
      const id = yield* submit({ input })

      const { body, headers } = yield* ask(`/v1/tasks/${id}/input`)

      expect(body).toEqual(input)
      expect(headers.get("content-type")).toStartWith("application/json")
    })
  )

  promise("is gone after the end when it was too large to be kept", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit({ input: "x".repeat(keptInputMax) })
      yield* (yield* (yield* aWorker()).claimOne).forgetInput

      expect(yield* ask(`/v1/tasks/${id}/input`)).toMatchObject({
        status: 410,
        body: { type: "input-not-kept" }
      })
    })
  )
})
