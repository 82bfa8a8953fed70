import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Lifecycle } from "../../../actors/follow/lifecycle.ts"
import { anApi, framesOf, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

/** Succeeds once nobody listens any more. */
const nobodyListens = Effect.gen(function* () {
  const { listeners } = yield* Lifecycle
  while ((yield* listeners) > 0) yield* Effect.sleep(1)
})

describe("the stream of all tasks", () => {
  promise("says that it listens, and then what becomes of each", () =>
    Effect.gen(function* () {
      const { request, submit } = yield* anApi()
      const response = yield* request("/v1/events")
      expect(response.status).toBe(200)
      expect(response.headers.get("content-type")).toBe("text/event-stream")
      const { take } = framesOf(response)
      expect(yield* take(1)).toEqual([
        { event: "listening", id: expect.any(String), data: { type: "listening" } }
      ])

      const id = yield* submit({ queue: "default", key: "k", tags: ["a"] })
      yield* (yield* (yield* aWorker()).claimOne).fail({ type: "Odd", message: "no" })

      const frames = yield* take(4)
      expect(frames.map(({ event }) => event)).toEqual([
        "task.submitted",
        "task.started",
        "task.failed",
        "task.dead"
      ])
      expect(frames[0]).toEqual({
        id: expect.any(String),
        event: "task.submitted",
        data: {
          type: "task.submitted",
          task: id,
          name: "test",
          queue: "default",
          state: "queued",
          attempt: 0,
          at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
          key: "k",
          tags: ["a"]
        }
      })
    })
  )

  promise("tells of another time when that is, and how the task stands", () =>
    Effect.gen(function* () {
      const { post, request, submit } = yield* anApi()
      const { take } = framesOf(yield* request("/v1/events?type=task.rescheduled"))
      yield* take(1)
      const id = yield* submit({ delayMs: 60_000, tags: ["a"] })
      const runAt = new Date(Date.now() + 30_000).toISOString()

      yield* post(`/v1/tasks/${id}/reschedule`, { runAt })
      yield* post(`/v1/tasks/${id}/reschedule`, { delayMs: 0 })

      const [later, now] = yield* take(2)
      expect(later).toMatchObject({
        event: "task.rescheduled",
        data: { task: id, state: "scheduled", attempt: 0, dueAt: runAt, tags: ["a"] }
      })
      const { at } = now!.data as { readonly at: string }
      expect(now!.data).toMatchObject({ task: id, state: "queued", dueAt: at })
      yield* (yield* (yield* aWorker()).claimOne).retry({ type: "Odd", message: "no" }, 60_000)
      yield* post(`/v1/tasks/${id}/reschedule`, { delayMs: 30_000 })
      expect(yield* take(1)).toMatchObject([{ data: { task: id, state: "retrying", attempt: 1 } }])
    })
  )

  promise("tells only what was asked for", () =>
    Effect.gen(function* () {
      const { request, submit } = yield* anApi()
      const { take } = framesOf(
        yield* request("/v1/events?type=task.completed,task.failed&tag=b,c&name=test")
      )
      yield* take(1)
      yield* submit({ tags: ["a"] })
      yield* submit({ tags: ["c"] })
      const worker = yield* aWorker()
      for (const run of yield* worker.claim(2)) yield* run.succeed("done")

      expect(yield* take(1)).toMatchObject([{ event: "task.completed", data: { tags: ["c"] } }])
    })
  )

  promise("goes on after the last id", () =>
    Effect.gen(function* () {
      const { request, submit } = yield* anApi()
      const first = framesOf(yield* request("/v1/events"))
      yield* first.take(1)
      yield* submit()
      const [seen] = yield* first.take(1)
      yield* first.cancel
      yield* nobodyListens
      const missed = yield* submit()

      const again = framesOf(yield* request("/v1/events", { headers: { "last-event-id": seen!.id! } }))

      expect(yield* again.take(2)).toMatchObject([{ event: "listening" }, { data: { task: missed } }])
    })
  )

  promise("refuses a filter that nothing can fit, and a place that is none", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      for (const query of ["type=task.lost", "queue=Not%20a%20queue", "unknown=1"]) {
        expect(yield* ask(`/v1/events?${query}`)).toMatchObject({
          status: 400,
          body: { type: "invalid-parameter" }
        })
      }
      expect(yield* ask("/v1/events?after=1-2")).toMatchObject({
        status: 400,
        body: { type: "invalid-position" }
      })
      yield* nobodyListens
    })
  )
})
