import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Follow } from "../../../actors/follow/follow.ts"
import { Drain } from "../../../api/http/drain.ts"
import { aLeavingClient, anApi, framesOf, memoryApi, promise } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import type { Frame } from "../../support/sse.ts"
import { aWorker } from "../../support/worker.ts"

/** An API, and a task that a worker runs. */
const aRun = Effect.fnUntraced(function* (options?: Parameters<typeof anApi>[0]) {
  const api = yield* anApi(options)
  const id = yield* api.submit()
  const events = `/v1/tasks/${id}/events`
  return { ...api, events, run: yield* (yield* aWorker()).claimOne }
})

const state = (state: string, attempt: number): Frame => ({ event: "state", data: { state, attempt } })
const chunk = (attempt: number, seq: number, chunk: unknown): Frame => ({
  id: `${attempt}-${seq}`,
  event: "chunk",
  data: { attempt, seq, chunk }
})
const succeeded: Frame = { id: "1-end", event: "end", data: { state: "succeeded" } }

/** Succeeds once nobody follows anything any more. */
const nobodyFollows = Effect.gen(function* () {
  const { topics } = yield* Follow
  while ((yield* topics) > 0) yield* Effect.sleep(1)
})

describe("a stream of a task's events", () => {
  promise("tells everything, in frames with ids, up to the end, and ends", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun()
      yield* run.note()
      const response = yield* request(events)
      expect(response.status).toBe(200)
      expect(response.headers.get("content-type")).toBe("text/event-stream")
      expect(response.headers.get("cache-control")).toBe("no-cache, no-transform")

      yield* run.emit("progress", { fraction: 0.5, message: "half" })
      yield* run.emit("log", { level: "warn", message: "hm" })
      yield* run.chunks("a")
      yield* run.succeed("done")

      expect(yield* framesOf(response).rest).toEqual([
        state("running", 1),
        { id: "1-1", event: "progress", data: { attempt: 1, seq: 1, fraction: 0.5, message: "half" } },
        { id: "1-2", event: "log", data: { attempt: 1, seq: 2, level: "warn", message: "hm" } },
        chunk(1, 3, "a"),
        succeeded
      ])
    })
  )

  promise("is whole, whatever line breaks the output has", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun()
      const odd = "a\r\nb\rc\nid: 9-9\n\ndata: x\u2028\u2029\u0085\0"
      yield* run.chunks(odd, { [odd]: odd })
      yield* run.emit("log", { level: "info", message: odd })
      yield* run.fail({ type: odd, message: odd })

      const frames = yield* framesOf(yield* request(events)).rest

      expect(frames).toEqual([
        chunk(1, 1, odd),
        chunk(1, 2, { [odd]: odd }),
        { id: "1-3", event: "log", data: { attempt: 1, seq: 3, level: "info", message: odd } },
        { id: "1-end", event: "end", data: { state: "failed", error: { type: odd, message: odd } } }
      ])
    })
  )

  for (const [how, init, query] of [
    ["the header", { headers: { "last-event-id": "1-2" } }, ""],
    ["the address", {}, "?after=1-2"],
    ["the header, whatever the address says,", { headers: { "last-event-id": "1-2" } }, "?after=1-1"]
  ] as const) {
    promise(`goes on after the event that ${how} names`, () =>
      Effect.gen(function* () {
        const { events, request, run } = yield* aRun()
        yield* run.chunks("a", "b", "c")
        yield* run.succeed("done")

        expect(yield* framesOf(yield* request(events + query, init)).rest).toEqual([
          chunk(1, 3, "c"),
          succeeded
        ])
      })
    )
  }

  promise("tells of a gap, and of a run that made the one before void, without ids", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun()
      const worker = yield* aWorker()
      yield* run.chunks("a")
      yield* run.retry({ type: "Flaky", message: "again" }, 0)
      const second = yield* worker.claimOne
      second.skip(2)
      yield* second.chunks("b")
      yield* second.succeed("done")

      expect(yield* framesOf(yield* request(events)).rest).toEqual([
        chunk(1, 1, "a"),
        { event: "attempt", data: { attempt: 2, reset: true } },
        { event: "gap", data: { attempt: 2, from: 1, to: 2 } },
        chunk(2, 3, "b"),
        { ...succeeded, id: "2-end" }
      ])
    })
  )

  promise("has nothing for one who has seen the end, and says: do not come back", () =>
    Effect.gen(function* () {
      const { ask, events, run } = yield* aRun()
      yield* run.succeed("done")

      expect(yield* ask(events, { headers: { "last-event-id": "1-end" } })).toMatchObject({
        status: 204,
        body: undefined
      })
    })
  )

  promise("goes on for one who has seen the end of a run, when its task is tried again", () =>
    Effect.gen(function* () {
      const { ask, events, post, request, run } = yield* aRun()
      yield* run.fail({ type: "Broken", message: "no" })
      const seen = { headers: { "last-event-id": "1-end" } }
      expect((yield* ask(events, seen)).status).toBe(204)

      yield* post(`${events.slice(0, -"/events".length)}/retry`, {})
      const second = yield* (yield* aWorker()).claimOne
      yield* second.chunks("again")
      yield* second.succeed("done")

      expect(yield* framesOf(yield* request(events, seen)).rest).toEqual([
        { event: "attempt", data: { attempt: 2, reset: true } },
        chunk(2, 1, "again"),
        { ...succeeded, id: "2-end" }
      ])
      expect((yield* ask(events, { headers: { "last-event-id": "2-end" } })).status).toBe(204)
    })
  )

  promise("is refused to one who asks to go on from what is no event", () =>
    Effect.gen(function* () {
      const { ask, events } = yield* aRun()
      for (const after of ["x", "1", "1-2-3", "-1-1", "1-\u00e4"]) {
        expect(yield* ask(`${events}?after=${encodeURIComponent(after)}`)).toMatchObject({
          status: 400,
          body: { type: "invalid-position", status: 400 }
        })
      }
    })
  )

  promise("has a heartbeat while it is quiet", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun({ heartbeat: "10 millis" })
      yield* run.note()
      const { one, take } = framesOf(yield* request(events))
      yield* one

      expect(yield* take(3)).toEqual([{ comment: "alive" }, { comment: "alive" }, { comment: "alive" }])
    })
  )

  it.effect("keeps no heartbeats for one who does not read them", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun({ heartbeat: "5 seconds" })
      const { one, take } = framesOf(yield* request(events))
      yield* one
      const next = yield* Effect.forkScoped(one)

      yield* TestClock.adjust("1 minute")

      expect(yield* Fiber.join(next)).toEqual({ comment: "alive" })
      yield* run.chunks("a")
      const frames = yield* take(2)
      expect(frames.map(({ comment, event }) => comment ?? event)).toEqual(["alive", "chunk"])
    }).pipe(Effect.provide(memoryApi))
  )

  promise("may be quiet for as long as it is quiet", () =>
    Effect.gen(function* () {
      const { events, request } = yield* aRun()
      let untimed = 0
      yield* request(events, undefined, { untimed: () => void untimed++ })

      expect(untimed).toBe(1)
    })
  )

  promise("loses no event to a heartbeat", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun({ heartbeat: "1 millis" })
      const { rest } = framesOf(yield* request(events))
      const read = yield* Effect.forkScoped(rest, { startImmediately: true })
      for (let n = 1; n <= 20; n++) {
        yield* run.chunks(n)
        yield* Effect.sleep(2)
      }
      yield* run.succeed("done")

      const frames = (yield* Fiber.join(read)).filter(
        ({ comment, event }) => comment === undefined && event !== "state"
      )

      expect(frames).toEqual([...Array.from({ length: 20 }, (_, at) => chunk(1, at + 1, at + 1)), succeeded])
    })
  )

  promise("frees everything when its reader goes", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun()
      const { cancel, one } = framesOf(yield* request(events))
      yield* one
      yield* run.chunks("a")
      yield* one

      yield* cancel

      yield* nobodyFollows
    })
  )

  promise("frees everything when its client has gone before it read anything", () =>
    Effect.gen(function* () {
      const { events, request } = yield* aRun()
      const client = aLeavingClient()
      yield* request(events, { signal: client.signal })

      client.leave()

      yield* nobodyFollows
    })
  )

  promise("is not opened for HEAD", () =>
    Effect.gen(function* () {
      const { events, request } = yield* aRun()

      const response = yield* request(events, { method: "HEAD" })

      expect(response.headers.get("content-type")).toBe("text/event-stream")
      yield* nobodyFollows
    })
  )

  promise("ends when the process goes away, and goes on elsewhere", () =>
    Effect.gen(function* () {
      const drain = new Drain()
      const { events, request, run } = yield* aRun({ drain })
      yield* run.chunks("a")
      const { one, rest, take } = framesOf(yield* request(events))
      yield* one
      expect(yield* take(1)).toEqual([chunk(1, 1, "a")])

      drain.close()

      expect(yield* rest).toEqual([{ event: "away", data: { reason: expect.any(String) } }])
      yield* nobodyFollows
      yield* run.chunks("b")
      const elsewhere = framesOf(
        yield* (yield* anApi()).request(events, { headers: { "last-event-id": "1-1" } })
      )
      expect(yield* elsewhere.take(2)).toEqual([
        expect.objectContaining({ event: "state" }),
        chunk(1, 2, "b")
      ])
    })
  )

  promise("has all of a long past", () =>
    Effect.gen(function* () {
      const { events, request, run } = yield* aRun()
      const all = Array.from({ length: 1_000 }, (_, n) => chunk(1, n + 1, n))
      for (let at = 0; at < 1_000; at += 100)
        yield* run.chunks(...Array.from({ length: 100 }, (_, n) => at + n))
      yield* run.succeed("done")

      expect(yield* framesOf(yield* request(events)).rest).toEqual([...all, succeeded])
    })
  )
})
