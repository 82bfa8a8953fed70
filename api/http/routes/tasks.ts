/** Submitting a task, and asking what became of it. */
import { Duration, Effect, Option } from "effect"
import { Hono } from "hono"
import { Dispatcher } from "../../../actors/dispatcher.ts"
import { TaskFailed } from "../../client/errors.ts"
import { readJson } from "../body.ts"
import type { Drain } from "../drain.ts"
import { taskId, waitMs } from "../parameters.ts"
import { BodyRefused, InputNotKept } from "../refusals.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import { submittedJson, taskJson, taskPath } from "../view.ts"

/** To take the key and not keep its promise would be worse than to refuse it. */
const refuseKey = (c: ApiContext) =>
  c.req.header("idempotency-key") === undefined
    ? Effect.void
    : Effect.fail(
        new BodyRefused({ faults: [{ path: "Idempotency-Key", message: "is not understood yet" }] })
      )

export const tasks = (respond: Respond, drain: Drain) =>
  new Hono<{ Bindings: Bindings }>()
    .post("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          yield* refuseKey(c)
          const task = yield* readJson(c.req.raw)
          const submitted = yield* Dispatcher.use((dispatcher) => dispatcher.submit(task))
          return c.json(submittedJson(submitted), 202, { location: taskPath(submitted.id) })
        })
      )
    )
    .get("/:id", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = yield* taskId(c)
          return c.json(taskJson(yield* Dispatcher.use((dispatcher) => dispatcher.task(id))))
        })
      )
    )
    .get("/:id/input", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = yield* taskId(c)
          const input = yield* Dispatcher.use((dispatcher) => dispatcher.input(id))
          return Option.isSome(input) ? c.json(input.value) : yield* new InputNotKept({ id })
        })
      )
    )
    .get("/:id/result", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = yield* taskId(c)
          const wait = yield* waitMs(c)
          if (wait > 0) c.env?.untimed?.(c.req.raw)
          const dispatcher = yield* Dispatcher
          const ended = yield* Effect.raceFirst(
            Effect.asSome(dispatcher.result(id, Duration.millis(wait))),
            Effect.as(drain.begins, Option.none())
          ).pipe(Effect.catchTag("ResultTimeout", () => Effect.succeedNone))
          if (Option.isNone(ended)) {
            const { state } = yield* dispatcher.task(id)
            return c.json({ id, state }, 202, { "retry-after": "1" })
          }
          if (ended.value.state === "succeeded") return c.json(ended.value.output ?? null)
          const { error, state } = ended.value
          return yield* new TaskFailed({ id, state, error })
        })
      )
    )
