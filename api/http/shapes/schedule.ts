/** Schedules as the API shows them. */
import { Schema } from "effect"
import { NewScheduleJson } from "../../../actors/schedule/definition.ts"
import { missedPolicies, overlapPolicies } from "../../../actors/schedule/due.ts"
import { State, TaskId } from "../../../runtime/task.ts"
import { Instant } from "./scalar.ts"

const SlotShape = Schema.Struct({
  slot: Instant,
  to: Schema.optionalKey(Instant),
  at: Instant,
  outcome: Schema.Literals(["submitted", "missed", "overlap", "refused"]),
  task: Schema.optionalKey(TaskId),
  state: Schema.optionalKey(State),
  error: Schema.optionalKey(Schema.String),
  manual: Schema.optionalKey(Schema.Literal(true))
}).annotate({ identifier: "Slot" })

const {
  at,
  everyMs,
  missed: _missed,
  overlap: _overlap,
  paused: _paused,
  id: _id,
  ...rest
} = NewScheduleJson.fields

export const ScheduleShape = Schema.Struct({
  id: Schema.String,
  tenant: Schema.optionalKey(Schema.String),
  ...rest,
  at,
  everyMs,
  missed: Schema.Literals(missedPolicies),
  overlap: Schema.Literals(overlapPolicies),
  paused: Schema.Boolean,
  nextRuns: Schema.Array(Instant),
  lastRun: Schema.optionalKey(SlotShape),
  waiting: Schema.optionalKey(Instant),
  createdAt: Instant,
  updatedAt: Instant
}).annotate({ identifier: "Schedule" })

export const ScheduleDetailShape = Schema.Struct({
  ...ScheduleShape.fields,
  history: Schema.Array(SlotShape)
}).annotate({ identifier: "ScheduleDetail" })

export const SchedulePageShape = Schema.Struct({
  schedules: Schema.Array(ScheduleShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "SchedulePage" })

export const RunShape = Schema.Union([
  Schema.Struct({ id: TaskId, outcome: Schema.Literal("submitted") }),
  Schema.Struct({ outcome: Schema.Literal("waiting") })
]).annotate({ identifier: "ScheduleRun" })
