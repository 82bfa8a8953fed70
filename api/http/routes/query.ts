/** Finding tasks, and putting a failed one back to work. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Operator } from "../../../actors/operate/operator.ts"
import { readJsonIfAny } from "../body.ts"
import { parameters, taskId } from "../parameters.ts"
import type { Bindings, Respond } from "../run.ts"
import { retryOptions } from "../selection.ts"
import { taskJson } from "../view.ts"

export const query = (respond: Respond) =>
  new Hono<{ Bindings: Bindings }>()
    .get("/", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const query = parameters(c, ["limit"])
          const { tasks, ...rest } = yield* Operator.use((operator) => operator.tasks(query))
          return c.json({ tasks: tasks.map(taskJson), ...rest })
        })
      )
    )
    .post("/:id/retry", (c) =>
      respond(
        c,
        Effect.gen(function* () {
          const id = yield* taskId(c)
          const options = yield* retryOptions(yield* readJsonIfAny(c.req.raw))
          yield* Operator.use((operator) => operator.retry(id, options))
          return c.json({ id, state: "queued" }, 202)
        })
      )
    )
