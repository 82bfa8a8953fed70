/**
 * What is stored of agents beside their messages, and what operators may do to them.
 *
 * A message is a task in its agent's box, and changes the state only with its own end (`Act` in `runtime/store.ts`). Here
 * a worker reads the state it is to handle messages with, and whoever looks after agents reads, lists, resumes, resets
 * and stops them.
 */
import { Context, type Effect } from "effect"
import type { StoreError } from "./store.ts"
import type { AgentAddress } from "./mailbox.ts"
import type { Entry, Partition } from "./task.ts"

/** The state of an agent as it lies in the store. */
export interface StoredAgent {
  /** The entry of the message that wrote it; `"0"` where none has. */
  readonly revision: string
  /** JSON, and the version of its schema; `undefined` before the first message that set it. */
  readonly state: { readonly json: string; readonly version: number } | undefined
  /** Its timers: name → ULID of the delayed message. */
  readonly timers: ReadonlyMap<string, string>
}

/** Why an agent hands out nothing. */
export interface Quarantine {
  /** Since when, in Unix milliseconds. */
  readonly at: number
  /** The dead letter that is the reason; absent where it is being stopped, or whoever stopped it died half way. */
  readonly ulid?: string
}

/** Where an agent stands: what operators see of it beside its state and its timers. */
export interface AgentStanding {
  /** As in `StoredAgent`. */
  readonly revision: string
  /** Of the schema of its state; `undefined` where it has none. */
  readonly version: number | undefined
  /** When its state was written last, in Unix milliseconds. */
  readonly at: number | undefined
  readonly quarantined: Quarantine | undefined
  /** How many of its messages have failed for good since it was resumed. */
  readonly failures: number
  /** How many messages wait in its box. */
  readonly waiting: number
  /** Those that were handed out, or keep their place until they are tried again. */
  readonly taken: ReadonlyArray<Entry>
}

/** An agent as operators see it. */
export interface AgentFound extends StoredAgent, AgentStanding {}

export interface AgentListed {
  readonly agent: AgentAddress
  readonly quarantined: boolean
}

/** How many agents one page has at most. */
export const agentsPageMax = 1_000

export class Agents extends Context.Service<
  Agents,
  {
    /** The states of some agents, in their order. Only who holds a message of an agent can rely on it. */
    readonly load: (
      partition: Partition,
      agents: ReadonlyArray<AgentAddress>
    ) => Effect.Effect<ReadonlyArray<StoredAgent>, StoreError>

    /** One agent with its box; `undefined` when nothing is known of it. */
    readonly read: (
      partition: Partition,
      agent: AgentAddress,
      box: string
    ) => Effect.Effect<AgentFound | undefined, StoreError>

    /** Where some agents stand, each with its box, in their order; `undefined` where nothing is known of one. Reads no state. */
    readonly survey: (
      partition: Partition,
      agents: ReadonlyArray<{ readonly agent: AgentAddress; readonly box: string }>
    ) => Effect.Effect<ReadonlyArray<AgentStanding | undefined>, StoreError>

    /** Agents that have a state, a timer, or a failure, whose addresses begin so and come after `after`; by address. */
    readonly list: (
      partition: Partition,
      options: { readonly prefix: string; readonly after: AgentAddress | undefined; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<AgentListed>, StoreError>

    /**
     * Ends a quarantine: the agent goes on with its next message. With `reset` its state and timers are forgotten first; what
     * waits stays. Says whether there was such an agent. Repeatable.
     */
    readonly resume: (
      partition: Partition,
      agent: AgentAddress,
      options: { readonly box: string; readonly reset: boolean }
    ) => Effect.Effect<boolean, StoreError>

    /**
     * Ends an agent: whoever handles a message of it is told to stop, what waits is cancelled, state and timers are forgotten.
     * Does a piece, and says how many messages it cancelled and whether more are left. Repeatable.
     */
    readonly stop: (
      partition: Partition,
      agent: AgentAddress,
      options: { readonly box: string; readonly reason: string }
    ) => Effect.Effect<{ readonly cancelled: number; readonly left: boolean }, StoreError>
  }
>()("troupe/Agents") {}
