/** Finding tasks, and putting a failed one back to work. */
import { Effect } from "effect"
import { Operator } from "../../../actors/operate/operator.ts"
import { TaskQuery } from "../../../actors/operate/query.ts"
import { readJsonIfAny } from "../body.ts"
import { sealedPage } from "../cursors.ts"
import type { Serve } from "../mount.ts"
import { inSilence } from "../pace.ts"
import { ofTaskId, taskId } from "../parameters.ts"
import { ofBody, row } from "../row.ts"
import { Retry, retryOptions } from "../selection.ts"
import { Standing, TaskPage } from "../shapes/task.ts"
import { baseOf, taskJson } from "../view.ts"

const group = "Tasks"

export const rows = {
  list: row({
    name: "listTasks",
    method: "GET",
    path: "/v1/tasks",
    group,
    summary: "Finds tasks",
    needs: "read",
    reach: "tenant",
    query: TaskQuery,
    answers: {
      200: { description: "A page, the newest first, without inputs and outputs", schema: TaskPage }
    },
    problems: ["StoreError"]
  }),
  retry: row({
    name: "retryTask",
    method: "POST",
    path: "/v1/tasks/:id/retry",
    group,
    summary: "Puts a failed task back to work",
    needs: "operate",
    reach: "tenant",
    parts: ofTaskId,
    body: { schema: Retry, optional: true, example: {} },
    answers: { 202: { description: "It waits for its turn", schema: Standing } },
    problems: [
      ...ofBody,
      "InvalidTaskId",
      "TaskNotFound",
      "NotRetryable",
      "SubmitRefused",
      "UnknownHandler",
      "StoreError"
    ]
  })
}

export const query = (serve: Serve) => {
  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const { tasks, ...rest } = yield* sealedPage(query, (query) =>
        inSilence(Operator.use((operator) => operator.tasks(query)))
      )
      return c.json({ tasks: tasks.map((task) => taskJson(task, baseOf(c))), ...rest })
    })
  )
  serve(
    rows.retry,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      const options = yield* retryOptions(yield* readJsonIfAny(c.req.raw))
      yield* Operator.use((operator) => operator.retry(id, options))
      return c.json({ id, state: "queued" }, 202)
    })
  )
}
