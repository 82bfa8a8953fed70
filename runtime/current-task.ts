/**
 * What a run is given: the task it is for, what it may write, what it remembers, and its children.
 *
 * There are two faces of one thing: `TaskContext` in promises for plain handlers, and the service `CurrentTask` in
 * effects. Whatever a run does here counts only while it is the task's current one; afterwards it is refused with
 * `AttemptOver`.
 */
import { Context, type Effect, Schema } from "effect"
import type { Fault } from "./check.ts"
import type { Link, Named, OutputOf, ChildOptions, InputOf, Submission } from "./named.ts"
import type { Lane, TaskError, TaskId } from "./task.ts"

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
// What is refused
// ---------------------------------------------------------------------------------------------------------

/** This run is no longer the task's current one: nothing it writes is kept. Stop. */
export class AttemptOver extends Schema.TaggedError<AttemptOver>()("AttemptOver", {
  task: Schema.String,
  attempt: Schema.Int
}) {
  override get message() {
    return `attempt ${this.attempt} of ${this.task} is over; nothing it writes is kept`
  }
}

/** One event was too large, or too many wait to be stored. It was not stored; the run may go on. */
export class EventRefused extends Schema.TaggedError<EventRefused>()("EventRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/**
 * An earlier run did something else at this place: the code has changed while the task lived, or decides by something
 * that differs from run to run. The task fails at once, for what is remembered cannot be trusted. Make what decides
 * the order a step of its own, and give handlers whose steps changed a new name.
 */
export class StepChanged extends Schema.TaggedError<StepChanged>()("StepChanged", {
  /** Which of the run's steps and submits, from 0. */
  number: Schema.Int,
  expected: Schema.String,
  got: Schema.String
}) {
  override get message() {
    return `step ${this.number} was "${this.expected}" in an earlier run, and is "${this.got}" in this one`
  }
}

/**
 * A step cannot be remembered: its result or its name is too large, there are too many, or it is no JSON. Unless it is
 * caught the task fails at once. Keep something large in a file and remember its name.
 */
export class StepTooLarge extends Schema.TaggedError<StepTooLarge>()("StepTooLarge", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `step "${this.name}" cannot be remembered: ${this.reason}`
  }
}

/**
 * A step was begun, or a child submitted, inside of another step. Unless it is caught the task fails at once: a later run,
 * which does not run that step again, would miss it. Do it before or after the step.
 */
export class StepNested extends Schema.TaggedError<StepNested>()("StepNested", {
  /** The step that it was inside of. */
  step: Schema.String
}) {
  override get message() {
    return `step "${this.step}" began another step or submitted a child inside of itself; do that before or after it`
  }
}

/** A child was not taken in, and `reason` says why. Nothing was stored, unless the store did not answer in time. */
export class ChildRefused extends Schema.TaggedError<ChildRefused>()("ChildRefused", {
  handler: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `a task of ${this.handler} was not submitted: ${this.reason}`
  }
}

/**
 * A child that was waited for did not succeed. Unless it is caught the parent fails at once: its next run would find the
 * same child.
 */
export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", {
  child: Schema.String,
  state: Schema.Literals(["failed", "cancelled", "expired"]),
  error: Schema.Unknown
}) {
  /** What the child's record keeps of it. */
  declare readonly error: TaskError

  override get message() {
    return `child ${this.child} ${this.state}: ${this.error.type}: ${this.error.message}`
  }
}

// ---------------------------------------------------------------------------------------------------------
// Children
// ---------------------------------------------------------------------------------------------------------

declare const output: unique symbol

/** A task that this run, or an earlier one of its task, has submitted. */
export interface Child<out Output = unknown> {
  readonly id: TaskId
  readonly [output]?: Output
}

/** How a child ended. */
export type ChildOutcome<Output = unknown> =
  | { readonly state: "succeeded"; readonly output: Output }
  | { readonly state: "failed" | "cancelled" | "expired"; readonly error: TaskError }

/** `fail` gives the outputs, or `ChildFailed` for the first child in order that gave none; `collect` every outcome. */
export interface AllOptions<On extends "fail" | "collect" = "fail" | "collect"> {
  readonly onFailure?: On
}

type OutputsOf<Cs extends ReadonlyArray<Child>> = {
  readonly [K in keyof Cs]: Cs[K] extends Child<infer Output> ? Output : never
}
type OutcomesOf<Cs extends ReadonlyArray<Child>> = {
  readonly [K in keyof Cs]: Cs[K] extends Child<infer Output> ? ChildOutcome<Output> : never
}
type Submissions<Ts extends ReadonlyArray<Named>> = { readonly [K in keyof Ts]: Submission<Ts[K]> }

