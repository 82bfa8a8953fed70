/**
 * What operators ask of the store and do to it: dead letters, queries, queues, workers, statistics.
 *
 * Nothing here is on the hot path, and no call blocks Redis for more than 5 ms: what is long is done in pieces, and a
 * cursor says where to go on. What changes something may be said again without harm, where it does not say otherwise.
 */
import { Context, type Effect } from "effect"
import type { Depth, StoreError } from "./store.ts"
import type { WorkerId } from "./turn.ts"
import type { Box } from "./mailbox.ts"
import type { Entry, Partition, TaskId } from "./task.ts"

/**
 * Where tasks are looked for, and in which order.
 *
 * - `waiting`: one mailbox after the other, lanes, suspects, boxes, each oldest first; then those that wait for children
 * - `running`: one worker after the other, each oldest first
 * - `later`: the soonest due first
 * - `dead`: the latest death first
 * - `all`: the newest first, by their ids, dead letters among them
 *
 * On `all`, a task that is there from the first piece to the last is given exactly once, whatever becomes of it
 * meanwhile. On the others, a task that moves while somebody walks may be missed, or given twice.
 */
export type Shelf = "waiting" | "running" | "later" | "dead" | "all"

export interface Piece {
  /** A task may have moved on, ended or gone meanwhile: what is read of it counts. May be empty before the end. */
  readonly ids: ReadonlyArray<TaskId>
  /** Where the next piece begins: up to 200 of `A-Z a-z 0-9 _ : . | -`. `undefined` at the end. */
  readonly next: string | undefined
}

/** Bounds of a queue. Each is off when it is absent. */
export interface QueueLimits {
  /** Tasks that have not ended, at most; further submits are refused. */
  readonly maxDepth?: number
  /** How old the oldest waiting task may be when a further one is submitted, in milliseconds. */
  readonly maxAgeMs?: number
  /** Waiting tasks of one key, at most. */
  readonly maxKeyDepth?: number
  /** Tasks that run at once, in all processes together. */
  readonly concurrency?: number
  /** Tasks that start within any `perMs`. */
  readonly rate?: { readonly count: number; readonly perMs: number }
  /** How many bytes of ended tasks are kept, about; the oldest go first. */
  readonly keepBytes?: number
  /** How long ended tasks are kept, in milliseconds, where that is shorter than `TROUPE_RETENTION`. */
  readonly keepMs?: number
}

export interface QueueState {
  readonly depth: Depth
  readonly paused: boolean
  /** Keys that are paused. */
  readonly pausedKeys: ReadonlyArray<string>
  /** When the oldest waiting task was submitted, in Unix milliseconds. */
  readonly oldest: number | undefined
  readonly limits: QueueLimits
}

/** What a worker says of itself with its turns. Times in Unix milliseconds. */
export interface WorkerAbout {
  readonly node: string
  readonly pid: number
  readonly host: string
  readonly startedAt: number
  readonly memoryBytes: number
  /** Runs that have ended. */
  readonly done: number
  readonly concurrency: number
  /** How long its claims stay its own after it was heard of. */
  readonly leaseMs: number
  /** The handlers it has, sorted, up to `handlersSaid` of them. */
  readonly handlers: ReadonlyArray<string>
  /** It claims no more, and goes when what it runs has ended. */
  readonly draining?: boolean
}

export interface WorkerState {
  readonly worker: WorkerId
  /** When its lease ends; 0 when it was evicted. */
  readonly leaseUntil: number
  /** The store's clock when this was read, in Unix milliseconds. */
  readonly seenAt: number
  /** JSON of `WorkerAbout`, once it has said it. */
  readonly about: WorkerAbout | undefined
  readonly held: ReadonlyArray<Entry>
}

/** What was counted in one minute. Histograms count by upper bound, in milliseconds. */
export interface Minute {
  /** Unix milliseconds of its start. */
  readonly at: number
  /**
   * Counter → count: `submitted`, `started`, `succeeded`, `failed`, `retried`, `cancelled`, `expired`, `reaped`,
   * `wait:<bound>`, `run:<bound>`, and their sums in microseconds, `waitUs`, `runUs`. Empty when nothing was counted.
   */
  readonly counts: Readonly<Record<string, number>>
}

/** How a dead letter goes back to work: its record as it was read, and the record of its next run. */
export interface Revival {
  readonly ulid: string
  readonly expected: string
  readonly record: string
  readonly entry: Entry
  /** The box it waits in; its entry and record then have a capital lane letter. Its old box may be forgotten. */
  readonly box?: Box
  /** Its end is to be told to a URL, again. */
  readonly callback?: true
  /** The task whose run submitted it: one that lives in the same partition waits for it again. */
  readonly parent?: TaskId
}

