/**
 * The children of a run as its handler's code sees them: what each was given and gives is followed by types, from a submit to
 * its output, and along a group, a chain and a chord.
 *
 * What these do is said where they are offered, by `TaskContext`.
 */
import type { Effect } from "effect"
import type { InputOf, Link, Named, OutputOf, Submission } from "./named.ts"
import type { AttemptOver, ChildFailed, SubmitChildError } from "./run-errors.ts"
import type { TaskError } from "./record.ts"
import type { TaskId } from "./task.ts"

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

/**
 * What to do when a child has not succeeded. `fail` waits for all, and gives `ChildFailed` for the first one in order; `cancel` does
 * not wait for the others, cancels those that live, and gives `ChildFailed` for the one that was seen first, which stays so in later
 * runs; `collect` waits for all, and gives every outcome. Otherwise outputs are given.
 */
export interface AllOptions<On extends "fail" | "cancel" | "collect" = "fail" | "cancel" | "collect"> {
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
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options?: AllOptions<"fail" | "cancel">
  ): Promise<OutputsOf<Cs>>
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options: AllOptions<"collect">
  ): Promise<OutcomesOf<Cs>>
}

export interface Group {
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options?: AllOptions<"fail" | "cancel">
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

export type Chord = <const Ts extends ReadonlyArray<Named>, T extends Named>(
  tasks: Submissions<Ts>,
  then: Next<Results<Ts>, T>
) => Promise<OutputOf<T>>

// ---------------------------------------------------------------------------------------------------------
// In effects
// ---------------------------------------------------------------------------------------------------------

export interface AllEffect {
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options?: AllOptions<"fail" | "cancel">
  ): Effect.Effect<OutputsOf<Cs>, ChildFailed | AttemptOver>
  <const Cs extends ReadonlyArray<Child>>(
    children: Cs,
    options: AllOptions<"collect">
  ): Effect.Effect<OutcomesOf<Cs>, AttemptOver>
}

export interface GroupEffect {
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options?: AllOptions<"fail" | "cancel">
  ): Effect.Effect<Results<Ts>, SubmitChildError | ChildFailed>
  <const Ts extends ReadonlyArray<Named>>(
    tasks: Submissions<Ts>,
    options: AllOptions<"collect">
  ): Effect.Effect<Outcomes<Ts>, SubmitChildError>
}

export interface ChainEffect {
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

export type ChordEffect = <const Ts extends ReadonlyArray<Named>, T extends Named>(
  tasks: Submissions<Ts>,
  then: Next<Results<Ts>, T>
) => Effect.Effect<OutputOf<T>, SubmitChildError | ChildFailed>
