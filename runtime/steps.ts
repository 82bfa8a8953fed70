/**
 * What a run remembers for the task's next runs: results of steps, and the children it has submitted.
 *
 * Each write is fenced: only the worker that holds the entry may make it. Whatever is here goes with the task's end.
 */
import { Context, type Effect, Schema } from "effect"
import type { StoreError } from "./store.ts"
import type { WorkerId } from "./turn.ts"
import type { Entry, Partition, TaskId } from "./task.ts"

/** The entry is not this worker's any more. Nothing was written. */
export class StepRefused extends Schema.TaggedError<StepRefused>()("StepRefused", { entry: Schema.String }) {
  override get message() {
    return `${this.entry} is no longer held by this worker`
  }
}

/** One remembered part of a run: its number in the order of the run's calls from 0, its name, and what came of it. */
export interface Step {
  readonly number: number
  /** Without line breaks. */
  readonly name: string
  /** JSON; empty when nothing came of it. */
  readonly value: string
}

export class Steps extends Context.Service<
  Steps,
  {
    /** Everything that a task's runs have remembered, in the order of its numbers. */
    readonly recall: (partition: Partition, ulid: string) => Effect.Effect<ReadonlyArray<Step>, StoreError>

    /** Which of some tasks of a partition have runs that remembered something, and have not ended. */
    readonly known: (
      partition: Partition,
      ulids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<string>, StoreError>

    /** Remembers a step. Succeeds with what is remembered under its number, which an earlier call may have written. */
    readonly remember: (
      partition: Partition,
      worker: WorkerId,
      entry: Entry,
      step: Step
    ) => Effect.Effect<Step, StepRefused | StoreError>

    /**
     * The same, and the step's value is the id of a child that is about to be submitted: the parent may then wait for
     * it, and a cancel of the parent reaches it. Only the call that remembers the step does that, as one that was given up
     * may run when the child has ended long since; and one with `anew`, whose run found the step, but no such task.
     */
    readonly adopt: (
      partition: Partition,
      worker: WorkerId,
      entry: Entry,
      step: Step & { readonly child: TaskId; readonly anew?: boolean }
    ) => Effect.Effect<Step, StepRefused | StoreError>
  }
>()("troupe/Steps") {}
