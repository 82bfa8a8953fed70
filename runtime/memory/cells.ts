/**
 * What lies in one partition of the memory store: the Maps of the table in `runtime/keys.ts`, how records are read and
 * written, and how new tasks are stored (`runtime/lua/lib/records.lua`, `keep.lua`).
 */
import { Latch, Queue } from "effect"
import { type Hint, type News, type Order, QueueFull, type TaskEvent } from "../store.ts"
import type { WorkerId } from "../turn.ts"
import type { Quarantine } from "../agents.ts"
import type { AgentAddress, Message, NewTask } from "../mailbox.ts"
import { decodeRecord, type Header, readEnvelope } from "../record.ts"
import {
  type Entry,
  entryOf,
  type Lane,
  type Partition,
  segmentOf,
  submittedAt,
  type TaskId,
  ulidOfEntry
} from "../task.ts"
import type { Life } from "../lifecycle.ts"
import type { Window } from "../window.ts"
import { byScore, type Scores } from "./scores.ts"

/**
 * A larger record is not handed over, in bytes. How many workers a submit tries, and how long it believes that one stands by
 * which should have taken a turn meanwhile, in milliseconds.
 */
const handRecordMax = 4_096
const handTries = 4
const standbyMaxMs = 2_500

/** What `boxes` holds of a box. */
export interface BoxState {
  limit: number
  ordered: boolean
  /** Whether it is in its ring. */
  ready: boolean
}

/** Who listens: the reply channels of processes, and the order channels of workers. */
export interface Channels {
  readonly inboxes: Map<string, Queue.Queue<Hint>>
  readonly orders: Map<WorkerId, Queue.Queue<Order>>
  /** Those who hear of lifecycle events. */
  readonly lives: Set<Queue.Queue<Partition | undefined>>
}

/** What `agent:<address>` holds. */
export interface AgentCell {
  state: { readonly json: string; readonly version: number } | undefined
  /** `"0"` before the first. */
  revision: string
  /** When it was written last. */
  at: number | undefined
  failures: number
  quarantined: Quarantine | undefined
  readonly timers: Map<string, string>
}

/** What is tidied when a task ends, a line each; its first letter says what it is (`runtime/lua/lib/finish.lua`). */
export type Tie = string

/** One partition: the Maps of the table in `runtime/keys.ts`. */
export class Cells {
  readonly lanes: Record<Lane, Array<Entry>> = { urgent: [], high: [], normal: [], low: [] }
  readonly tasks = new Map<string, Map<string, string>>()
  readonly live = new Map<string, number>()
  readonly kept: Scores = new Map()
  readonly segments = new Set<string>()
  readonly held = new Map<WorkerId, Set<Entry>>()
  readonly running = new Map<Entry, string>()
  readonly workers: Scores = new Map()
  readonly about = new Map<WorkerId, string>()
  readonly later: Scores = new Map()
  readonly dead: Scores = new Map()
  readonly letters = new Map<string, string>()
  readonly events = new Map<string, { readonly list: Array<TaskEvent>; goesAt: number }>()
  readonly watched = new Map<string, Array<string>>()
  readonly standby: Scores = new Map()
  readonly bell = Latch.makeUnsafe(false)
  readonly boxes = new Map<string, BoxState>()
  readonly box = new Map<string, Array<Entry>>()
  /** Each entry with its rank in its claim. */
  readonly taken = new Map<string, Map<Entry, number>>()
  readonly ready = new Map<string, Array<string>>()
  readonly rings: Scores = new Map()
  readonly pausedKeys = new Set<string>()
  readonly suspects: Array<Entry> = []
  readonly agents = new Map<AgentAddress, AgentCell>()
  readonly ties = new Map<string, Array<Tie>>()
  readonly steps = new Map<string, Map<number, { readonly name: string; readonly value: string }>>()
  readonly children = new Map<string, Set<TaskId>>()
  readonly awaited = new Map<string, Set<TaskId>>()
  /** Who goes on as soon as one of those has failed. */
  readonly hasty = new Set<string>()
  readonly parents = new Map<string, Set<TaskId>>()
  readonly waiting = new Map<string, Entry>()
  readonly outbox: Array<Message> = []
  readonly orphans = new Map<string, { readonly reason: string; readonly goesAt: number }>()
  readonly guards = new Map<string, { readonly ulid: string; readonly hash: string; goesAt?: number }>()
  readonly control = new Map<string, string>()
  /** What was claimed of a queue with a rate. */
  claimedLately: Window | undefined
  readonly stat = new Map<number, Map<string, number>>()
  readonly queues: Scores = new Map()
  readonly lifecycle: Array<Life> = []

