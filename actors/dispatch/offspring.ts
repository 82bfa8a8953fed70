/**
 * How a run submits tasks of its own: prepared first, under an id that is then remembered, and only then stored.
 *
 * Between the two the parent's run writes down the id, so that its next run submits the very same task again instead
 * of another one; a task that is there already is not stored twice.
 */
import { Context, type Effect } from "effect"
import type { AgentQuarantined, QueueFull, StoreError, StoreFull } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import type { TaskId } from "../../runtime/task.ts"

/** A task that has passed every check, as it will be stored. */
export interface Prepared extends NewTask {
  readonly id: TaskId
}

/** Why a task is not taken in, as the dispatcher says it: `UnknownHandler`, `SubmitRefused`, and the like. */
export interface Refusal extends Error {
  readonly _tag: string
}

/** What a child has of its parent. */
export interface Birth {
  /** `undefined` for what an agent tells: nobody waits for it. */
  readonly parent: TaskId | undefined

  /** By then the parent must have ended, in Unix milliseconds; the child's deadline is this or an earlier one. */
  readonly deadlineAt: number | undefined

  /** The id under which an earlier run has prepared it. It is kept, and with it the queue. Otherwise it gets a new one. */
  readonly id: TaskId | undefined

  /** Whose it is: its parent's. `undefined` for the tenant `default`. */
  readonly tenant?: string | undefined

  /** The boxes that will wait for it, each after its partition and a blank. */
  readonly behind?: ReadonlyArray<string>
}

export class Offspring extends Context.Service<
  Offspring,
  {
    /** Checks a task, described as the dispatcher takes it, and lays it out. Nothing is stored. */
    readonly prepare: (task: unknown, birth: Birth) => Effect.Effect<Prepared, Refusal>

    /** Stores it; repeatable, and without effect where it is there. After a `StoreError` it may be stored. */
    readonly store: (
      prepared: Prepared
    ) => Effect.Effect<void, StoreError | StoreFull | QueueFull | AgentQuarantined>
  }
>()("troupe/Offspring") {}
