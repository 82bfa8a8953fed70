/** Submitting a task, cancelling it, giving it another time, and asking what became of it. */
import { Effect, Option, Schema } from "effect"
import { Dispatcher, NewTaskJson, RescheduleJson } from "../../../actors/dispatch/dispatcher.ts"
import { endedWithin } from "../awaiting.ts"
import { TaskFailed } from "../../client/errors.ts"
import { fitting, readJson, readJsonIfAny } from "../body.ts"
import type { Drain } from "../drain.ts"
import type { Serve } from "../mount.ts"
import { ofTaskId, Reason, taskId, waitMsMax, withKey } from "../parameters.ts"
import { inSilence, textAtPace } from "../pace.ts"
import { InputNotKept } from "../refusals.ts"
import { ofBody, ofSubmit, row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import { NewTask, RescheduledShape, Standing, SubmittedShape, TaskShape } from "../shapes/task.ts"
import { baseOf, submittedJson, taskJson, taskPath } from "../view.ts"

const group = "Tasks"

export const rows = {
  submit: row({
    name: "submitTask",
    method: "POST",
    path: "/v1/tasks",
    group,
    summary: "Submits a task",
    needs: "submit",
    reach: "tenant",
    headers: {
      "idempotency-key": { schema: NewTaskJson.fields.idempotencyKey, example: "order-4711" }
    },
    body: {
      schema: NewTask,
      example: { name: "text.count", input: { text: "one two three" }, tags: ["example"] }
    },
    answers: {
      200: {
        description: "The task that does, or has done, the work already",
        schema: SubmittedShape,
        headers: ["location"]
      },
      202: { description: "The task is stored", schema: SubmittedShape, headers: ["location"] }
    },
    problems: [...ofBody, ...ofSubmit]
  }),
  cancel: row({
    name: "cancelTask",
    method: "POST",
    path: "/v1/tasks/:id/cancel",
    group,
    summary: "Cancels a task, whoever runs it",
    needs: "submit",
    reach: "tenant",
    parts: ofTaskId,
    body: { schema: Reason, optional: true, example: { reason: "sent twice" } },
    answers: { 202: { description: "It is cancelled", schema: Standing } },
    problems: [...ofBody, "InvalidTaskId", "TaskNotFound", "TaskEnded", "StoreError"]
  }),
  reschedule: row({
    name: "rescheduleTask",
    method: "POST",
    path: "/v1/tasks/:id/reschedule",
    group,
    summary: "Gives a task that waits for its time another one, or lets it run now",
    needs: "submit",
    reach: "tenant",
    parts: ofTaskId,
    body: { schema: RescheduleJson, example: { delayMs: 60_000 } },
    answers: { 200: { description: "It is due then", schema: RescheduledShape } },
    problems: [...ofBody, "SubmitRefused", "InvalidTaskId", "TaskNotFound", "NotReschedulable", "StoreError"]
  }),
  show: row({
    name: "getTask",
    method: "GET",
    path: "/v1/tasks/:id",
    group,
    summary: "Gives a task's record",
    needs: "follow",
    reach: "tenant",
    parts: ofTaskId,
    conditional: true,
    answers: { 200: { description: "The record", schema: TaskShape } },
    problems: ["InvalidTaskId", "TaskNotFound", "StoreError"]
  }),
  input: row({
    name: "getInput",
    method: "GET",
    path: "/v1/tasks/:id/input",
    group,
    summary: "Gives what was submitted",
    needs: "follow",
    reach: "tenant",
    parts: ofTaskId,
    conditional: true,
    answers: { 200: { description: "The input as it is", schema: Schema.Unknown } },
    problems: ["InvalidTaskId", "TaskNotFound", "TaskGone", "InputNotKept", "PayloadUnreadable", "StoreError"]
  }),
  result: row({
    name: "getResult",
    method: "GET",
    path: "/v1/tasks/:id/result",
    group,
    summary: "Gives the result, and waits for it if asked to",
    needs: "follow",
    reach: "tenant",
    parts: ofTaskId,
    query: Schema.Struct({
      waitMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: waitMsMax })))
    }),
    conditional: true,
    answers: {
      200: { description: "The handler's output as it is", schema: Schema.Unknown },
      202: { description: "It has not ended", schema: Standing, headers: ["retry-after"] }
    },
    problems: ["InvalidTaskId", "TaskNotFound", "TaskGone", "TaskFailed", "PayloadUnreadable", "StoreError"]
  })
}

const readCancel = fitting(Reason)

/** Payloads may be large. */
const json = (c: ApiContext, value: unknown) =>
  Effect.map(textAtPace(JSON.stringify(value)), (text) =>
    c.body(text, 200, { "content-type": "application/json" })
  )

export const tasks = (serve: Serve, drain: Drain) => {
  serve(
    rows.submit,
    Effect.fnUntraced(function* (c) {
      const task = yield* withKey(c, yield* readJson(c.req.raw), "idempotencyKey")
      const submitted = yield* Dispatcher.use((dispatcher) => dispatcher.submit(task))
      const status = submitted.existing ? 200 : 202
      const base = baseOf(c)
      return c.json(submittedJson(submitted, base), status, { location: taskPath(submitted.id, base) })
    })
  )
  serve(
    rows.cancel,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      const { reason } = yield* readCancel(yield* readJsonIfAny(c.req.raw))
      yield* Dispatcher.use((dispatcher) => dispatcher.cancel(id, reason))
      return c.json({ id, state: "cancelled" }, 202)
    })
  )
  serve(
    rows.reschedule,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      const when = yield* readJson(c.req.raw)
      const { dueAt, state } = yield* Dispatcher.use((dispatcher) => dispatcher.reschedule(id, when))
      return c.json({ id, state, dueAt: new Date(dueAt).toISOString() })
    })
  )
  serve(
    rows.show,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      return c.json(taskJson(yield* Dispatcher.use((dispatcher) => dispatcher.task(id)), baseOf(c)))
    })
  )
  serve(
    rows.input,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      const input = yield* Dispatcher.use((dispatcher) => dispatcher.input(id))
      return Option.isSome(input) ? yield* json(c, input.value) : yield* new InputNotKept({ id })
    })
  )
  serve(
    rows.result,
    Effect.fnUntraced(function* (c, { waitMs = 0 }) {
      const id = yield* taskId(c)
      const ending = endedWithin(id, waitMs, drain)
      const ended = yield* waitMs > 0 ? inSilence(ending) : ending
      if (Option.isNone(ended)) {
        const { state } = yield* Dispatcher.use((dispatcher) => dispatcher.task(id))
        return c.json({ id, state }, 202, { "retry-after": "1" })
      }
      if (ended.value.state === "succeeded") return yield* json(c, ended.value.output ?? null)
      const { error, state } = ended.value
      return yield* new TaskFailed({ id, state, error })
    })
  )
}
