/** What a supervisor answers when it cannot do what it is asked, or cannot go on. */
import { Schema } from "effect"

/** A start failed; what was started before it by the same call was stopped again. `cause` says why. */
export class ChildNotStarted extends Schema.TaggedError<ChildNotStarted>()("ChildNotStarted", {
  supervisor: Schema.String,
  child: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.supervisor}: ${this.child} could not be started: ${saying(this.cause)}`
  }
}

/**
 * Restarting does not help; all children were stopped in order. Whoever started the supervisor decides what next: a
 * supervisor above it counts this as a failure of its child, and at the top the process ends.
 */
export class SupervisorGaveUp extends Schema.TaggedError<SupervisorGaveUp>()("SupervisorGaveUp", {
  supervisor: Schema.String,
  /** The child whose end was one too many. */
  child: Schema.String,
  intensity: Schema.Int,
  /** `Infinity` when restarts are never forgiven. */
  // @effect-diagnostics-next-line schemaNumber:off
  periodMs: Schema.Number,
  /** What it failed with the last time; `undefined` when it ended normally. */
  cause: Schema.Defect()
}) {
  override get message() {
    const { cause, child, intensity, periodMs, supervisor } = this
    const last = cause === undefined ? "ended normally" : `failed: ${saying(cause)}`
    return `${supervisor} gave up after ${intensity} restarts in ${periodMs} ms; its child ${child} last ${last}`
  }
}

/** The supervisor has ended, or ended before it could do this. Ask the one that is there now. */
export class SupervisorEnded extends Schema.TaggedError<SupervisorEnded>()("SupervisorEnded", {
  supervisor: Schema.String
}) {
  override get message() {
    return `${this.supervisor} has ended`
  }
}

/** There is no child of this id; see `whichChildren`. */
export class NoSuchChild extends Schema.TaggedError<NoSuchChild>()("NoSuchChild", {
  supervisor: Schema.String,
  child: Schema.String
}) {
  override get message() {
    return `${this.supervisor} has no child ${this.child}`
  }
}

/** A child of this id is known already. Restart it, delete it first, or take another id. */
export class ChildKnown extends Schema.TaggedError<ChildKnown>()("ChildKnown", {
  supervisor: Schema.String,
  child: Schema.String,
  state: Schema.String
}) {
  override get message() {
    return `${this.supervisor} has a child ${this.child} already, which is ${this.state}`
  }
}

/** The child is alive, or about to be; terminate it first. */
export class ChildAlive extends Schema.TaggedError<ChildAlive>()("ChildAlive", {
  supervisor: Schema.String,
  child: Schema.String,
  state: Schema.String
}) {
  override get message() {
    return `${this.supervisor}: ${this.child} is ${this.state}; terminate it first`
  }
}

/** The supervisor has as many children as it may. Nothing was started; try again when one has ended. */
export class ChildrenFull extends Schema.TaggedError<ChildrenFull>()("ChildrenFull", {
  supervisor: Schema.String,
  childrenMax: Schema.Int
}) {
  override get message() {
    return `${this.supervisor} has ${this.childrenMax} children, and may not have more`
  }
}

const saying = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
