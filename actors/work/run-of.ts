/**
 * What a run has to work with, wherever it happens: the claim and the envelope it is of, what takes its writes, and what
 * its steps and children are kept with.
 *
 * A run in a process of its own has the same, by which it speaks to its worker.
 */
import type { Effect } from "effect"
import type { AttemptOver, EventRefused, LogLevel, TaskDefinition } from "../../runtime/handler.ts"
import type { Steps } from "../../runtime/steps.ts"
import type { Store } from "../../runtime/store.ts"
import type { Envelope } from "../../runtime/record.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import type { Span, Tracing } from "../../runtime/telemetry/tracing.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import type { Offspring } from "../dispatch/offspring.ts"

/** What a run writes while it lasts. */
export interface Writes {
  readonly progress: (
    fraction: number,
    message: string | undefined
  ) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly log: (message: string, level: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
  readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
  /** Tells those who follow the task of a step. */
  readonly stepped: (step: { readonly number: number; readonly name: string }) => void
  /** Counts what was used of a limit. */
  readonly spend: (limit: string, amount: number) => void
  /** The store says that the run is no longer the task's current one. */
  readonly lost: () => void
}

/** What steps and children are kept with. */
export interface Keeping {
  readonly steps: Steps["Service"]
  readonly store: Store["Service"]
  readonly offspring: Offspring["Service"]
  readonly learn: (definition: TaskDefinition) => void
  readonly tracing: Tracing
  /** Runs what a plain handler asks for, with the clock and all else of the worker's fibers. */
  readonly promise: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
}

/** The run that a context is of. */
export interface RunOf {
  readonly definition: TaskDefinition
  readonly partition: Partition
  readonly worker: WorkerId
  readonly entry: Entry
  readonly envelope: Envelope
  /** The ring that it was claimed from, if its handler has limits. */
  readonly ring: string | undefined
  readonly writes: Writes
  readonly keeping: Keeping
  /** Its span, where traces are recorded; `envelope` then carries on from it. */
  readonly trace?: Span
}
