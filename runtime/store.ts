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
import type { Entry, Lane, Partition, TaskId } from "./task.ts"

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

/** A process incarnation: never reused, not even by the same process after it was fenced. */
export type WorkerId = string

// ---------------------------------------------------------------------------------------------------------
// Submit
// ---------------------------------------------------------------------------------------------------------

export interface NewTask {
  readonly entry: Entry
  readonly record: string
  /** When it becomes due: at once, after a delay in milliseconds, or at a Unix time in milliseconds. */
  readonly due?: { readonly afterMs: number } | { readonly at: number }
  /** The box it waits in instead of a lane; its entry and record then have a capital lane letter. */
  readonly box?: Box
  /** What it does where its box has work: it is refused, or cancels the first that runs. Heeded by `Admission`. */
  readonly arrival?: "reject" | "interrupt"
  /** The task that waits for its end. */
  readonly parent?: TaskId
  /** It is expired if it has not started by then, in Unix milliseconds. */
  readonly expiresAt?: number
  /** It has failed if it has not ended by then, in Unix milliseconds. */
  readonly deadlineAt?: number
  /** Its end is to be told to a URL, which its record names. */
  readonly callback?: true
}

/** Whether nothing is to be said of a task but where it waits: those of one submit come first. */
export const isPlain = (task: NewTask): boolean =>
  task.due === undefined &&
  task.box === undefined &&
  task.parent === undefined &&
  task.expiresAt === undefined &&
  task.deadlineAt === undefined &&
  task.callback === undefined

/** The mailbox of one key, with or without limits; what the newest submit says of it counts while it has work. */
export interface Box {
  /** `<ring>|<key>`; a ring has no `|`. */
  readonly name: string
  /** How many of its tasks run at once; 0 for as many as there are workers for. */
  readonly limit: number
  /** Whether a task that is to be tried again keeps the later ones of its box waiting. */
  readonly ordered: boolean
}

/** What the box of an agent is called after its ring. A key of a caller's cannot begin so. */
export const agentBoxKey = (agent: AgentAddress): string => `~${agent}`

/** The agent that a box is of, if it is one's. It hands out up to a quantum of messages, to be run one after the other. */
export const agentOfBox = (box: string): AgentAddress | undefined => /^[^|]*\|~([^/]+\/.*)$/s.exec(box)?.[1]

/** What the box of a key is called after its ring: another tenant than `default` has boxes of its own. No agent's box is called so. */
export const boxKeyOf = (key: string, tenant: string | undefined): string =>
  tenant === undefined ? key : `~/${tenant}/${key}`

/** The ring a box belongs to: its limits and what they cost, or `""` without limits. */
export const ringOf = (box: string): string => box.slice(0, box.indexOf("|"))

// ---------------------------------------------------------------------------------------------------------
// The turn
// ---------------------------------------------------------------------------------------------------------

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

/** `<name>/<key>`: what an agent is addressed by. A name has no slash. */
export type AgentAddress = string

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
   * that run starts when all of these have ended, at once if they have already.
   */
  | {
      readonly kind: "wait"
      readonly entry: Entry
      readonly record: string
      readonly children: ReadonlyArray<TaskId>
    }

export interface Turn {
  readonly worker: WorkerId
  readonly leaseMs: number

  /** The first turn of an incarnation registers it; a later one finds it registered or is `Fenced`. */
  readonly join: boolean

  /**
   * Redis's time as the worker expects it, 0 when it does not know. When they differ by more than
   * `clockJumpMs`, no other worker's lease is judged in this turn.
   */
  readonly expectedNow: number

  /** How many tasks to hand out at most: as many as can start running now. */
  readonly want: number

  /** How many of them come first from the lanes below `urgent`, whatever waits above. */
  readonly share: readonly [high: number, normal: number, low: number]

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

/** What a worker is told while it runs: to stop a run at once, to drain, or that news may have been missed. */
export type Order =
  | { readonly kind: "stop"; readonly partition: Partition; readonly entry: Entry }
  | { readonly kind: "drain" }
  | { readonly kind: "all" }

/** What came of a cancel. */
export type Cancelled =
  /** It has ended by this; its living children are to be cancelled next. */
  | { readonly kind: "cancelled"; readonly children: ReadonlyArray<TaskId> }
  /** It had ended before, and stays as it was. */
  | { readonly kind: "ended"; readonly record: string }
  | { readonly kind: "missing" }

/** What one partition has to tell another, or itself. Doing it twice is harmless. */
export type Message =
  | { readonly kind: "ended"; readonly child: TaskId; readonly parent: TaskId }
  | { readonly kind: "cancel"; readonly task: TaskId }
  /** It has ended, and its end is to be told to a URL. */
  | { readonly kind: "callback"; readonly task: TaskId }
  /** A task that was acknowledged, and is to be stored there. */
  | { readonly kind: "submit"; readonly partition: Partition; readonly task: NewTask }

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
     * given up and said again, does no harm. With `owed` they were acknowledged before, and no bound refuses them.
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

    /** Ends a living task as cancelled, wherever it is; whoever runs it is told. Repeatable. */
    readonly cancel: (
      partition: Partition,
      ulid: string,
      reason: string
    ) => Effect.Effect<Cancelled, StoreError>

    /** Opens the channel on which one worker incarnation hears its orders. An order may be lost. */
    readonly orders: (
      worker: WorkerId,
      partitions: ReadonlyArray<Partition>
    ) => Effect.Effect<{ readonly next: Effect.Effect<Order> }, StoreError, Scope.Scope>

    /** Tells a parent that a child has ended: its next run starts if that was the last one it waits for. Repeatable. */
    readonly childEnded: (parent: TaskId, child: TaskId) => Effect.Effect<void, StoreError>

    /** Up to `most` messages of the outbox, oldest first. They stay until they are dropped. */
    readonly outbox: (partition: Partition, most: number) => Effect.Effect<ReadonlyArray<Message>, StoreError>
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
     * Opens a listener at the bells of some partitions. `wait` succeeds when one of them rang, or after `maxMs` (at
     * most `bellWaitMaxMs`), and takes the token: whoever takes it must take a turn, which rings again if work is left.
     */
    readonly bell: (partitions: ReadonlyArray<Partition>) => Effect.Effect<Bell, StoreError, Scope.Scope>

    /** How much waits where. */
    readonly depth: (partition: Partition) => Effect.Effect<Depth, StoreError>

    /** Drops up to `limit` segments and dead letters that are past retention, and says how many. Repeatable. */
    readonly sweep: (partition: Partition, limit: number) => Effect.Effect<number, StoreError>

    /** Succeeds when the store answers. */
    readonly ping: Effect.Effect<void, StoreError>
  }
>()("troupe/Store") {}

/** The longest a bell is waited for, in milliseconds: an idle worker looks for itself that often. */
export const bellWaitMaxMs = 1_000
