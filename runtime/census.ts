/**
 * What became of the tasks of a time: for handlers that sum them up. Part of the plug-in contract.
 *
 * A layer of a handler may ask for it, as for `Settings`. It is read-only, and tells of tasks without their payloads. Who
 * acts for a tenant other than `default` is told of that tenant's tasks alone.
 */
import { Context, type Stream } from "effect"
import type { StoreError } from "./store.ts"
import type { State, TaskId } from "./task.ts"

/** One task as it stands now. Times in Unix milliseconds. */
export interface Counted {
  readonly id: TaskId
  readonly tenant: string
  readonly handler: string
  readonly queue: string
  readonly state: State
  /** The number of its newest run; 0 before the first. */
  readonly attempt: number
  readonly submittedAt: number
  readonly finishedAt?: number
}

/** Tells of tasks by the time of their submit. */
export class Census extends Context.Service<
  Census,
  {
    /**
     * The tasks that were submitted from one time on and before another, in no order, as far as their records are still
     * kept. Each is told once; one that is moved to another queue meanwhile may be told twice, or not.
     */
    readonly tasks: (range: {
      readonly from: number
      readonly to: number
    }) => Stream.Stream<Counted, StoreError>
  }
>()("troupe/Census") {}
