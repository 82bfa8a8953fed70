/** Tasks as the API shows them. */
import { Schema } from "effect"
import { NewTaskJson } from "../../../actors/dispatch/new-task.ts"
import { Fault } from "../../../runtime/handler.ts"
import { lanes, State, TaskId } from "../../../runtime/task.ts"
import { Count, Instant } from "./scalar.ts"

/** As callers describe one: what a submit is checked with. */
export const NewTask = NewTaskJson.annotate({ identifier: "NewTask" })

const TaskErrorShape = Schema.Struct({
  type: Schema.String,
  message: Schema.String,
  stack: Schema.optionalKey(Schema.String),
  // Causes are as deep as four.
  cause: Schema.optionalKey(Schema.Unknown)
}).annotate({ identifier: "TaskError" })

const AttemptShape = Schema.Struct({
  attempt: Count,
  worker: Schema.String,
  startedAt: Instant,
  finishedAt: Schema.optionalKey(Instant),
  error: Schema.optionalKey(TaskErrorShape),
  /** `false` when it used up none of the task's attempts. */
  counted: Schema.optionalKey(Schema.Literal(false))
}).annotate({ identifier: "Attempt" })

const Links = Schema.Struct({
  self: Schema.String,
  input: Schema.String,
  result: Schema.String,
  events: Schema.String
}).annotate({ identifier: "TaskLinks" })

export const TaskShape = Schema.Struct({
  id: TaskId,
  name: Schema.String,
  queue: Schema.String,
  priority: Schema.Literals(lanes),
  state: State,
  attempt: Count,
  maxAttempts: Count,
  progress: Schema.optionalKey(
    Schema.Struct({ fraction: Schema.Finite, message: Schema.optionalKey(Schema.String) })
  ),
  worker: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  tenant: Schema.optionalKey(Schema.String),
  parent: Schema.optionalKey(TaskId),
  tags: Schema.Array(Schema.String),
  submittedAt: Instant,
  startedAt: Schema.optionalKey(Instant),
  finishedAt: Schema.optionalKey(Instant),
  dueAt: Schema.optionalKey(Instant),
  expiresAt: Schema.optionalKey(Instant),
  deadlineAt: Schema.optionalKey(Instant),
  error: Schema.optionalKey(TaskErrorShape),
  attempts: Schema.Array(AttemptShape),
  links: Links
}).annotate({ identifier: "Task" })

export const TaskPage = Schema.Struct({
  tasks: Schema.Array(TaskShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "TaskPage" })

const ErrorGroup = Schema.Struct({ error: Schema.String, count: Count })

export const DeadPage = Schema.Struct({
  dead: Schema.Array(TaskShape),
  groups: Schema.Array(ErrorGroup),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "DeadPage" })

export const SubmittedShape = Schema.Struct({
  id: TaskId,
  state: State,
  existing: Schema.optionalKey(Schema.Literal(true)),
  warning: Schema.optionalKey(Schema.String),
  links: Links
}).annotate({ identifier: "Submitted" })

export const ProblemShape = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.optionalKey(Schema.String),
  errors: Schema.optionalKey(Schema.Array(Fault)),
  retryAfterMs: Schema.optionalKey(Count),
  error: Schema.optionalKey(TaskErrorShape)
}).annotate({ identifier: "Problem" })

export const BatchShape = Schema.Struct({
  tasks: Schema.Array(Schema.Union([SubmittedShape, Schema.Struct({ problem: ProblemShape })]))
}).annotate({ identifier: "BatchAnswer" })

/** A task, and how it stands now. */
export const Standing = Schema.Struct({ id: TaskId, state: State }).annotate({ identifier: "Standing" })

/** A task that was given another time, and how it stands now. */
export const RescheduledShape = Schema.Struct({ id: TaskId, state: State, dueAt: Instant }).annotate({
  identifier: "Rescheduled"
})

/** To how many something was done, or would be. */
export const CountShape = Schema.Struct({ count: Count, left: Schema.optionalKey(Count) }).annotate({
  identifier: "Count"
})
