/** Agents as the API shows them. */
import { Schema } from "effect"
import { TaskId } from "../../../runtime/task.ts"
import { Count, Instant } from "./scalar.ts"

const AgentSummaryShape = Schema.Struct({
  name: Schema.String,
  key: Schema.String,
  queue: Schema.String,
  status: Schema.Literals(["idle", "busy", "quarantined"]),
  version: Count,
  revision: Schema.String,
  mailbox: Count,
  running: Schema.Array(TaskId),
  failures: Count,
  quarantinedAt: Schema.optionalKey(Instant),
  deadLetter: Schema.optionalKey(TaskId),
  updatedAt: Schema.optionalKey(Instant)
}).annotate({ identifier: "AgentSummary" })

export const AgentShape = Schema.Struct({
  ...AgentSummaryShape.fields,
  state: Schema.Unknown,
  timers: Schema.Array(Schema.Struct({ name: Schema.String, task: TaskId }))
}).annotate({ identifier: "Agent" })

export const AgentPageShape = Schema.Struct({
  agents: Schema.Array(AgentSummaryShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AgentPage" })

export const Reply = Schema.Struct({ reply: Schema.Unknown }).annotate({ identifier: "Reply" })
