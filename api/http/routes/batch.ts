/** Submitting many tasks in one request. One that is refused does not sink the others. */
import { Effect, Result, Schema } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { faultsOf } from "../../../runtime/input.ts"
import { fitting, readUncheckedJson } from "../body.ts"
import type { Serve } from "../mount.ts"
import { withoutKey } from "../parameters.ts"
import { problemOf } from "../problem.ts"
import { BodyRefused } from "../refusals.ts"
import { ofBody, row } from "../row.ts"
import { BatchShape, NewTask } from "../shapes/task.ts"
import { baseOf, submittedJson } from "../view.ts"

/** How many tasks one request may bring, and in how many bytes. */
const tasksMax = 1_000
const bytesMax = 16 * 1024 * 1024

const batchOf = <Task extends Schema.Top>(task: Task) =>
  Schema.Struct({
    tasks: Schema.Array(task).check(Schema.isMinLength(1), Schema.isMaxLength(tasksMax))
  })

export const rows = {
  submit: row({
    name: "submitTasks",
    method: "POST",
    path: "/v1/tasks/batch",
    group: "Tasks",
    summary: "Submits up to 1 000 tasks",
    needs: "submit",
    reach: "tenant",
    body: {
      // Each is checked by itself: what does not fit is told in its place.
      schema: batchOf(NewTask),
      example: { tasks: [{ name: "text.count", input: { text: "one" } }] },
      each: true
    },
    answers: { 202: { description: "What became of each, in order", schema: BatchShape } },
    problems: [...ofBody, "StoreError", "StoreFull", "GoingAway"]
  })
}

const readBatch = fitting(batchOf(Schema.Unknown))

/** A task whose keys are not allowed is refused by itself. */
const checkKeys = (task: unknown): Result.Result<unknown, BodyRefused> => {
  const faults = faultsOf(task)
  return faults.length === 0 ? Result.succeed(task) : Result.fail(new BodyRefused({ faults }))
}

export const batch = (serve: Serve) => {
  serve(
    rows.submit,
    Effect.fnUntraced(function* (c) {
      yield* withoutKey(c)
      const { tasks } = yield* readBatch(yield* readUncheckedJson(c.req.raw, bytesMax))
      const checked = tasks.map(checkKeys)
      const sound = checked.filter(Result.isSuccess).map(({ success }) => success)
      const answers = (yield* Dispatcher.use((dispatcher) => dispatcher.submitAll(sound))).values()
      const results = checked.map((task) => Result.flatMap(task, () => answers.next().value!))
      const base = baseOf(c)
      return c.json(
        {
          tasks: results.map(
            Result.match({
              onSuccess: (submitted) => submittedJson(submitted, base),
              onFailure: (error) => ({ problem: problemOf(error) })
            })
          )
        },
        202
      )
    })
  )
}
