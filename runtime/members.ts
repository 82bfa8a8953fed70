/**
 * The nodes of a system, as all of them see each other: who lives, by its heartbeats, and who is asked to go.
 *
 * Workers are seen in the partitions that they serve (`Operations.workers`); a node serves none, so it says here that
 * it lives. All times are the store's clock, so that no reader's clock decides who is lost.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "./store.ts"

/** A node: never two at once of one name. */
export type NodeName = string

/** What a node says of itself with its heartbeats. */
export interface NodeAbout {
  readonly host: string
  readonly pid: number
  /** Unix milliseconds. */
  readonly startedAt: number
  /** Its worker processes, those that drain among them. */
  readonly workers: number
  /** How many it keeps at least and at most. */
  readonly min: number
  readonly max: number
  readonly leaseMs: number
}

export interface NodeState {
  readonly node: NodeName
  readonly leaseUntil: number
  /** The store's clock when it was read, in Unix milliseconds. */
  readonly seenAt: number
  readonly about: NodeAbout
  /** It was asked to stop all it runs. */
  readonly draining: boolean
}

/** How long after its lease a lost node is still listed, in milliseconds. */
export const lostListedMs = 600_000

export class Members extends Context.Service<
  Members,
  {
    /** A node lives, and is this. `true` when it is asked to drain. `join`: its first beat. Repeatable. */
    readonly beat: (node: NodeName, about: NodeAbout, join: boolean) => Effect.Effect<boolean, StoreError>
    /** A node has stopped in order. Repeatable. */
    readonly leave: (node: NodeName) => Effect.Effect<void, StoreError>
    /** Those that live, and those that were lost lately, by their names. */
    readonly nodes: Effect.Effect<ReadonlyArray<NodeState>, StoreError>
    /** Asks a node to stop all it runs, in order; it hears it with its next beat. `false` when there is none. */
    readonly drain: (node: NodeName) => Effect.Effect<boolean, StoreError>
  }
>()("troupe/Members") {}
