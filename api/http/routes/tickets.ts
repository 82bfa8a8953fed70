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

const readPurpose = fitting(Purpose)
const isTaskId = Schema.is(TaskId)

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
      const purpose = yield* readPurpose(yield* readJson(c.req.raw))
      if (purpose.for === "task") {
        const { task } = purpose
        if (!isTaskId(task)) {
          return yield* new BodyRefused({
            faults: [{ path: "/task", message: "a task id is <queue>.<partition>.<ULID>" }]
          })
        }
        yield* Dispatcher.use((dispatcher) => dispatcher.task(task))
      }
      const { expiresAt, ticket } = yield* Gate.use((gate) => gate.issue(callerOf(c), purpose))
      return c.json({ ticket, expiresAt: new Date(expiresAt).toISOString() }, 201, {
        "cache-control": "no-store"
      })
    })
  )