/** What the store takes of its machine's memory, in bytes; `max` is 0 where it has no bound. */
export interface StoreMemory {
  readonly used: number
  readonly max: number
  /** What happens at the bound. Only `noeviction` loses no tasks. */
  readonly policy: string
}

/** How many there are of what no depth tells, each as cheap to ask for as one command. */
export interface Lengths {
  /** Tasks that wait to run alone. */
  readonly suspects: number
  /** Messages that wait to be relayed. */
  readonly outbox: number
  /** Hashes of records. */
  readonly segments: number
  /** Boxes with work or a run. */
  readonly boxes: number
}

/** How many handlers a worker says it has: with more of them, what it says is not all. */
export const handlersSaid = 500

/** How many ids one piece of a shelf has at most. */
export const pieceMax = 5_000

/** How far back minutes are kept. */
export const minutesMax = 120

/** Minutes go so long after their first count, in milliseconds. */
export const minuteKeptMs = minutesMax * 60_000

export class Operations extends Context.Service<
  Operations,
  {
    /** A queue as it stands. `oldest` looks at the heads of mailboxes, of up to 200 boxes among them. */
    readonly queue: (partition: Partition) => Effect.Effect<QueueState, StoreError>
    /** Hands out nothing, or again; of one key only when it is named. What runs goes on. */
    readonly pause: (partition: Partition, paused: boolean, key?: string) => Effect.Effect<void, StoreError>
    /** Sets all bounds at once: one that is absent is off. */
    readonly limit: (partition: Partition, limits: QueueLimits) => Effect.Effect<void, StoreError>
    /**
     * Cancels up to `most` tasks that wait, for their turn or their time, and says how many. Those that run, and those
     * that wait for children, go on. Repeat until 0.
     */
    readonly purge: (partition: Partition, most: number, reason: string) => Effect.Effect<number, StoreError>

    /** Keeps the name of a queue for `partitions`. Cheap: the store is told anew once in a while. */
    readonly note: (partition: Partition) => Effect.Effect<void, StoreError>
    /** Every queue that was noted and has, or had within retention, a task. */
    readonly partitions: Effect.Effect<ReadonlyArray<Partition>, StoreError>

    /**
     * A piece of a shelf from a cursor on, `most` ids or `pieceMax` of them. A cursor that is none of the shelf's is a `StoreError`;
     * `isCursorOf` tells beforehand.
     */
    readonly scan: (
      partition: Partition,
      shelf: Shelf,
      cursor: string | undefined,
      most: number
    ) => Effect.Effect<Piece, StoreError>

    /**
     * Puts dead letters back to work; those whose record is not as expected are passed over. Says which went, also when
     * an earlier call with the same records has done it.
     */
    readonly revive: (
      partition: Partition,
      revivals: ReadonlyArray<Revival>
    ) => Effect.Effect<ReadonlyArray<string>, StoreError>
    /** Drops dead letters with their streams, and says how many. */
    readonly bury: (partition: Partition, ulids: ReadonlyArray<string>) => Effect.Effect<number, StoreError>
    /**
     * Drops the oldest dead letters over `deadMax`, or over what is about `deadBytes` of them, and the oldest ended tasks over the queue's `keepBytes`; says how
     * many letters and segments went. What it leaves for the next call is more than a call may take.
     */
    readonly trim: (
      partition: Partition,
      bounds: { readonly deadMax: number; readonly deadBytes: number }
    ) => Effect.Effect<number, StoreError>

    /** Those that are registered, by their names. */
    readonly workers: (partition: Partition) => Effect.Effect<ReadonlyArray<WorkerState>, StoreError>
    /** Asks a worker to drain. It may not hear it: ask again while it is there and does not. */
    readonly drain: (partition: Partition, worker: WorkerId) => Effect.Effect<void, StoreError>

    /**
     * Adds whole numbers to the counters of the current minute. A call without an answer may have counted: to say it
     * again may count twice.
     */
    readonly count: (
      partition: Partition,
      counts: Readonly<Record<string, number>>
    ) => Effect.Effect<void, StoreError>
    /** The last minutes, `minutesMax` at most, the current one last. */
    readonly minutes: (partition: Partition, last: number) => Effect.Effect<ReadonlyArray<Minute>, StoreError>

    readonly memory: Effect.Effect<StoreMemory, StoreError>

    readonly lengths: (partition: Partition) => Effect.Effect<Lengths, StoreError>
    /** How many keys the store has, those of others in it too. */
    readonly keys: Effect.Effect<number, StoreError>
  }
>()("troupe/Operations") {}
