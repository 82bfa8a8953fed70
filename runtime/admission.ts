/**
 * Storing a task unless its work was submitted before.
 *
 * A guard is a name that points at a task. Whether it holds is judged by what that task is now, in the same step that
 * stores the new one, so that of two who submit the same work at once one finds the other's task, and so that nobody
 * has to release anything: a guard whose task has ended, or is gone, stands in nobody's way.
 */
import { Context, type Effect } from "effect"
import { sha256 } from "./digest.ts"
import type { AgentBusy, AgentQuarantined, QueueFull, StoreError, StoreFull } from "./store.ts"
import type { NewTask } from "./mailbox.ts"
import type { Partition } from "./task.ts"

/** What keeps a second submit of the same work from being stored. Guards of different kinds never meet. */
export type Guard =
  /** Holds for its time, whatever becomes of the task. One with another `hash` is another input: a conflict. */
  | { readonly kind: "idempotency"; readonly name: string; readonly hash: string; readonly keepMs: number }
  /** Holds while the first task waits (`started`), or while it lives (`ended`). */
  | { readonly kind: "unique"; readonly name: string; readonly until: "started" | "ended" }
  /** Holds for its time from the first submit, whatever becomes of the task. */
  | { readonly kind: "throttle"; readonly name: string; readonly forMs: number }
  /** Holds while the first task lives, and for its time after it has succeeded. */
  | { readonly kind: "cache"; readonly name: string; readonly forMs: number }
  /** Keeps nobody out: a first task that has not started is cancelled, and this one takes its place. */
  | { readonly kind: "debounce"; readonly name: string }

/** What came of a submit. */
export type Admitted =
  | { readonly kind: "stored" }
  /** The guard of kind `by` holds: this task does, or has done, the work. Nothing was stored. */
  | { readonly kind: "found"; readonly ulid: string; readonly by: Guard["kind"] }
  /** This task was submitted with the same idempotency key, and another input. Nothing was stored. */
  | { readonly kind: "conflict"; readonly ulid: string }

export class Admission extends Context.Service<
  Admission,
  {
    /**
     * Stores a task and points its guards at it, unless one of them holds. They are asked in their order; an
     * idempotency guard among them points at what another one found from then on. Repeatable: a call whose task is
     * already there has been here.
     */
    readonly admit: (
      partition: Partition,
      task: NewTask,
      guards: ReadonlyArray<Guard>
    ) => Effect.Effect<Admitted, StoreError | StoreFull | QueueFull | AgentQuarantined | AgentBusy>
  }
>()("troupe/Admission") {}

/** What a guard is kept by: `<kind>:<SHA-256 of its name>`. */
export const memberOf = ({ kind, name }: Guard): string => `${kind}:${sha256(name)}`

/** How long a guard is kept from the submit on; `undefined` for one that goes with its task's end, or after it. */
export const keptMsOf = (guard: Guard): number | undefined => {
  if (guard.kind === "idempotency") return guard.keepMs
  return guard.kind === "throttle" ? guard.forMs : undefined
}

/** For how long after its task's end such a guard is kept. */
export const keptAfterMsOf = (guard: Guard): number => (guard.kind === "cache" ? guard.forMs : 0)
