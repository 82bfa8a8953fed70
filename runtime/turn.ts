/**
 * The exchange between a worker and a partition, as plain values: what a worker says in one turn, and what it is told.
 *
 * One turn settles what has finished, renews the lease, and claims what is next; `Store.turn` takes it.
 */
import type { AgentAddress, Message } from "./mailbox.ts"
import { type Entry, isBoxed, type TaskId } from "./task.ts"

/** A process incarnation: never reused, not even by the same process after it was fenced. */
export type WorkerId = string

/** What a message did to its agent: stored with the message's end, or not at all. */
export interface Act {
  /** The agent's address. */
  readonly agent: AgentAddress
  /**
   * The revision of the state, timers included, with which it was handled: the entry of the message that wrote it, or `"0"`.
   * Where that is no longer the one that is there the message is handled again: its entry is lost.
   */
  readonly base: string
  /** The state as JSON, and its version; `undefined` when it did not change. */
  readonly state: { readonly json: string; readonly version: number } | undefined
  readonly timers: ReadonlyArray<TimerChange>
  /** What it sends, to be relayed from the outbox. */
  readonly sent: ReadonlyArray<Extract<Message, { readonly kind: "submit" }>>
}

/** A timer of an agent: the delayed message under a name. Names have no line break. */
export type TimerChange =
  /** This message takes the place of the earlier one of the name. */
  | { readonly kind: "set"; readonly name: string; readonly ulid: string }
  /** The message of the name is cancelled. */
  | { readonly kind: "clear"; readonly name: string }
  /** This was the message of the name. */
  | { readonly kind: "fired"; readonly name: string }

/** How one claimed entry ends its run. */
export type Settlement =
  /** The task is over: `record` (letter S, F, C or E) takes the place of its envelope; F is a dead letter too. */
  | { readonly kind: "end"; readonly entry: Entry; readonly record: string; readonly act?: Act }
  /** The task runs again, `delayMs` from now: `record` (letter Q, the next run) takes the place of the old one. */
  | { readonly kind: "retry"; readonly entry: Entry; readonly record: string; readonly delayMs: number }
  /** The worker gives the task back unfinished: it goes to the head of its lane, under its next run. */
  | { readonly kind: "release"; readonly entry: Entry }
  /**
   * The task waits for children that it adopted: `record` (letter Q, the next run) takes the place of the old one, and
   * that run starts when all of these have ended, at once if they have already; or, where it is hasty, when the first of them
   * has failed, and at once if one has ended already.
   */
  | {
      readonly kind: "wait"
      readonly entry: Entry
      readonly record: string
      readonly children: ReadonlyArray<TaskId>
      readonly hasty?: true
    }

/**
 * Whether nothing is to be said of an end but its record: it is that of a first run from a lane, and not of a dead letter. All
 * that are so are settled before the others.
 */
export const isPlainEnd = ({ act, entry, record }: Extract<Settlement, { kind: "end" }>): boolean =>
  act === undefined && record[0] !== "F" && record[2] === "1" && record[3] === "." && !isBoxed(entry)

export interface Turn {
  readonly worker: WorkerId
  readonly leaseMs: number

  /** The first turn of an incarnation registers it; a later one finds it registered or is `Fenced`. */
  readonly join: boolean

  /**
   * Redis's time as the worker expects it, 0 when it does not know. When they differ by more than
   * `clockJumpMs`, no other worker's lease is judged in this turn; where the clock was set back, none lasts longer than
   * this one's from now.
   */
  readonly expectedNow: number

  /** Whether another worker's lease may be judged: not while all may seem to have run out, after an outage or a jump. */
  readonly judges: boolean

  /** How many tasks to hand out at most: as many as can start running when the answer is there. */
  readonly want: number

  /** How many of them come first from the lanes below `urgent`, whatever waits above. */
  readonly share: readonly [high: number, normal: number, low: number]

  /** Whether an earlier turn may have had it stand by: it does no more. */
  readonly stoodBy: boolean

  /** Whether a submit may hand it a task once this turn has found less than it wants (`TurnReply.standsBy`). */
  readonly standsBy: boolean

  /** Whether one of them may be a suspect, whose workers died twice: true when this worker runs none. */
  readonly suspect: boolean

  /** Rings with limits, each with how many permits this worker has for it; other such rings are left alone. */
  readonly permits: ReadonlyArray<readonly [ring: string, count: number]>

  /** Rings whose limits allow nothing now, each with the milliseconds after which it may be asked for again. */
  readonly deferred: ReadonlyArray<readonly [ring: string, afterMs: number]>

  /** What this worker says of itself, as JSON; `undefined` when that was said lately. */
  readonly about: string | undefined

  /** An earlier turn may have got no answer: settlements may be repeated, and `held` is to be told. */
  readonly again: boolean

  readonly settled: ReadonlyArray<Settlement>

  /** Settled entries that had a note, or a stream of events: what belongs to them is tidied up. */
  readonly noted: ReadonlyArray<Entry>
  readonly streamed: ReadonlyArray<Entry>

  /** JSON notes on entries that have been running for a while: start, progress. */
  readonly notes: ReadonlyArray<readonly [Entry, string]>

  /** Reply channels, each with the ended entries whose results those who listen there wait for. */
  readonly hints: ReadonlyArray<readonly [channel: string, entries: ReadonlyArray<Entry>]>
}

export interface Claim {
  readonly entry: Entry
  readonly record: string
  /** The ring it was taken from, one of `permits`. */
  readonly ring?: string
}

export interface TurnReply {
  /** Unix milliseconds on Redis's clock. */
  readonly now: number
  /** When the next delayed entry of the partition is due; `undefined` when none is. */
  readonly nextDue: number | undefined
  /** Settled or noted entries that were not this worker's any more. Nothing of theirs was written. */
  readonly lost: ReadonlyArray<Entry>
  readonly claimed: ReadonlyArray<Claim>
  /** Rings with limits that have work now, each with how much of it, up to 250; permits for them are worth asking for. */
  readonly rings: ReadonlyArray<readonly [ring: string, waiting: number]>
  /** A submit has handed it a task while it stood by, and one less was claimed: the order to run it comes, or has come. */
  readonly handed: boolean
  /** From now on a submit may hand it a task. */
  readonly standsBy: boolean
  /** Whether the outbox has messages to be relayed. */
  readonly outbox: boolean
  /** Agents of whom messages were claimed from their boxes, each with the revision of its state. */
  readonly agents: ReadonlyArray<readonly [agent: AgentAddress, revision: string]>
  /** With `again`: every entry the worker holds after this turn, `claimed` aside. Empty otherwise. */
  readonly held: ReadonlyArray<Entry>
}

/** A jump of Redis's clock that is no mere delay of an answer, in milliseconds. */
export const clockJumpMs = 1_000

/** A task with so many worker deaths is a suspect: a worker runs one of them at a time. */
export const crashesSuspect = 2

/** How many tasks of one box are claimed before the next box of its ring has its turn. */
export const quantum = 10

/** How many worker deaths make a task a dead letter: one that kills its workers must not take the pool down. */
export const crashesMax = 3
