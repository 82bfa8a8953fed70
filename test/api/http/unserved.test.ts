import { describe, expect } from "bun:test"
import { Effect, Layer, Logger } from "effect"
import { Files } from "../../../runtime/files.ts"
import { anApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"
import { dispatcherOn, joined } from "../../support/serving.ts"

const api = (unserved: "accept" | "refuse") =>
  Files.layer.pipe(
    Layer.orDie,
    Layer.provideMerge(dispatcherOn("memory", { unserved })),
    Layer.provide(Logger.layer([]))
  )

describe("a task that no live worker can run", () => {
  it.live("is answered with a warning", () =>
    Effect.gen(function* () {
      const { post } = yield* anApi()
      const { body, status } = yield* post("/v1/tasks", { name: "first" })

      expect(status).toBe(202)
      expect(body.warning).toBe("no live worker serves queue default: the task waits until one does")
    }).pipe(Effect.provide(api("accept")))
  )

  it.live("is a problem where the system is set to refuse it, in a batch as well", () =>
    Effect.gen(function* () {
      yield* joined({ handlers: ["second"] })
      const { post } = yield* anApi()
      const problem = {
        type: "no-worker",
        title: "No live worker can run the task",
        status: 503,
        retryAfterMs: 5_000,
        detail: "no live worker can run first of queue default"
      }
      const { body, headers, status } = yield* post("/v1/tasks", { name: "first" })
      expect([status, headers.get("retry-after"), body]).toEqual([503, "5", problem])

      const batch = yield* post("/v1/tasks/batch", { tasks: [{ name: "first" }, { name: "second" }] })
      expect(batch.status).toBe(202)
      expect(batch.body.tasks).toMatchObject([{ problem }, { state: "queued" }])
    }).pipe(Effect.provide(api("refuse")))
  )
})