/** Nobody else has this list, so that it may also be the input of a task. */
type Results<Ts extends ReadonlyArray<Named>> = { -readonly [K in keyof Ts]: OutputOf<Ts[K]> }
type Outcomes<Ts extends ReadonlyArray<Named>> = { readonly [K in keyof Ts]: ChildOutcome<OutputOf<Ts[K]>> }

/** What a handler is not: where the result before is no input of a handler, only a function can make one of it. */
interface FunctionOfTheResultBefore {
  readonly call: unknown
}

/** A link that can follow: a handler takes the result before, of which nobody may know the type, as it is. */
type Next<Previous, T extends Named> = Link<Previous, T> &
  (unknown extends Previous ? unknown : [Previous] extends [InputOf<T>] ? unknown : FunctionOfTheResultBefore)

/** `N` links, whose types are followed from each to the next. */
type Chained<
  A extends Named,
  B extends Named,
  C extends Named,
  D extends Named,
  E extends Named,
  F extends Named,
  G extends Named,
  H extends Named,
  N extends number
> = readonly [
  Submission<A>,
  Next<OutputOf<A>, B>?,
  Next<OutputOf<B>, C>?,
  Next<OutputOf<C>, D>?,
  Next<OutputOf<D>, E>?,
  Next<OutputOf<E>, F>?,
  Next<OutputOf<F>, G>?,
  Next<OutputOf<G>, H>?
] & { readonly length: N }

/** Links whose types nobody follows. */
type Links = readonly [Submission, ...ReadonlyArray<Link<never, Named>>]

/** No argument where only the run time knows how many links there are; one that nobody has where all are written down. */
type IfUncounted<Ls extends Links> = number extends Ls["length"] ? [] : [never]

// ---------------------------------------------------------------------------------------------------------
// In promises
// ---------------------------------------------------------------------------------------------------------

/** Waits for children that this run has submitted. */
export interface All {
  <const Cs extends ReadonlyArray<Child>>(children: Cs, options?: AllOptions<"fail">): Promise<OutputsOf<Cs>>
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options: AllOptions<"collect">
  ): Promise<OutcomesOf<Cs>>
}

export interface Group {
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options?: AllOptions<"fail">
  ): Promise<Results<Ts>>
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options: AllOptions<"collect">
  ): Promise<Outcomes<Ts>>
}

export interface Chain {
  <
    A extends Named,
    B extends Named,
    C extends Named,
    D extends Named,
    E extends Named,
    F extends Named,
    G extends Named,
    H extends Named,
    N extends number
  >(
    links: Chained<A, B, C, D, E, F, G, H, N>
  ): Promise<OutputOf<[never, A, B, C, D, E, F, G, H][N]>>
  <Ls extends Links>(links: Ls, ...uncounted: IfUncounted<Ls>): Promise<unknown>
}

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
  readonly chord: <const Ts extends ReadonlyArray<Named>, T extends Named>(
    tasks: Submissions<Ts>,
    then: Next<Results<Ts>, T>
  ) => Promise<OutputOf<T>>
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

/** Why a step fails, beside what it fails with itself. */
export type StepError = AttemptOver | StepChanged | StepNested | StepTooLarge

export type SubmitChildError = StepError | ChildRefused

interface AllEffect {
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options?: AllOptions<"fail">
  ): Effect.Effect<OutputsOf<Cs>, ChildFailed | AttemptOver>
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options: AllOptions<"collect">
  ): Effect.Effect<OutcomesOf<Cs>, AttemptOver>
}

interface GroupEffect {
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options?: AllOptions<"fail">
  ): Effect.Effect<Results<Ts>, SubmitChildError | ChildFailed>
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options: AllOptions<"collect">
  ): Effect.Effect<Outcomes<Ts>, SubmitChildError>
}

interface ChainEffect {
  <
    A extends Named,
    B extends Named,
    C extends Named,
    D extends Named,
    E extends Named,
    F extends Named,
    G extends Named,
    H extends Named,
    N extends number
  >(
    links: Chained<A, B, C, D, E, F, G, H, N>
  ): Effect.Effect<OutputOf<[never, A, B, C, D, E, F, G, H][N]>, SubmitChildError | ChildFailed>
  <Ls extends Links>(
    links: Ls,
    ...uncounted: IfUncounted<Ls>
  ): Effect.Effect<unknown, SubmitChildError | ChildFailed>
}

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
    readonly chord: <const Ts extends ReadonlyArray<Named>, T extends Named>(
      tasks: Submissions<Ts>,
      then: Next<Results<Ts>, T>
    ) => Effect.Effect<OutputOf<T>, SubmitChildError | ChildFailed>
  }
>()("troupe/CurrentTask") {}
