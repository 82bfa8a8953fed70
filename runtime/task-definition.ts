/**
 * What the runtime knows of a handler, whoever defined it: what its tasks are called, what is so of all of them, how their
 * inputs and outputs are checked, and how a run is made. Everything in it has been checked.
 */
import type { Effect, Layer } from "effect"
import type { Checked, Whatever } from "./check.ts"
import type { BatchContext, BatchItem, TaskContext } from "./current-task.ts"
import type { Isolation } from "./isolation.ts"
import { brand, type Typed } from "./named.ts"
import type { BackoffFunction, RetryJson } from "./retry.ts"
import type { Lane } from "./task.ts"
import type { Keyed, Limit } from "./terms.ts"

/**
 * A handler, ready to be found. `Input` is what callers submit (before the schema's transformations), `Output`
 * what they get back.
 */
export interface TaskDefinition<Input = Whatever, Output = Whatever> extends Typed<Input, Output> {
  readonly queue: string
  readonly lane: Lane
  readonly timeoutMs: number | undefined
  readonly expiresMs: number | undefined
  readonly deadlineMs: number | undefined
  readonly retry: RetryJson
  /** Says the delay in place of `retry.backoff`, unless the task's submitter says a backoff. */
  readonly backoff: BackoffFunction | undefined
  readonly limits: ReadonlyArray<Limit>
  readonly keyed: Keyed
  /** Whether its runs happen in processes of their own. */
  readonly isolation: Isolation | undefined
  /** Gives the input as `run` wants it, or every fault it has. */
  readonly readInput: (input: unknown) => Checked
  /** Gives the output as it is stored, or every fault it has. */
  readonly writeOutput: (output: unknown) => Checked
  readonly body: Body
}

/** How a run is made: a plain function with a context, or an Effect with its services; many runs in one; an agent. */
export type Body =
  | { readonly kind: "plain"; readonly run: (input: Whatever, ctx: TaskContext) => unknown }
  | {
      readonly kind: "effect"
      readonly run: (input: Whatever) => Effect.Effect<unknown, unknown, Whatever>
      /** Built once per worker process, on first use. */
      readonly layer: Layer.Layer<Whatever, unknown, Whatever> | undefined
    }
  | {
      readonly kind: "batch"
      readonly size: number
      readonly waitMs: number
      readonly runAll: (items: ReadonlyArray<BatchItem<Whatever>>, ctx: BatchContext) => unknown
    }
  | AgentBody

/** How an agent handles its messages; its tasks are messages, whose input says which one. */
export interface AgentBody {
  readonly kind: "agent"
  readonly messages: ReadonlyMap<string, MessageSpec>
  readonly state: StateSpec
  /** How long its state is kept at hand after its last message, in milliseconds. */
  readonly passivateMs: number
  readonly onBusy: OnBusy
  /** Built once per worker process, on first use; for handlers in effects. */
  readonly layer: Layer.Layer<Whatever, unknown, Whatever> | undefined
}

/** What a new message does while its agent has others: wait, be refused, replace a waiting one of its kind, or cancel the first. */
export type OnBusy = "enqueue" | "reject" | "coalesce" | "interrupt"

export interface MessageSpec {
  readonly readInput: (input: unknown) => Checked
  readonly writeOutput: (output: unknown) => Checked
  /** A value or a promise of one; or, in effects, an effect. */
  readonly handle: (input: Whatever, ctx: Whatever) => unknown
  readonly inEffects: boolean
}

export interface StateSpec {
  readonly version: number
  readonly initial: (key: string) => unknown
  readonly migrate: ((old: Whatever, from: number) => unknown) | undefined
  /** Gives the state as its handlers see it, and as it is stored. */
  readonly read: (stored: unknown) => Checked
  readonly write: (state: unknown) => Checked
}

export const isTaskDefinition = (value: unknown): value is TaskDefinition =>
  typeof value === "object" && value !== null && brand in value
