/**
 * The durable state of every task, behind one service.
 *
 * Anyone may submit and read. Only the worker incarnation that holds an entry may write for it, and only while
 * its lease lasts; each method is one atomic step per partition. There are two layers: Redis, where every method
 * is one Lua script, and memory, whose Maps are the readable specification of those scripts. One suite holds
 * both to what is written here.
 *
 * After a `StoreError` of a writing method its outcome is unknown: it may have happened. Each such method says how
 * it may be said again without harm.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { PayloadUnreadable } from "./encryption/key-ring.ts"
import type { Message, NewTask } from "./mailbox.ts"
import type { Entry, Lane, Partition, State, TaskId } from "./task.ts"
import type { Claim, Turn, TurnReply, WorkerId } from "./turn.ts"

/** The store did not answer in time, or refused. What was being done may have happened: say it again. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  /** What was being attempted, as `Store.method`. */
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.operation}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** A bound of the queue is reached. Nothing was stored. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  partition: Schema.String,
  /** What is full: the tasks that have not ended, the age of the oldest waiting one, or the waiting ones of a key. */
  bound: Schema.Literals(["maxDepth", "maxAgeMs", "maxKeyDepth"]),
  limit: Schema.Finite,
  /** When there may be room again, as the dispatcher estimates it. */
  retryAfterMs: Schema.optionalKey(Schema.Finite)
}) {
  override get message() {
    return `${this.partition} takes no more tasks: ${this.bound} is ${this.limit}`
  }
}

/** The agent is in quarantine: a message of it has failed for good. Nothing was stored; an operator must resume or reset it. */
export class AgentQuarantined extends Schema.TaggedError<AgentQuarantined>()("AgentQuarantined", {
  agent: Schema.String
}) {
  override get message() {
    return `agent ${this.agent} is in quarantine: it takes messages again when it is resumed or reset`
  }
}

/** The agent has a message to handle, and refuses others meanwhile. Nothing was stored; send it again later. */
export class AgentBusy extends Schema.TaggedError<AgentBusy>()("AgentBusy", { agent: Schema.String }) {
  override get message() {
    return `agent ${this.agent} is busy, and takes one message at a time`
  }
}

/** The store has no memory left for new tasks. Nothing was stored; come back when some have ended. */
export class StoreFull extends Schema.TaggedError<StoreFull>()("StoreFull", {}) {
  override get message() {
    return "the store has no memory left for new tasks"
  }
}

/**
 * This worker incarnation is not registered: its lease ran out and its tasks were handed to others. Interrupt
 * everything it runs, and go on only under a fresh worker id. Nothing was written.
 */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  worker: Schema.String
}) {
  override get message() {
    return `worker ${this.worker} lost its lease`
  }
}

// ---------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------

/** A task as it lies in the store. `place` says where a living one (letter Q) was found. */
export interface Found {
  readonly record: string
  /** Why nothing but its name is told of it. */
  readonly unreadable?: PayloadUnreadable
  readonly place:
    | { readonly kind: "lane" }
    | { readonly kind: "later"; readonly due: number }
    | { readonly kind: "held"; readonly worker: WorkerId; readonly note: string | undefined }
    /** Until its children have ended. */
    | { readonly kind: "waiting" }
    | { readonly kind: "ended" }
}

export type EventKind = "progress" | "log" | "chunk" | "step"

/** One event of a task. `seq` counts from 1 within a run, without gaps. */
export interface TaskEvent {
  readonly run: number
  readonly seq: number
  readonly kind: EventKind
  /** JSON. */
  readonly data: string
}

/** A segment that is past its retention, and stays: children have ended in it whose parents may remember them. */
export interface Remembered {
  readonly segment: string
  /** When it is looked at again, in Unix milliseconds. */
  readonly again: number
  /** Some of the parents, of any partition; up to a hundred. */
  readonly parents: ReadonlyArray<TaskId>
}

export interface Swept {
  /** How many segments and dead letters were dropped. */
  readonly dropped: number
  readonly remembered: ReadonlyArray<Remembered>
}

/** The events of a task after a position. */
export interface Wanted {
  readonly ulid: string
  readonly after: Position
}

export interface NewEvent extends Omit<TaskEvent, "run"> {
  readonly entry: Entry
}

/** How many events of a task are kept: older ones go, and a reader is told of the gap. */
export const eventsMax = 10_000

/** How long events outlive the last one while their task lives, if the retention is not longer. */
export const streamIdleMs = 7 * 86_400_000

/** Where a reader of events stands: the last event it has seen, `{ run: 0, seq: 0 }` before the first. */
export type Position = Pick<TaskEvent, "run" | "seq">

/**
 * That there is something to read of a task. A small outcome comes along when its settlement was accepted; small
 * events do, one by one and in order, when all that were appended of the task at once are small and were not there yet.
 */
export interface News {
  readonly ulid: string
  readonly record: string | undefined
  readonly event?: TaskEvent
}

/** News of tasks that somebody here waits for. `"all"` when news may have been missed: read them all again. */
export type Hint = "all" | { readonly partition: Partition; readonly news: ReadonlyArray<News> }

