/** Tickets: what a browser shows in an address where it can send no key, once and soon. */
import { Effect, Schema } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Gate, Purpose } from "../../../actors/access/gate.ts"
import { TaskId } from "../../../runtime/task.ts"
import { fitting, readJson } from "../body.ts"
import { callerOf } from "../caller.ts"
import type { Serve } from "../mount.ts"
import { BodyRefused } from "../refusals.ts"
import { ofBody, row } from "../row.ts"
import { TicketShape } from "../shapes/access.ts"

/** A purpose as it is read: in one piece, so that who asks for another is told all that there are. */
const Asked = Schema.Struct({
  for: Schema.Literals(["task", "events", "socket"]),
  task: Schema.optionalKey(Schema.String)
})

const readAsked = fitting(Asked)
const isTaskId = Schema.is(TaskId)

const refuseTask = (message: string) => Effect.fail(new BodyRefused({ faults: [{ path: "/task", message }] }))

const purposeOf = ({ for: stream, task }: typeof Asked.Type) => {
  if (stream === "task")
    return isTaskId(task)
      ? Effect.succeed({ for: stream, task })
      : refuseTask("a task id is <queue>.<partition>.<ULID>")
  return task === undefined
    ? Effect.succeed({ for: stream })
    : refuseTask('goes with "for": "task": the others are of all tasks')
}

export const rows = {
  issue: row({
    name: "issueTicket",
    method: "POST",
    path: "/v1/tickets",
    group: "Keys",
    summary: "Gives a ticket for one stream, to be shown once as ?ticket= within half a minute",
    needs: "follow",
    reach: "tenant",
    body: { schema: Purpose, example: { for: "socket" } },
    answers: { 201: { description: "The ticket", schema: TicketShape } },
    problems: [...ofBody, "TaskNotFound", "StoreError"]
  })
}

export const tickets = (serve: Serve) =>
  serve(
    rows.issue,
    Effect.fnUntraced(function* (c) {
      const purpose = yield* purposeOf(yield* readAsked(yield* readJson(c.req.raw)))
      if (purpose.for === "task") yield* Dispatcher.use((dispatcher) => dispatcher.task(purpose.task))
      const { expiresAt, ticket } = yield* Gate.use((gate) => gate.issue(callerOf(c), purpose))
      return c.json({ ticket, expiresAt: new Date(expiresAt).toISOString() }, 201, {
        "cache-control": "no-store"
      })
    })
  )
