/** Queues, workers, nodes and statistics as the API shows them. */
import { Schema } from "effect"
import { TaskId } from "../../../runtime/task.ts"
import { LimitsJson } from "../../../actors/operate/queues.ts"
import { Count, Instant } from "./scalar.ts"

const Rate = Schema.Finite

export const QueueShape = Schema.Struct({
  name: Schema.String,
  paused: Schema.Boolean,
  pausedKeys: Schema.Array(Schema.String),
  depth: Schema.Struct({ urgent: Count, high: Count, normal: Count, low: Count, boxed: Count }),
  scheduled: Count,
  running: Count,
  waiting: Count,
  dead: Count,
  oldestMs: Count,
  rates: Schema.Struct({ submitted: Rate, succeeded: Rate, failed: Rate }),
  limits: LimitsJson
}).annotate({ identifier: "Queue" })

export const QueueList = Schema.Struct({
  queues: Schema.Array(QueueShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "QueuePage" })

const MemberState = Schema.Literals(["running", "draining", "lost"])

export const WorkerShape = Schema.Struct({
  id: Schema.String,
  state: MemberState,
  queues: Schema.Array(Schema.String),
  running: Schema.Array(TaskId),
  node: Schema.optionalKey(Schema.String),
  pid: Schema.optionalKey(Count),
  host: Schema.optionalKey(Schema.String),
  startedAt: Schema.optionalKey(Instant),
  heartbeatAt: Schema.optionalKey(Instant),
  silentMs: Schema.optionalKey(Count),
  memoryBytes: Schema.optionalKey(Count),
  done: Schema.optionalKey(Count),
  concurrency: Schema.optionalKey(Count),
  handlers: Schema.optionalKey(Schema.Array(Schema.String))
}).annotate({ identifier: "Worker" })

export const WorkerList = Schema.Struct({
  workers: Schema.Array(WorkerShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "WorkerPage" })

export const NodeShape = Schema.Struct({
  id: Schema.String,
  state: MemberState,
  host: Schema.String,
  pid: Count,
  workers: Count,
  min: Count,
  max: Count,
  silentMs: Count,
  startedAt: Instant,
  heartbeatAt: Instant
}).annotate({ identifier: "Node" })

export const NodeList = Schema.Struct({
  nodes: Schema.Array(NodeShape),
  next: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "NodePage" })

/** A member that was asked to go. */
export const Draining = Schema.Struct({ id: Schema.String, state: Schema.Literal("draining") }).annotate({
  identifier: "Draining"
})

const Quantiles = Schema.Struct({ p50Ms: Schema.optionalKey(Rate), p95Ms: Schema.optionalKey(Rate) })

export const StatsShape = Schema.Struct({
  queued: Count,
  running: Count,
  scheduled: Count,
  waiting: Count,
  dead: Count,
  workers: Count,
  succeeded: Count,
  failed: Count,
  successRate: Schema.optionalKey(Rate),
  wait: Quantiles,
  run: Quantiles,
  perMinute: Schema.Array(
    Schema.Struct({
      at: Instant,
      submitted: Count,
      started: Count,
      succeeded: Count,
      failed: Count,
      retried: Count,
      cancelled: Count,
      expired: Count
    })
  )
}).annotate({ identifier: "Stats" })
