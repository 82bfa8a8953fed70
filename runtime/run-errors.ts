/**
 * What a run fails with where it writes, remembers or has children, and what its handler does then.
 *
 * One that the handler does not catch ends the run, and the task is tried again, unless a later run could do no better.
 */
import { Schema } from "effect"
import type { TaskError } from "./record.ts"

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

/** A child was not taken in, and `reason` says why. Nothing was stored. */
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

/** Why a step fails, beside what it fails with itself. */
export type StepError = AttemptOver | StepChanged | StepNested | StepTooLarge

export type SubmitChildError = StepError | ChildRefused
