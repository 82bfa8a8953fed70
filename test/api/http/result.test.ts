import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { Drain } from "../../../api/http/drain.ts"
import { anApi, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

describe("a task's result", () => {
  promise("of a task that may have been, and is no longer kept, is gone, and so is its input", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()

      for (const part of ["result", "input"]) {
        expect(yield* ask(`/v1/tasks/default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV/${part}`)).toMatchObject({
          status: 410,
          body: { type: "gone", status: 410 }
        })
      }
    })
  )

  promise("is the handler's output, as it is", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      for (const output of [{ ok: true }, [1, "ä"], "text", 0, false, null]) {
        const id = yield* submit()
        yield* (yield* (yield* aWorker()).claimOne).succeed(output)

        const { body, status } = yield* ask(`/v1/tasks/${id}/result`)

        expect(status).toBe(200)
        expect(body).toEqual(output)
      }
    })
  )

  promise("is not yet there while the task has not ended, and says when to ask again", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      for (const query of ["", "?waitMs=0", "?waitMs=20"]) {
        const { body, headers, status } = yield* ask(`/v1/tasks/${id}/result${query}`)

        expect(status).toBe(202)
        expect(body).toEqual({ id, state: "queued" })
        expect(headers.get("retry-after")).toBe("1")
      }
    })
  )

  promise("is waited for, and given as soon as it is there", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      const waiting = yield* Effect.forkScoped(ask(`/v1/tasks/${id}/result?waitMs=60000`), {
        startImmediately: true
      })
      yield* Effect.yieldNow

      yield* (yield* (yield* aWorker()).claimOne).succeed("done")

      expect(yield* Fiber.join(waiting)).toMatchObject({ status: 200, body: "done" })
    })
  )

  promise("of a task that failed is a problem with the error, and without its stack", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      yield* (yield* (yield* aWorker()).claimOne).fail({
        type: "Boom",
        message: "no",
        stack: "at /secret/path"
      })

      const { body, headers, status } = yield* ask(`/v1/tasks/${id}/result`)

      expect(status).toBe(424)
      expect(headers.get("content-type")).toBe("application/problem+json")
      expect(body).toEqual({
        type: "task-failed",
        title: "The task ended without a result",
        status: 424,
        detail: `task ${id} failed: Boom: no`,
        error: { type: "Boom", message: "no" }
      })
    })
  )

  promise("of a task that was cancelled or expired is a problem of its own", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      for (const [letter, type] of [
        ["C", "task-cancelled"],
        ["E", "task-expired"]
      ] as const) {
        const id = yield* submit()
        yield* (yield* (yield* aWorker()).claimOne).fail({ type: "Stopped", message: "so it goes" }, letter)

        expect(yield* ask(`/v1/tasks/${id}/result`)).toMatchObject({ status: 424, body: { type } })
      }
    })
  )

  promise("is not waited for any longer when the process goes away", () =>
    Effect.gen(function* () {
      const drain = new Drain()
      const { ask, submit } = yield* anApi({ drain })
      const id = yield* submit()
      const waiting = yield* Effect.forkScoped(ask(`/v1/tasks/${id}/result?waitMs=60000`), {
        startImmediately: true
      })
      yield* Effect.yieldNow

      drain.close()

      expect(yield* Fiber.join(waiting)).toMatchObject({ status: 202, body: { id, state: "queued" } })
    })
  )

  promise("may take as long to come as it is waited for, and no other answer may", () =>
    Effect.gen(function* () {
      const { request, submit } = yield* anApi()
      const id = yield* submit()
      const told: Array<string> = []
      const bindings = {
        untimed: ({ url }: Request) => void told.push(`untimed ${new URL(url).search}`),
        timed: ({ url }: Request) => void told.push(`timed ${new URL(url).search}`)
      }
      for (const query of ["", "?waitMs=0", "?waitMs=5"]) {
        yield* request(`/v1/tasks/${id}/result${query}`, undefined, bindings)
      }

      expect(told).toEqual(["untimed ?waitMs=5", "timed ?waitMs=5"])
    })
  )

  promise("is waited for no longer than a minute", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* anApi()
      const id = yield* submit()
      for (const wait of ["60001", "-1", "1.5", "1e3", "abc", "99999999999999999999", " 1"]) {
        const { body, status } = yield* ask(`/v1/tasks/${id}/result?waitMs=${encodeURIComponent(wait)}`)

        expect(status).toBe(400)
        expect(body).toMatchObject({ type: "invalid-parameter", errors: [{ path: "waitMs" }] })
      }
    })
  )
})
