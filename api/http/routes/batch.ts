/** Submitting many tasks in one request. One that is refused does not sink the others. */
import { Effect, Result, Schema } from "effect"
import { Hono } from "hono"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { faultsOf } from "../../../runtime/input.ts"
import { fitting, readUncheckedJson } from "../body.ts"
import { problemOf } from "../problem.ts"
import { BodyRefused } from "../refusals.ts"
import type { Bindings, Respond } from "../run.ts"
import { submittedJson } from "../view.ts"

/** How many tasks one request may bring, and in how many bytes. */
const tasksMax = 1_000
const bytesMax = 16 * 1024 * 1024

const readBatch = fitting(
  Schema.Struct({
    tasks: Schema.Array(Schema.Unknown).check(Schema.isMinLength(1), Schema.isMaxLength(tasksMax))
  })
)

/** A task whose keys are not allowed is refused by itself. */
const checkKeys = (task: unknown): Result.Result<unknown, BodyRefused> => {
  const faults = faultsOf(task)
  return faults.length === 0 ? Result.succeed(task) : Result.fail(new BodyRefused({ faults }))
}

export const batch = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>().post("/", (c) =>
    respond(
      c,
      Effect.gen(function* () {
        const { tasks } = yield* readBatch(yield* readUncheckedJson(c.req.raw, bytesMax))
        const checked = tasks.map(checkKeys)
        const sound = checked.filter(Result.isSuccess).map(({ success }) => success)
        const answers = (yield* Dispatcher.use((dispatcher) => dispatcher.submitAll(sound))).values()
        const results = checked.map((task) => Result.flatMap(task, () => answers.next().value!))
        return c.json(
          {
            tasks: results.map(
              Result.match({
                onSuccess: submittedJson,
                onFailure: (error) => ({ problem: problemOf(error) })
              })
            )
          },
          202
        )
      })
    )
  )