  readonly partition: Partition
  readonly #channels: Channels

  constructor(partition: Partition, channels: Channels) {
    this.partition = partition
    this.#channels = channels
  }

  /** Says to an inbox that there is news. */
  tell(inbox: string, news: ReadonlyArray<News>): void {
    const queue = this.#channels.inboxes.get(inbox)
    if (queue !== undefined) Queue.offerUnsafe(queue, { partition: this.partition, news })
  }

  /** `events` are those that come along with the hint of a task. */
  tellWatchers(
    ulids: Iterable<string>,
    last: boolean,
    events?: ReadonlyMap<string, ReadonlyArray<TaskEvent>>
  ): void {
    for (const ulid of ulids) {
      const news = events?.get(ulid)?.map((event): News => ({ ulid, record: undefined, event }))
      for (const inbox of this.watched.get(ulid) ?? [])
        this.tell(inbox, news ?? [{ ulid, record: undefined }])
      if (last) this.watched.delete(ulid)
    }
  }

  /** Says that there is something new in the log of lifecycle events. */
  tellListeners(): void {
    for (const queue of this.#channels.lives) Queue.offerUnsafe(queue, this.partition)
  }

  /** Says whether somebody hears it. */
  order(worker: WorkerId, order: Order): boolean {
    const queue = this.#channels.orders.get(worker)
    return queue !== undefined && Queue.offerUnsafe(queue, order)
  }

  /** Hands a new task to the worker that has stood by the longest, if nothing else waits (`runtime/lua/lib/hand.lua`). */
  hand({ entry, record }: NewTask, now: number): WorkerId | undefined {
    const isGoverned =
      this.control.get("paused") === "1" || this.control.has("concurrency") || this.control.has("rateCount")
    const someWait =
      Object.values(this.lanes).some((lane) => lane.length > 0) ||
      (this.ready.get("")?.length ?? 0) > 0 ||
      this.suspects.length > 0
    if (isGoverned || someWait || Buffer.byteLength(record) > handRecordMax) return undefined
    const { partition } = this
    const worker = byScore(this.standby)
      .filter(([, since]) => Math.abs(now - since) <= standbyMaxMs)
      .slice(0, handTries)
      .find(([worker]) => this.order(worker, { kind: "run", partition, claim: { entry, record } }))?.[0]
    if (worker === undefined) return undefined
    this.standby.delete(worker)
    this.heldBy(worker).add(entry)
    return worker
  }

  /** A parent has this child, which it may wait for. */
  adopt(parent: string, child: TaskId): void {
    this.children.set(parent, (this.children.get(parent) ?? new Set()).add(child))
  }

  recordOf(ulid: string): string | undefined {
    return this.tasks.get(segmentOf(ulid))?.get(ulid) ?? this.letters.get(ulid)
  }

  write(ulid: string, record: string): void {
    const segment = segmentOf(ulid)
    const records = this.tasks.get(segment) ?? new Map<string, string>()
    this.tasks.set(segment, records.set(ulid, record))
  }

  heldBy(worker: WorkerId): Set<Entry> {
    const held = this.held.get(worker) ?? new Set()
    this.held.set(worker, held)
    return held
  }

  /** The worker that holds exactly this entry. */
  holderOf(entry: Entry): WorkerId | undefined {
    return byScore(this.workers)
      .map(([worker]) => worker)
      .find((worker) => this.held.get(worker)?.has(entry))
  }

  ring(): void {
    this.bell.openUnsafe()
  }

  /** Whether `entry` starts the newest run of a living task. */
  isCurrent(entry: Entry): boolean {
    const record = this.recordOf(ulidOfEntry(entry))
    if (record === undefined) return false
    const { header } = decodeRecord(record)
    return header.letter === "Q" && entryOfHeader(ulidOfEntry(entry), header) === entry
  }

  /** The events of a task, unless their time is over. */
  streamOf(ulid: string, now: number) {
    const stream = this.events.get(ulid)
    if (stream !== undefined && stream.goesAt <= now) this.events.delete(ulid)
    return this.events.get(ulid)
  }

  keepStream(ulid: string, now: number, forMs: number): void {
    const stream = this.streamOf(ulid, now)
    if (stream !== undefined) stream.goesAt = now + forMs
  }

  /** Since when an entry waits: since it was submitted, or was due later. */
  private waitsSince(entry: Entry): number {
    const ulid = ulidOfEntry(entry)
    const record = this.recordOf(ulid)
    const { dueAt = 0 } = record?.startsWith("Q") === true ? readEnvelope(decodeRecord(record).json) : {}
    return Math.max(submittedAt(ulid), dueAt)
  }

  /** What refuses so many more tasks, `added` of them in boxes. */
  refusal(count: number, added: ReadonlyMap<string, number>, now: number): QueueFull | undefined {
    const bound = (name: QueueFull["bound"]) => {
      const limit = this.control.get(name)
      return limit === undefined ? undefined : Number(limit)
    }
    const full = (name: QueueFull["bound"], limit: number) =>
      new QueueFull({ partition: this.partition, bound: name, limit })
    const depth = bound("maxDepth")
    if (depth !== undefined && Number(this.control.get("living") ?? 0) + count > depth)
      return full("maxDepth", depth)
    const age = bound("maxAgeMs")
    const heads = Object.values(this.lanes).flatMap(([head]) => (head === undefined ? [] : [head]))
    if (age !== undefined && heads.some((head) => now - this.waitsSince(head) > age))
      return full("maxAgeMs", age)
    const keyDepth = bound("maxKeyDepth")
    if (keyDepth !== undefined) {
      for (const [name, more] of added)
        if ((this.box.get(name)?.length ?? 0) + more > keyDepth) return full("maxKeyDepth", keyDepth)
    }
    return undefined
  }

  /** The hash of an agent, which from here on it has. */
  agentCell(agent: AgentAddress): AgentCell {
    const cell: AgentCell = this.agents.get(agent) ?? {
      state: undefined,
      revision: "0",
      at: undefined,
      failures: 0,
      quarantined: undefined,
      timers: new Map()
    }
    this.agents.set(agent, cell)
    return cell
  }

  /** Writes a new task's record, its ties and its alarms. */
  keep(task: NewTask): void {
    const ulid = ulidOfEntry(task.entry)
    const segment = segmentOf(ulid)
    this.write(ulid, task.record)
    this.live.set(segment, (this.live.get(segment) ?? 0) + 1)
    this.kept.delete(segment)
    this.segments.add(segment)
    this.countLiving(1)
    const { box, callback, deadlineAt, expiresAt, parent } = task
    const ties = [
      ...(box === undefined ? [] : [`b${box.limit}${box.ordered ? "o" : ""} ${box.name}`]),
      ...(parent === undefined ? [] : [`p${parent}`]),
      ...(expiresAt === undefined && deadlineAt === undefined ? [] : ["a"]),
      ...(callback === undefined ? [] : ["c"])
    ]
    if (expiresAt !== undefined) this.later.set(`!${ulid}`, expiresAt)
    if (deadlineAt !== undefined) this.later.set(`#${ulid}`, deadlineAt)
    if (ties.length > 0) this.ties.set(ulid, ties)
    if (box !== undefined) {
      const { limit, ordered } = box
      this.boxes.set(box.name, { limit, ordered, ready: this.boxes.get(box.name)?.ready ?? false })
    }
  }

  /** Drops a segment none of whose tasks live. */
  drop(segment: string): void {
    this.tasks.delete(segment)
    this.parents.delete(segment)
    this.kept.delete(segment)
    this.segments.delete(segment)
  }

  /** Adds a line to what is to be tidied when a task ends. */
  tie(ulid: string, line: Tie): void {
    this.ties.set(ulid, [...(this.ties.get(ulid) ?? []), line])
  }

  /** How many tasks have not ended; nothing is kept of none. */
  countLiving(more: number): void {
    const living = Number(this.control.get("living") ?? 0) + more
    if (living > 0) this.control.set("living", String(living))
    else this.control.delete("living")
  }
}

/** The entry of the run that a record is about. */
export const entryOfHeader = (ulid: string, { boxed, lane, run }: Header): Entry =>
  entryOf(ulid, lane, run, boxed)
