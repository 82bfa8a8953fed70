/**
 * What a supervisor is told: its children, when they are started again and how they are stopped, and its strategy.
 *
 * Words and defaults are OTP's. What is told wrong is refused before anything starts, and the field is named.
 */
import { type Context, type Duration, type Effect, Result, Schema, type Scope } from "effect"
import { millisOf } from "../duration.ts"
import { type RestartOptions, type RestartPolicy, restartPolicy } from "./restarts.ts"

const strategies = ["one_for_one", "one_for_all", "rest_for_one"] as const
/** Whom the end of a child concerns: itself, all children, or it and those started after it. */
export type Strategy = (typeof strategies)[number]

const restarts = ["permanent", "transient", "temporary"] as const
/** When a child is started again: always, when it failed, never. One that succeeds has ended normally. */
export type RestartType = (typeof restarts)[number]

const autoShutdowns = ["never", "any_significant", "all_significant"] as const
/** Whether a supervisor ends when significant children have ended for good by themselves: one of them, or the last. */
export type AutoShutdown = (typeof autoShutdowns)[number]

const childTypes = ["worker", "supervisor"] as const
export type ChildType = (typeof childTypes)[number]

/** In place of a life: there is nothing to do. The child has no fiber, and its spec stays unless it is temporary. */
export const ignore = "ignore"

/**
 * Starts a child, and gives its life. The child is started, and the next one's turn, when this succeeds; from then on
 * the life runs, and the child has ended when the life has. Both run in one fiber, and what they add to their scope is
 * closed before the child counts as ended. A start that fails is no life: it counts as a restart that did not help.
 */
export type Start<R = Scope.Scope> = Effect.Effect<
  Effect.Effect<unknown, unknown, R> | typeof ignore,
  unknown,
  R
>

/** What a supervisor knows of one child. */
export interface ChildSpec<R = Scope.Scope> {
  /** Its name among the children of its supervisor. */
  readonly id: string
  readonly start: Start<R>
  /** Default `permanent`. */
  readonly restart?: RestartType
  /**
   * How it is stopped: `brutal` interrupts it and does not wait; a duration is how long it may take after it was
   * interrupted, and then it is abandoned, with a line in the log. Default 5 seconds, and `infinity` for a supervisor.
   */
  readonly shutdown?: "brutal" | "infinity" | Duration.Input
  /** Whether its end counts for `autoShutdown`. Not for permanent children. Default false. */
  readonly significant?: boolean
  /** Default `worker`. */
  readonly type?: ChildType
}

/** What is common to all supervisors; restarts as in `RestartOptions`, at most 1 in 5 seconds by default. */
export interface SupervisorOptions extends RestartOptions {
  /** How it is called in logs and in the tree. A supervisor that is a child goes by its id. */
  readonly name?: string
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown
  /** How many children there may be. At the limit `startChild` is refused. Default 100 000. */
  readonly childrenMax?: number
}

/** What a supervisor was told is wrong, and nothing was started. Tell it otherwise. */
export class SpecInvalid extends Schema.TaggedError<SpecInvalid>()("SpecInvalid", {
  /** Of the options or of a spec: `children[2].shutdown`. */
  field: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.field} ${this.problem}`
  }
}

/** Options with all that was left out. */
export interface Plan extends RestartPolicy {
  readonly name: string | undefined
  /** OTP's `simple_one_for_one` is `one_for_one` over children that are all made alike, and that do not outlive their end. */
  readonly strategy: Strategy | "simple_one_for_one"
  readonly autoShutdown: AutoShutdown
  readonly childrenMax: number
}

/** A spec with all that was left out; its start brings along what it needs. */
export interface PlannedChild {
  readonly id: string
  readonly start: Start<Scope.Scope>
  readonly context: Context.Context<never>
  readonly restart: RestartType
  /** How long its stop may take: 0 is not to wait, `Infinity` to wait for as long as it takes. */
  readonly shutdownMs: number
  readonly significant: boolean
  readonly type: ChildType
}

const childrenMaxDefault = 100_000
const shutdownDefaultMs = 5_000

const refuse = (field: string, problem: string) => Result.fail(new SpecInvalid({ field, problem }))

const oneOf = (field: string, value: unknown, allowed: ReadonlyArray<string>) =>
  allowed.includes(value as string)
    ? undefined
    : refuse(field, `is ${JSON.stringify(value)}; it must be one of ${allowed.join(", ")}`)

const atLeast = (field: string, value: number | undefined, minimum: number, whole: boolean) =>
  value !== undefined && value >= minimum && (!whole || Number.isInteger(value))
    ? undefined
    : refuse(field, `must be ${whole ? "a whole number" : "a duration"} of at least ${minimum}`)

export const planOf = (
  options: SupervisorOptions,
  strategy: Plan["strategy"]
): Result.Result<Plan, SpecInvalid> => {
  const { autoShutdown = "never", backoff = {}, childrenMax = childrenMaxDefault, name } = options
  const { period = 5_000, healthyAfter = period } = options
  const fault =
    (strategy === "simple_one_for_one" ? undefined : oneOf("strategy", strategy, strategies)) ??
    oneOf("autoShutdown", autoShutdown, autoShutdowns) ??
    atLeast("childrenMax", childrenMax, 1, true) ??
    atLeast("intensity", options.intensity ?? 1, 0, true) ??
    atLeast("period", millisOf(period), 1, false) ??
    atLeast("healthyAfter", millisOf(healthyAfter), 0, false) ??
    atLeast("backoff.base", millisOf(backoff.base ?? 0), 0, false) ??
    atLeast("backoff.cap", millisOf(backoff.cap ?? 0), 0, false) ??
    (backoff.jitter === undefined || (backoff.jitter >= 0 && backoff.jitter <= 1)
      ? undefined
      : refuse("backoff.jitter", "must be a number from 0 to 1"))
  return fault ?? Result.succeed({ ...restartPolicy(options), name, strategy, autoShutdown, childrenMax })
}

/** `field` is where the spec was given. */
export const plannedChild = <R>(
  spec: ChildSpec<R>,
  field: string,
  { autoShutdown }: Plan,
  context: Context.Context<Exclude<R, Scope.Scope>>
): Result.Result<PlannedChild, SpecInvalid> => {
  const { id, restart = "permanent", significant = false, type = "worker" } = spec
  const { shutdown = type === "supervisor" ? "infinity" : shutdownDefaultMs } = spec
  const shutdownMs = shutdown === "brutal" ? 0 : shutdown === "infinity" ? Infinity : millisOf(shutdown)
  const fault =
    (typeof id === "string" && id !== ""
      ? undefined
      : refuse(`${field}.id`, "must be a text, and not empty")) ??
    oneOf(`${field}.restart`, restart, restarts) ??
    oneOf(`${field}.type`, type, childTypes) ??
    (shutdownMs === undefined || shutdownMs < 0
      ? refuse(`${field}.shutdown`, `must be "brutal", "infinity" or a duration of at least 0`)
      : undefined) ??
    (significant && restart === "permanent"
      ? refuse(
          `${field}.significant`,
          "is for transient and temporary children: a permanent one never ends for good"
        )
      : undefined) ??
    (significant && autoShutdown === "never"
      ? refuse(
          `${field}.significant`,
          `needs a supervisor with autoShutdown "any_significant" or "all_significant"`
        )
      : undefined)
  return (
    fault ??
    Result.succeed({
      id,
      start: spec.start as Start,
      context,
      restart,
      shutdownMs: shutdownMs ?? 0,
      significant,
      type
    })
  )
}