/** A larger record is not sent along with a hint, in characters: whoever waits reads it. */
export const hintRecordMax = 4_096

/** The same for an event: whoever follows reads a larger one. */
export const hintEventMax = 4_096

/** The reply channel of one process. A hint may be lost: what it is about is read from where it is kept. */
export interface Inbox {
  readonly name: string
  readonly next: Effect.Effect<Hint>
  /** Succeeds once hints of this partition reach this inbox. */
  readonly tune: (partition: Partition) => Effect.Effect<void, StoreError>
}

export interface Bell {
  readonly wait: (maxMs: number) => Effect.Effect<void, StoreError>
}

/** What a worker is told while it runs. */
export type Order =
  /** It has claimed this: a submit has handed it over. */
  | { readonly kind: "run"; readonly partition: Partition; readonly claim: Claim }
  /** A run is to stop at once. */
  | { readonly kind: "stop"; readonly partition: Partition; readonly entry: Entry }
  | { readonly kind: "drain" }
  /** News may have been missed. */
  | { readonly kind: "all" }

/** How late a child may come and still find that its parent was cancelled, in milliseconds: later than any submit is tried. */
export const orphanMs = 60_000

/** What came of a cancel. */
export type Cancelled =
  /** It has ended by this; its living children are to be cancelled next. */
  | { readonly kind: "cancelled"; readonly children: ReadonlyArray<TaskId> }
  /** It had ended before, and stays as it was. */
  | { readonly kind: "ended"; readonly record: string }
  | { readonly kind: "missing" }

/** When a task is to be due: so much later on the store's clock, or at a Unix time, in milliseconds. */
export type Due = NonNullable<NewTask["due"]>

/** What came of another time for a task. Times in Unix milliseconds on the store's clock. */
export type Rescheduled =
  /** It is due then. Where that is now, it waits in its mailbox: it is `queued`. */
  | {
      readonly kind: "moved"
      readonly due: number
      readonly state: Extract<State, "scheduled" | "retrying" | "queued">
    }
  /** It would be over before that. Nothing was changed. */
  | { readonly kind: "over"; readonly by: "expiry" | "deadline"; readonly at: number }
  /** It does not wait for its time: it is in this state. `now` is when that was seen. */
  | {
      readonly kind: "elsewhere"
      readonly state: Exclude<State, "scheduled" | "retrying">
      readonly now: number
    }
  | { readonly kind: "missing" }

export interface Depth {
  readonly lanes: Readonly<Record<Lane, number>>
  /** Waiting in boxes, and for their children. */
  readonly boxed: number
  readonly waiting: number
  readonly later: number
  readonly held: number
  readonly dead: number
}

// ---------------------------------------------------------------------------------------------------------

