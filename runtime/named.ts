/** How code says which handler is meant: by its definition, which knows its types, or by its name, which does not. */
import type { Duration } from "effect"
import type { RetryOptions } from "./retry.ts"
import type { Priority } from "./task.ts"

/** What makes a definition one, and carries its types. */
export const brand: unique symbol = Symbol.for("troupe/TaskDefinition")

/** The part of a definition that those need who submit its tasks. */
export interface Typed<out Input, out Output> {
  readonly [brand]: { readonly input: Input; readonly output: Output }
  readonly name: string
}

export type Named = Typed<unknown, unknown> | string

/** What a handler is given, before its schema's transformations. */
export type InputOf<T> = T extends Typed<infer Input, unknown> ? Input : unknown

/** What its submitter reads in the end. */
export type OutputOf<T> = T extends Typed<unknown, infer Output> ? Output : unknown

export const nameOf = (task: Named): string => (typeof task === "string" ? task : task.name)

/** How a child differs from what its handler says. What a child is refused for is in the message of `ChildRefused`. */
export interface ChildOptions {
  /** How much later it becomes due. */
  readonly delay?: Duration.Input
  readonly priority?: Priority
  readonly queue?: string
  /** How long one run of it may last. */
  readonly timeout?: Duration.Input
  /** Laid over its handler's policy. */
  readonly retry?: RetryOptions
  /** What it belongs to: tasks of one key wait for each other, as its handler says. */
  readonly key?: string
  readonly tags?: ReadonlyArray<string>
}

/** A child that is about to be submitted. */
export interface Submission<T extends Named = Named> extends ChildOptions {
  readonly task: T
  readonly input: InputOf<T>
}

/** The next task of a chain: made of the result before it, or a handler that takes that result as its input. */
export type Link<Previous, T extends Named> = ((previous: Previous) => Submission<T>) | T
