import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { anApi, jsonBody, nothingWaits, promise } from "../../support/api.ts"
import { aWorker } from "../../support/worker.ts"

const task = (input: unknown) => ({ name: "test", input })

describe("a batch of tasks", () => {
  promise("is stored in its order, and answered in its order", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      const inputs = Array.from({ length: 1_000 }, (_, n) => n)

      const { body, status } = yield* post("/v1/tasks/batch", { tasks: inputs.map(task) })

      expect(status).toBe(202)
      const claimed = yield* (yield* aWorker()).claim(1_000)
      expect(body.tasks.map(({ id }: { id: string }) => id)).toEqual(claimed.map(({ id }) => id))
      expect(body.tasks[0]).toEqual({
        id: claimed[0]!.id,
        state: "queued",
        links: expect.objectContaining({ self: `/v1/tasks/${claimed[0]!.id}` })
      })
    })
  )

  promise("is not sunk by the tasks of it that are refused", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* anApi()
      const polluted = `{"name":"test","input":{"__proto__":1}}`
      const odd = [{ name: "tset" }, { name: "strict", input: {} }, { name: "test", foo: 1 }, null]
      const tasks = [task(1), ...odd, task(2)].map((task) => JSON.stringify(task))

      const { body, status } = yield* post("/v1/tasks/batch", `{"tasks":[${[polluted, ...tasks].join(",")}]}`)

      expect(status).toBe(202)
      expect(body.tasks).toMatchObject([
        { problem: { type: "body-refused", status: 422, errors: [{ path: "/input/__proto__" }] } },
        { state: "queued" },
        { problem: { type: "unknown-handler", status: 404 } },
        {
          problem: {
            type: "task-refused",
            status: 422,
            errors: [{ path: "/input/name" }, { path: "/input/count" }]
          }
        },
        { problem: { type: "task-refused", status: 422, errors: [{ path: "/foo" }] } },
        { problem: { type: "task-refused", status: 422 } },
        { state: "queued" }
      ])
      expect((yield* ask(`/v1/tasks/${body.tasks[6].id}/input`)).body).toBe(2)
      expect(yield* (yield* aWorker()).claim(10)).toHaveLength(2)
    })
  )

  promise("may be larger than one task may, within its own limit", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      const large = "x".repeat(900_000)

      expect(
        (yield* post("/v1/tasks/batch", { tasks: Array.from({ length: 5 }, () => task(large)) })).status
      ).toBe(202)
      expect(
        yield* post("/v1/tasks/batch", { tasks: Array.from({ length: 20 }, () => task(large)) })
      ).toMatchObject({
        status: 413,
        body: { type: "body-too-large" }
      })
    })
  )

  for (const [what, body] of [
    ["empty", { tasks: [] }],
    ["of more than 1 000", { tasks: Array.from({ length: 1_001 }, task) }],
    ["no list", { tasks: {} }],
    ["not there", {}]
  ] as const) {
    promise(`that is ${what} is refused`, () =>
      Effect.gen(function* () {
        const { post } = yield* anApi()

        expect(yield* post("/v1/tasks/batch", body)).toMatchObject({
          status: 422,
          body: { type: "body-refused", errors: [{ path: "/tasks" }] }
        })
      })
    )
  }

  promise("with an idempotency key in its header is refused: each task has its own", () =>
    Effect.gen(function* () {
      const { ask } = yield* anApi()
      const request = jsonBody({ tasks: [task(1)] })
      const headers = { "content-type": "application/json", "idempotency-key": "k" }

      expect(yield* ask("/v1/tasks/batch", { ...request, headers })).toMatchObject({
        status: 400,
        body: { type: "invalid-parameter", errors: [{ path: "Idempotency-Key" }] }
      })
      yield* nothingWaits
    })
  )

  promise("with a field that nobody knows is refused", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()

      expect(yield* post("/v1/tasks/batch", { tasks: [task(1)], task: 1 })).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/task" }] }
      })
      expect(yield* (yield* aWorker()).claim(1)).toEqual([])
    })
  )
})
