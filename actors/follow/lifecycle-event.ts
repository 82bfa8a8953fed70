/** A lifecycle event as listeners see it, made of what was noted: a decision over plain values. */
import { Schema } from "effect"
import { headOf, type Life, type LifeKind } from "../../runtime/lifecycle.ts"
import { idIn, type Partition, queueOf, type State, type TaskId } from "../../runtime/task.ts"
import type { Progress } from "../../runtime/view.ts"

/** What can become of a task. Of a task that fails for good `task.failed` and `task.dead` tell, in this order. */
export const LifecycleType = Schema.Literals([
  "task.submitted",
  "task.rescheduled",
  "task.started",
  "task.progress",
  "task.retrying",
  "task.completed",
  "task.failed",
  "task.dead",
  "task.cancelled",
  "task.expired"
])
export type LifecycleType = typeof LifecycleType.Type

/** What has become of a task. `at` is in Unix milliseconds, on the store's clock. */
export interface LifecycleEvent {
  readonly type: LifecycleType
  readonly task: TaskId
  /** Its handler. */
  readonly name: string
  readonly queue: string
  readonly state: State
  /** The run that it is about; 0 before the first. */
  readonly attempt: number
  readonly at: number
  readonly key?: string
  readonly tags: ReadonlyArray<string>
  /** Absent for the tenant `default`. */
  readonly tenant?: string
  /** Of `task.rescheduled`: when it is due now, in Unix milliseconds. */
  readonly dueAt?: number
  /** Of `task.started`: who runs it. */
  readonly worker?: string
  /** Of `task.progress`. */
  readonly progress?: Progress
}

const said = {
  submitted: ["task.submitted", "queued"],
  scheduled: ["task.submitted", "scheduled"],
  // Where it was tried before, or its time has come, its state is another.
  rescheduled: ["task.rescheduled", "scheduled"],
  started: ["task.started", "running"],
  progress: ["task.progress", "running"],
  retrying: ["task.retrying", "retrying"],
  completed: ["task.completed", "succeeded"],
  failed: ["task.failed", "failed"],
  dead: ["task.dead", "failed"],
  cancelled: ["task.cancelled", "cancelled"],
  expired: ["task.expired", "expired"]
} as const satisfies Record<LifeKind, readonly [LifecycleType, State]>

/** What only one kind has. A progress whose key is missing is left out. */
const moreOf = ({
  at,
  attempt,
  kind,
  more
}: Life): Pick<LifecycleEvent, "worker" | "progress" | "dueAt"> & { readonly state?: State } => {
  if (kind === "rescheduled") {
    const { dueAt } = JSON.parse(more) as { readonly dueAt: number }
    return { dueAt, state: dueAt <= at ? "queued" : attempt === 0 ? "scheduled" : "retrying" }
  }
  if (kind === "started") return JSON.parse(more) as { readonly worker: string }
  if (kind !== "progress") return {}
  try {
    const progress: unknown = JSON.parse(more)
    return typeof progress === "object" ? { progress: progress as Progress } : {}
  } catch {
    return {}
  }
}

export const lifecycleEventOf = (partition: Partition, life: Life): LifecycleEvent => {
  const [type, state] = said[life.kind]
  const { name, ...head } = headOf(life.head)
  return {
    type,
    task: idIn(partition, life.ulid),
    name,
    queue: queueOf(partition),
    state,
    attempt: life.attempt,
    at: life.at,
    ...head,
    ...moreOf(life)
  }
}
