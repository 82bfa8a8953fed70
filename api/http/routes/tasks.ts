/** Submitting a task, cancelling it, and asking what became of it. */
import { Duration, Effect, Option, Schema } from "effect"
import { Hono } from "hono"
import { Dispatcher, reasonMax } from "../../../actors/dispatch/dispatcher.ts"
import { TaskFailed } from "../../client/errors.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import type { Drain } from "../drain.ts"
import { taskId, waitMs } from "../parameters.ts"
import { BodyRefused, InputNotKept } from "../refusals.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import { submittedJson, taskJson, taskPath } from "../view.ts"

/** A task with the key of the header, which is the only one or the same. */
const withKey = (c: ApiContext, task: unknown): Effect.Effect<unknown, BodyRefused> => {
  const header = c.req.header("idempotency-key")
  if (header === undefined || typeof task !== "object" || task === null || Array.isArray(task)) {
    return Effect.succeed(task)
  }
  const { idempotencyKey = header } = task as { readonly idempotencyKey?: unknown }
  return idempotencyKey === header
    ? Effect.succeed({ ...task, idempotencyKey })
    : Effect.fail(
        new BodyRefused({
          faults: [{ path: "/idempotencyKey", message: "is not what the header Idempotency-Key says" }]
        })
      )
}

const readCancel = fitting(
  Schema.Struct({
    reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(reasonMax)))
  })
)

export const tasks = (respond: Respond, drain: Drain) =>
  new Hono<{ Bindings: Bindings }>()
    .post("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const task = yield* withKey(c, yield* readJson(c.req.raw))
          const submitted = yield* Dispatcher.use((dispatcher) => dispatcher.submit(task))
          const status = submitted.existing ? 200 : 202
          return c.json(submittedJson(submitted), status, { location: taskPath(submitted.id) })
        })
      )
    )
    .post("/:id/cancel", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = yield* taskId(c)
          const { reason } = yield* readCancel(yield* readJsonIfAny(c.req.raw))
          yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id, reason))
          return c.json({ id, state: "cancelled" }, 202)
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
            Effect.as(drain.closes, Option.none())
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
