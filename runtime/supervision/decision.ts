/**
 * What follows when a child ends: a decision over plain values. The supervisor does what it is told here.
 *
 * What it means is OTP's. A restart by `one_for_all` or `rest_for_one` counts once, takes along the siblings that had
 * ended or been stopped before, and forgets the temporary ones. What OTP does at once may have to wait here: siblings that
 * are started meanwhile are stopped when the restart is due, so that none is there before those it was started after.
 */
import { Data } from "effect"
import { nextRestart, type Ending, type RestartPolicy } from "./restarts.ts"
import type { AutoShutdown, Plan, RestartType } from "./spec.ts"

/**
 * Where a child is in its life. `restarting` waits to be started again; `stopped` was told to end, `ended` did so by
 * itself, and `ignored` had nothing to do: these three have no fiber and wait for nothing.
 */
export type ChildState = "starting" | "running" | "stopping" | "restarting" | "stopped" | "ended" | "ignored"

/** What counts of a child when another one ends. */
export interface ChildFacts {
  readonly id: string
  readonly restart: RestartType
  readonly significant: boolean
  readonly state: ChildState
}

export interface Policy extends RestartPolicy {
  readonly strategy: Plan["strategy"]
  readonly autoShutdown: AutoShutdown
}

export interface Situation extends Ending {
  readonly ended: ChildFacts
  /** A life that succeeded, one that did not, or a start that did not become a life when it was to be started again. */
  readonly how: "normal" | "abnormal" | "not_started"
  /** All children in start order, the ended one among them. One that concerns nobody else is not looked up here. */
  readonly children: Iterable<ChildFacts>
}

/** Whom a restart concerns: stop these in this order and forget those, and start these in this order. All are ids. */
export interface Concerned {
  readonly stop: ReadonlyArray<string>
  readonly forget: ReadonlyArray<string>
  readonly start: ReadonlyArray<string>
}

export type Decision = Data.TaggedEnum<{
  /** It has ended for good; its spec stays, so that it can be started again by hand. */
  Leave: {}
  /** It has ended for good, and its spec goes. */
  Forget: {}
  /** Stop those it concerns, wait, and start them. */
  Restart: Concerned & {
    readonly afterMs: number
    /** How often the ended one is now restarted in a row. */
    readonly streak: number
  }
  /** A significant child has ended: stop all children, and end normally. */
  ShutDown: {}
  /** Restarting does not help: stop all children, and fail. */
  GiveUp: {}
}>

export const Decision = Data.taggedEnum<Decision>()

/** Whether a child has a fiber, or will have one again without anybody asking for it. */
export const isAlive = (state: ChildState): boolean => hasFiber(state) || state === "restarting"

const hasFiber = (state: ChildState) => state === "starting" || state === "running" || state === "stopping"

export const decide = (policy: Policy, situation: Situation): Decision => {
  const { ended, how } = situation
  if (ended.restart === "temporary" || (ended.restart === "transient" && how === "normal")) {
    if (ended.significant && endsSupervisor(policy, situation)) return Decision.ShutDown()
    const forgotten = ended.restart === "temporary" || policy.strategy === "simple_one_for_one"
    return forgotten ? Decision.Forget() : Decision.Leave()
  }
  const next = nextRestart(policy, situation)
  if (next._tag === "GiveUp") return Decision.GiveUp()
  const group = concerned(policy.strategy, ended, situation.children)
  return Decision.Restart({ ...group, afterMs: next.afterMs, streak: next.streak })
}

/** Whom a restart concerns that comes from one child, as the children are now. */
export const concerned = (
  strategy: Policy["strategy"],
  from: ChildFacts,
  children: Situation["children"]
): Concerned => {
  const group = groupOf(strategy, from, children)
  const others = group.filter(({ id }) => id !== from.id)
  return {
    stop: others
      .filter(({ state }) => hasFiber(state))
      .map(({ id }) => id)
      .reverse(),
    forget: others.filter(({ restart }) => restart === "temporary").map(({ id }) => id),
    start: group.filter(({ restart }) => restart !== "temporary").map(({ id }) => id)
  }
}

const endsSupervisor = ({ autoShutdown }: Policy, { children, ended }: Situation) => {
  if (autoShutdown !== "all_significant") return autoShutdown === "any_significant"
  for (const { id, significant, state } of children) {
    if (id !== ended.id && significant && isAlive(state)) return false
  }
  return true
}

/** In start order. */
const groupOf = (strategy: Policy["strategy"], from: ChildFacts, children: Situation["children"]) => {
  if (strategy !== "one_for_all" && strategy !== "rest_for_one") return [from]
  const all = [...children]
  return strategy === "one_for_all" ? all : all.slice(all.findIndex(({ id }) => id === from.id))
}
