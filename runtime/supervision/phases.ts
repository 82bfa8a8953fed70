/**
 * What a shutdown is told: its phases, what each comes after, and how long each may take.
 *
 * Words and meanings are those of Akka's `CoordinatedShutdown`. What is told wrong is refused, and the field is named.
 */
import { Duration, Result, Schema } from "effect"
import { millisOf } from "../duration.ts"

export interface Phase {
  /** The phases that are over before it begins. One that is not described itself has no tasks of its own. */
  readonly dependsOn?: ReadonlyArray<string>
  /** How long its tasks may take. Default 5 seconds. */
  readonly timeout?: Duration.Input
  /** Whether the next phase begins all the same when a task has failed or is late. Default `true`. */
  readonly recover?: boolean
  /** Whether its tasks are done at all. Default `true`. */
  readonly enabled?: boolean
  /** Whether it is only there to give others time, so that one who is in a hurry cuts it at once. Default `false`. */
  readonly patient?: boolean
}

/** A phase with all that was left out. */
export interface PlannedPhase {
  readonly name: string
  readonly timeoutMs: number
  readonly recover: boolean
  readonly enabled: boolean
  readonly patient: boolean
}

/** The phases cannot be gone through. Describe them otherwise. */
export class PhasesInvalid extends Schema.TaggedError<PhasesInvalid>()("PhasesInvalid", {
  /** As in `phases.leave.timeout`. */
  field: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.field} ${this.problem}`
  }
}

export type Phases = Readonly<Record<string, Phase>>

const timeoutDefault: Duration.Input = "5 seconds"

const refuse = (field: string, problem: string) => Result.fail(new PhasesInvalid({ field, problem }))

const planned = (name: string, phase: Phase): Result.Result<PlannedPhase, PhasesInvalid> => {
  const { enabled = true, patient = false, recover = true, timeout = timeoutDefault } = phase
  const timeoutMs = millisOf(timeout)
  return timeoutMs === undefined || timeoutMs < 0
    ? refuse(`phases.${name}.timeout`, "must be a duration of at least 0")
    : Result.succeed({ name, timeoutMs, recover, enabled, patient })
}

/** The phases in an order in which each comes after all that it depends on; else in the order of their description. */
export const phasesInOrder = (phases: Phases): Result.Result<ReadonlyArray<PlannedPhase>, PhasesInvalid> => {
  const ordered: Array<PlannedPhase> = []
  const done = new Set<string>()

  /** `path` are the phases that wait for this one. */
  const visit = (name: string, path: ReadonlyArray<string>): PhasesInvalid | undefined => {
    if (done.has(name)) return undefined
    if (path.includes(name))
      return new PhasesInvalid({
        field: `phases.${path.at(-1)}.dependsOn`,
        problem: `makes a circle: ${[...path.slice(path.indexOf(name)), name].join(" after ")}`
      })
    const phase = Object.hasOwn(phases, name) ? phases[name]! : {}
    for (const earlier of phase.dependsOn ?? []) {
      const fault = visit(earlier, [...path, name])
      if (fault !== undefined) return fault
    }
    const plan = planned(name, phase)
    if (Result.isFailure(plan)) return plan.failure
    done.add(name)
    ordered.push(plan.success)
    return undefined
  }

  for (const name of Object.keys(phases)) {
    const fault = visit(name, [])
    if (fault !== undefined) return Result.fail(fault)
  }
  return Result.succeed(ordered)
}

/** How long all of them may take together. */
export const longestOf = (ordered: ReadonlyArray<PlannedPhase>): Duration.Duration =>
  Duration.millis(ordered.reduce((sum, { enabled, timeoutMs }) => sum + (enabled ? timeoutMs : 0), 0))
