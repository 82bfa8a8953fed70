import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { anApi, jsonBody, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

const daily = { id: "daily", name: "test", input: { n: 1 }, cron: "30 2 * * *", timeZone: "Europe/Berlin" }
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const put = (body: object): RequestInit => ({ ...jsonBody(body), method: "PUT" })

describe("schedules over HTTP", () => {
  promise("are made, and shown with their next ten slots", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const made = yield* post("/v1/schedules", daily)

      expect(made).toMatchObject({
        status: 201,
        body: { ...daily, missed: "run-once", overlap: "allow", paused: false }
      })
      expect(made.headers.get("location")).toBe("/v1/schedules/daily")
      expect(made.body.nextRuns).toHaveLength(10)
      for (const slot of made.body.nextRuns) expect(slot).toMatch(iso)
      expect(yield* ask("/v1/schedules/daily")).toMatchObject({
        status: 200,
        body: { ...made.body, history: [] }
      })
      expect(yield* ask("/v1/schedules")).toMatchObject({ status: 200, body: { schedules: [made.body] } })
    })
  )

  promise("are found again when they are made twice, and refused when they are others", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      yield* post("/v1/schedules", daily)

      expect(yield* post("/v1/schedules", daily)).toMatchObject({ status: 200, body: { id: "daily" } })
      expect(yield* post("/v1/schedules", { ...daily, cron: "0 3 * * *" })).toMatchObject({
        status: 409,
        body: { type: "schedule-exists" }
      })
    })
  )

  promise("are refused with every fault and its path", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      const faulty = { name: "strict", input: { name: 1, count: 2 }, everyMs: 60_000 }

      expect(yield* post("/v1/schedules", faulty)).toMatchObject({
        status: 422,
        body: { type: "schedule-refused", errors: [{ path: "/input/name" }] }
      })
      expect(yield* post("/v1/schedules", { ...daily, name: "tset" })).toMatchObject({
        status: 404,
        body: { type: "unknown-handler" }
      })
      expect(yield* post("/v1/schedules", { ...daily, cron: "30 26 * * *" })).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/cron" }] }
      })
    })
  )

  promise("are refused for a time that there is not", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      for (const when of [
        { at: "2027-02-30T00:00:00Z" },
        { at: "Dec 1 2027" },
        { everyMs: 60_000, startAt: "2027-04-31" }
      ]) {
        expect(yield* post("/v1/schedules", { name: "test", ...when })).toMatchObject({
          status: 422,
          body: { errors: [{ path: "at" in when ? "/at" : "/startAt" }] }
        })
      }
    })
  )

  promise("are listed page by page", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      for (const id of ["a", "b", "c"]) yield* post("/v1/schedules", { ...daily, id })
      const first = yield* ask("/v1/schedules?limit=2")
      const second = yield* ask(`/v1/schedules?limit=2&cursor=${first.body.next}`)

      expect([...first.body.schedules, ...second.body.schedules].map(({ id }) => id)).toEqual(["a", "b", "c"])
      expect(second.body).not.toHaveProperty("next")
      expect(yield* ask("/v1/schedules?limit=many")).toMatchObject({
        status: 400,
        body: { type: "invalid-parameter" }
      })
    })
  )

  promise("are updated with what was shown of them", () =>
    Effect.gen(function* () {
      const { ask, post, request } = yield* anApi()
      yield* post("/v1/schedules", daily)
      const { body: shown } = yield* ask("/v1/schedules/daily")

      const updated = yield* ask("/v1/schedules/daily", put({ ...shown, input: { n: 2 }, overlap: "skip" }))

      expect(updated).toMatchObject({
        status: 200,
        body: { input: { n: 2 }, overlap: "skip", nextRuns: shown.nextRuns }
      })
      expect(yield* ask("/v1/schedules/daily", put({ ...daily, id: "other" }))).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/id" }] }
      })
      const response = yield* request("/v1/schedules/none", put({ ...daily, id: "none" }))
      expect(response.status).toBe(404)
    })
  )

  promise("are paused, resumed, run now, and deleted", () =>
    Effect.gen(function* () {
      const { ask, post, request } = yield* anApi()
      yield* post("/v1/schedules", { ...daily, overlap: "skip" })

      expect(yield* post("/v1/schedules/daily/pause", {})).toMatchObject({
        status: 200,
        body: { paused: true, nextRuns: [] }
      })
      const run = yield* post("/v1/schedules/daily/run", {})
      expect(run).toMatchObject({ status: 202, body: { outcome: "submitted" } })
      expect(run.headers.get("location")).toBe(`/v1/tasks/${run.body.id}`)
      expect(yield* ask(`/v1/tasks/${run.body.id}`)).toMatchObject({ status: 200, body: { state: "queued" } })
      expect(yield* post("/v1/schedules/daily/run", {})).toMatchObject({
        status: 409,
        body: { type: "schedule-busy" }
      })
      yield* (yield* (yield* aWorker()).claimOne).succeed(1)
      expect(yield* ask("/v1/schedules/daily")).toMatchObject({
        body: {
          lastRun: { task: run.body.id, outcome: "submitted", manual: true },
          history: [{ task: run.body.id, state: "succeeded", slot: expect.stringMatching(iso) }]
        }
      })
      const resumed = yield* post("/v1/schedules/daily/resume", {})
      expect(resumed.body).toMatchObject({ paused: false })
      expect(resumed.body.nextRuns).toHaveLength(10)

      const response = yield* request("/v1/schedules/daily", { method: "DELETE" })
      expect(response.status).toBe(204)
      expect(yield* ask("/v1/schedules/daily")).toMatchObject({
        status: 404,
        body: { type: "schedule-not-found" }
      })
      expect((yield* post("/v1/schedules/daily/run", {})).status).toBe(404)
    })
  )
})