export class Store extends Context.Service<
  Store,
  {
    /**
     * Stores tasks and puts them where they wait. All of them, or none. Repeatable as a whole: a call whose first
     * task is already there has been here, and stores nothing, so that one which Redis runs late, long after it was
     * given up and said again, does no harm. A plain one that comes alone while nothing waits goes straight to a worker
     * that has nothing to do, if there is one, with an order to run it. With `owed` they were acknowledged before, and no
     * bound refuses them. Of those, and in a call that begins with a child, each that is there already is passed over by
     * itself: some of them may have been stored beside others.
     */
    readonly submit: (
      partition: Partition,
      tasks: ReadonlyArray<NewTask>,
      options?: { readonly owed: true }
    ) => Effect.Effect<void, StoreError | StoreFull | QueueFull | AgentQuarantined>

    /**
     * The exchange between a worker and a partition: settle, renew the lease, reap one dead worker a piece at a
     * time, promote what is due, claim. Say it again with `again: true` and the same settlements: one whose
     * outcome is already there counts as done.
     */
    readonly turn: (partition: Partition, turn: Turn) => Effect.Effect<TurnReply, Fenced | StoreError>

    /** Gives up a worker's lease at once, as when its process was seen to exit: what it held is reaped. Repeatable. */
    readonly evict: (partition: Partition, worker: WorkerId) => Effect.Effect<void, StoreError>

    /**
     * Renews the lease of a worker in its place, as while its event loop is blocked. `false` when it is not registered,
     * or evicted: then nothing was written. Repeatable.
     */
    readonly renew: (
      partition: Partition,
      worker: WorkerId,
      leaseMs: number
    ) => Effect.Effect<boolean, StoreError>

    /** Ends the registration of a worker that holds nothing; one that does hold something is evicted. Repeatable. */
    readonly leave: (partition: Partition, worker: WorkerId) => Effect.Effect<void, StoreError>

    /**
     * Ends a living task as cancelled, wherever it is; whoever runs it is told. Repeatable. An `orphan`, the child of a task that
     * was cancelled, may be on its way still: one that comes within `orphanMs` is ended when it is stored.
     */
    readonly cancel: (
      partition: Partition,
      ulid: string,
      reason: string,
      options?: { readonly orphan: true }
    ) => Effect.Effect<Cancelled, StoreError>

    /**
     * Sets another time for a task that waits for its time: for its first run, or to be tried again. One whose time has come by that
     * goes to its mailbox at once. What its record says of when it became due changes with it, and an idempotency key finds it
     * for as long after the new time as after the old one. Repeatable: one that is due then already stays as it is.
     */
    readonly reschedule: (
      partition: Partition,
      ulid: string,
      due: Due
    ) => Effect.Effect<Rescheduled, StoreError>

    /** Opens the channel on which one worker incarnation hears its orders. An order may be lost. */
    readonly orders: (
      worker: WorkerId,
      partitions: ReadonlyArray<Partition>
    ) => Effect.Effect<{ readonly next: Effect.Effect<Order> }, StoreError, Scope.Scope>

    /**
     * Tells parents of a partition that children have ended: the next run of one starts if that was the last child it waits
     * for, or if it is hasty and that child has failed. Repeatable.
     */
    readonly childrenEnded: (
      partition: Partition,
      ends: ReadonlyArray<{ readonly parent: TaskId; readonly child: TaskId; readonly failed?: true }>
    ) => Effect.Effect<void, StoreError>

    /** Up to `most` messages of the outbox, oldest first, without the first `skip`. They stay until they are dropped. */
    readonly outbox: (
      partition: Partition,
      most: number,
      skip?: number
    ) => Effect.Effect<ReadonlyArray<Message>, StoreError>
    readonly drop: (partition: Partition, messages: ReadonlyArray<Message>) => Effect.Effect<void, StoreError>

    /** Reads tasks of one partition by ULID; `undefined` for one that is not, or no longer, there. */
    readonly read: (
      partition: Partition,
      ulids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Found | undefined>, StoreError>

    /**
     * Reads only what has ended, cheaply: its record, `true` while it lives, or `undefined` when it is not there. With `watch`,
     * an inbox's name, the living ones give it a hint at every event, note and retry, and at their end.
     */
    readonly ended: (
      partition: Partition,
      ulids: ReadonlyArray<string>,
      options?: { readonly watch?: string }
    ) => Effect.Effect<ReadonlyArray<string | true | undefined>, StoreError>

    /** Stops the hints that `ended` asked for. Repeatable. */
    readonly unwatch: (
      partition: Partition,
      ulids: ReadonlyArray<string>,
      inbox: string
    ) => Effect.Effect<void, StoreError>

    /**
     * Appends events, in order per task. Succeeds with the entries that are not this worker's any more, of which
     * nothing was stored. Repeatable: an event that is already there is not stored twice.
     */
    readonly append: (
      partition: Partition,
      worker: WorkerId,
      events: ReadonlyArray<NewEvent>
    ) => Effect.Effect<ReadonlyArray<Entry>, StoreError>

    /** Up to `limit` events after a position, oldest first. */
    readonly events: (
      id: TaskId,
      after: Position,
      limit: number
    ) => Effect.Effect<ReadonlyArray<TaskEvent>, StoreError>

    /** The same for many tasks of a partition with one call: up to `limit` events of each, in the order of the tasks. */
    readonly eventsOf: (
      partition: Partition,
      wanted: ReadonlyArray<Wanted>,
      limit: number
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<TaskEvent>>, StoreError>

    /** Opens a reply channel for this process. */
    readonly inbox: Effect.Effect<Inbox, StoreError, Scope.Scope>

    /**
     * Opens a listener at the bell of a partition. `wait` succeeds when it rang, or after `maxMs` (at most
     * `bellWaitMaxMs`), and takes the token: whoever takes it must take a turn, which rings again if work is left.
     */
    readonly bell: (partition: Partition) => Effect.Effect<Bell, StoreError, Scope.Scope>

    /** How much waits where. */
    readonly depth: (partition: Partition) => Effect.Effect<Depth, StoreError>

    /**
     * Drops what is past retention, up to `limit` segments and as many dead letters. Segments that parents may remember tasks of are
     * told, and looked at again after `askedAgainMs`; they count among the `limit`. Repeatable.
     */
    readonly sweep: (partition: Partition, limit: number) => Effect.Effect<Swept, StoreError>

    /**
     * The parents that a sweep has told of, or some of them, remember nothing any more. The segment is dropped if no other may
     * remember tasks of it, and looked at by the next sweep if one may. Succeeds with whether it was dropped; it was not where
     * something has come into it since. Repeatable.
     */
    readonly forget: (partition: Partition, remembered: Remembered) => Effect.Effect<boolean, StoreError>

    /** Succeeds when the store answers. */
    readonly ping: Effect.Effect<void, StoreError>
  }
>()("troupe/Store") {}

/** The longest a bell is waited for, in milliseconds: an idle worker looks for itself that often. */
export const bellWaitMaxMs = 1_000

/** How soon a segment is looked at again whose parents live, in milliseconds: ten times within its retention, or each ten minutes. */
export const askedAgainMs = (retentionMs: number): number => Math.min(retentionMs / 10, 600_000)
