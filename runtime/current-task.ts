/**
 * What a run is given: the task it is for, what it may write, what it remembers, and its children.
 *
 * There are two faces of one thing: `TaskContext` in promises for plain handlers, and the service `CurrentTask` in
 * effects. Whatever a run does here counts only while it is the task's current one; afterwards it is refused with
 * `AttemptOver`.
 */
import { Context, type Effect } from "effect"
import type { Fault } from "./check.ts"
import type {
  All,
  AllEffect,
  Chain,
  ChainEffect,
  Child,
  Chord,
  ChordEffect,
  Group,
  GroupEffect
} from "./children.ts"
import type { ChildOptions, InputOf, Named, OutputOf } from "./named.ts"
import type { AttemptOver, EventRefused, StepError, SubmitChildError } from "./run-errors.ts"
import type { Lane, TaskId } from "./task.ts"

/** How grave a line of a run's log is. Default: `info`. */
export type LogLevel = "debug" | "info" | "warn" | "error"

/** The task a run belongs to, as its submitter described it. */
export interface TaskInfo {
  readonly id: TaskId
  readonly name: string
  readonly queue: string
  readonly priority: Lane
  readonly key?: string
  /** Whose it is; `default` where nobody said. */
  readonly tenant: string
  readonly tags: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly submittedAt: number
}

/** What both kinds of handler know of the run they are. */
export interface Attempt {
  readonly task: TaskInfo

  /** 1 on the first run of this task; each further run has a greater number. */
  readonly attempt: number

  /** The same text in every run of this task, and in no other task. */
  readonly idempotencyKey: string

  /** Fires when the run must stop: timeout, cancellation, lost lease, shutdown. */
  readonly signal: AbortSignal

  /**
   * The trace that the run is part of, as W3C Trace Context writes it: send it along as the header `traceparent` to the
   * services you call. Absent when the task was submitted without one and traces are not exported.
   */
  readonly traceparent?: string | undefined

  /** What goes with it, as the header `tracestate`. */
  readonly tracestate?: string | undefined
}

// ---------------------------------------------------------------------------------------------------------
// In promises
// ---------------------------------------------------------------------------------------------------------

/** What a plain handler may write while it runs. The three writes resolve when they are stored; await them. */
export interface Writing {
  /** Says how far the work is: a fraction from 0 to 1, and a few words. */
  readonly progress: (fraction: number, message?: string) => Promise<void>

  /** Keeps a line with the task, for those who look at it. */
  readonly log: (message: string, level?: LogLevel) => Promise<void>

  /** Streams a piece of output, any JSON value, to whoever follows the task. */
  readonly emit: (chunk: unknown) => Promise<void>

  /**
   * Says what this run has really used of a limit of its handler, as the tokens of one call; said several times, it
   * adds up. What was reserved is set right when the run has ended.
   */
  readonly spent: (limit: string, amount: number) => void
}

/**
 * The context of a plain handler. The three writes resolve when they are stored; awaiting them is the handler's
 * back-pressure. Each rejects with `AttemptOver` once the run is no longer the task's current one, and with
 * `EventRefused` when it is too large or too many of them wait to be stored.
 *
 * Steps and submits are numbered in the order of their calls, and that order must be the same in every run of a task;
 * `Promise.all` of some is fine.
 */
export interface TaskContext extends Attempt, Writing {
  /**
   * Runs a part whose result is remembered: in a later run of the task it is not run again, and its result is given
   * as JSON keeps it. It is given so the first time, too. What it throws is not remembered. It may run twice all the
   * same, when the process dies after it and before its result is stored. Rejects with `StepChanged`,
   * `StepTooLarge`, or `StepNested` inside of another step, beside what it rejects with itself.
   */
  readonly step: <A>(name: string, run: () => A | Promise<A>) => Promise<A>

  /**
   * Submits a task whose parent is this one, once for all runs: a later run finds the same child. Rejects with
   * `ChildRefused`.
   */
  readonly submit: <T extends Named>(
    task: T,
    input: InputOf<T>,
    options?: ChildOptions
  ) => Promise<Child<OutputOf<T>>>

  /**
   * What `submit` would refuse a task for: every fault, each with its path. Nothing is stored. What depends on the moment,
   * as a full queue, is not looked at.
   */
  readonly check: (task: Named, input: unknown, options?: ChildOptions) => Promise<ReadonlyArray<Fault>>

  /**
   * The outputs of children, once all of them have ended. If some have not, the run ends here: the task is `waiting`
   * and holds no worker, and its next run starts from the beginning when the last of them has ended. So what is done
   * before it is done again unless it is a step. It ends by an error that must not be caught; `finally` is fine, and
   * whatever is caught the run has ended.
   */
  readonly all: All

  /** Submits tasks and waits for all of them. */
  readonly group: Group

  /**
   * Submits one task after the other, each with the result of the one before, and gives the last result. Up to eight are
   * followed by their types; more, or a list made at run time, is written as `[first, ...rest]`, and gives `unknown`.
   */
  readonly chain: Chain

  /** A group, and then a task with the group's results. */
  readonly chord: Chord
}

/** The context of one task of a batch. */
export interface BatchItem<Input = unknown> extends Attempt, Writing {
  readonly input: Input
}

/** The context of a whole batch. */
export interface BatchContext {
  /** Fires when none of the batch's runs is wanted any more; each item has a signal of its own beside. */
  readonly signal: AbortSignal
}

// ---------------------------------------------------------------------------------------------------------
// In effects
// ---------------------------------------------------------------------------------------------------------

/** The context of an Effect handler, as a service: what `TaskContext` says of each holds here. */
export class CurrentTask extends Context.Service<
  CurrentTask,
  Attempt & {
    readonly progress: (fraction: number, message?: string) => Effect.Effect<void, AttemptOver | EventRefused>
    readonly log: (message: string, level?: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
    readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
    readonly spent: (limit: string, amount: number) => Effect.Effect<void>
    readonly step: <A, E, R>(
      name: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | StepError, R>
    readonly submit: <T extends Named>(
      task: T,
      input: InputOf<T>,
      options?: ChildOptions
    ) => Effect.Effect<Child<OutputOf<T>>, SubmitChildError>
    readonly check: (
      task: Named,
      input: unknown,
      options?: ChildOptions
    ) => Effect.Effect<ReadonlyArray<Fault>, StepError>
    /** While children live the run ends here, by a defect. */
    readonly all: AllEffect
    readonly group: GroupEffect
    readonly chain: ChainEffect
    readonly chord: ChordEffect
  }
>()("troupe/CurrentTask") {}
