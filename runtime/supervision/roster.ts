/** The children that a supervisor knows, in start order, and where each is in its life. */
import type { ChildFacts, ChildState } from "./decision.ts"
import type { Run, Within } from "./run.ts"
import type { ChildType, PlannedChild, RestartType } from "./spec.ts"
import type { TreeNode } from "./tree.ts"
import type { Watchers } from "./watch.ts"

/** A restart that was decided, of one child or of several. */
export interface Pending {
  /** When it took place, on the monotonic clock in milliseconds; `Infinity` while it is to come, which counts too. */
  at: number
}

export interface Child extends ChildFacts {
  readonly spec: PlannedChild
  state: ChildState
  /** When it came into this state, in Unix milliseconds. */
  since: number
  restarts: number
  streak: number
  abandoned: number
  run: Run | undefined
  within: Within
  /** The restart that this child waits for. */
  pending: Pending | undefined
  readonly watchers: Watchers
}

/** What is said of a child to those who ask for all. */
export interface ChildInfo {
  readonly id: string
  readonly type: ChildType
  readonly restart: RestartType
  readonly state: ChildState
}

export interface ChildCounts {
  readonly specs: number
  /** Those that run. */
  readonly active: number
  readonly supervisors: number
  readonly workers: number
}

export const newChild = (spec: PlannedChild, supervisor: string, now: number): Child => ({
  id: spec.id,
  restart: spec.restart,
  significant: spec.significant,
  spec,
  state: "starting",
  since: now,
  restarts: 0,
  streak: 0,
  abandoned: 0,
  run: undefined,
  within: withinOf(supervisor, spec.id),
  pending: undefined,
  watchers: new Set()
})

export const withinOf = (supervisor: string, id: string): Within => ({
  path: `${supervisor}/${id}`,
  supervisors: new Set()
})

export const infoOf = ({ id, restart, spec, state }: Child): ChildInfo => ({
  id,
  type: spec.type,
  restart,
  state
})

export const countsOf = (children: Iterable<Child>): ChildCounts => {
  const counts = { specs: 0, active: 0, supervisors: 0, workers: 0 }
  for (const { spec, state } of children) {
    counts.specs += 1
    if (state === "running") counts.active += 1
    if (spec.type === "supervisor") counts.supervisors += 1
    else counts.workers += 1
  }
  return counts
}

/** A supervisor without a name of its own is its child; others show below the child in whose life they are. */
export const nodeOf = (child: Child): TreeNode => {
  const inside = [...child.within.supervisors].map((tree) => tree())
  const itself = inside.find(({ id }) => id === "")
  const others = inside.filter((node) => node !== itself)
  return {
    id: child.id,
    type: child.spec.type,
    state: child.state,
    restarts: child.restarts,
    since: child.since,
    abandoned: child.abandoned,
    ...(itself?.strategy === undefined ? {} : { strategy: itself.strategy }),
    children: [...(itself?.children ?? []), ...others]
  }
}
