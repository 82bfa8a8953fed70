/**
 * What lies in one partition of the memory store: the Maps of the table in `runtime/keys.ts`, and what several of its
 * methods do to them. The readable specification of the pieces in `runtime/lua/lib`.
 */
import { Context, Effect, Latch, Layer, Queue } from "effect"
import {
  type Box,
  crashesMax,
  crashesSuspect,
  type Hint,
  type Message,
  type News,
  type NewTask,
  type Order,
  quantum,
  QueueFull,
  ringOf,
  type TaskEvent,
  type WorkerId
} from "../store.ts"
import {
  decodeRecord,
  encodeRecord,
  type Entry,
  entryOf,
  type Header,
  idIn,
  isBoxed,
  type Lane,
  laneOfEntry,
  nextRun,
  type Outcome,
  type Partition,
  partitionOfId,
  readEnvelope,
  segmentOf,
  submittedAt,
  type TaskError,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../task.ts"
import type { Window } from "../window.ts"
import { byScore, type Scores } from "./scores.ts"

/** How many boxes a claim looks into at most. */
const ringRounds = 64

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
}

/** What is tidied when a task ends, a line each; its first letter says what it is (`runtime/lua/lib/finish.lua`). */
export type Tie = string

/** One partition: the Maps of the table in `runtime/keys.ts`. */
export class Heap {
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
  readonly bell = Latch.makeUnsafe(false)
  readonly boxes = new Map<string, BoxState>()
  readonly box = new Map<string, Array<Entry>>()
  readonly taken = new Map<string, Set<Entry>>()
  readonly ready = new Map<string, Array<string>>()
  readonly rings: Scores = new Map()
  readonly pausedKeys = new Set<string>()
  readonly suspects: Array<Entry> = []
  readonly ties = new Map<string, Array<Tie>>()
  readonly steps = new Map<string, Map<number, { readonly name: string; readonly value: string }>>()
  readonly children = new Map<string, Set<TaskId>>()
  readonly awaited = new Map<string, Set<TaskId>>()
  readonly waiting = new Map<string, Entry>()
  readonly outbox: Array<Message> = []
  readonly guards = new Map<string, { readonly ulid: string; readonly hash: string; goesAt?: number }>()
  readonly control = new Map<string, string>()
  /** What was claimed of a queue with a rate. */
  claimedLately: Window | undefined
  readonly stat = new Map<number, Map<string, number>>()
  readonly queues: Scores = new Map()

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

  tellWatchers(ulids: ReadonlyArray<string>, last: boolean): void {
    for (const ulid of ulids) {
      for (const inbox of this.watched.get(ulid) ?? []) this.tell(inbox, [{ ulid, record: undefined }])
      if (last) this.watched.delete(ulid)
    }
  }

  order(worker: WorkerId, order: Order): void {
    const queue = this.#channels.orders.get(worker)
    if (queue !== undefined) Queue.offerUnsafe(queue, order)
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

  // -------------------------------------------------------------------------------------------------------
  // Storing (`lib/keep.lua`)
  // -------------------------------------------------------------------------------------------------------

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
    if (age !== undefined && heads.some((head) => now - submittedAt(head) > age)) return full("maxAgeMs", age)
    const keyDepth = bound("maxKeyDepth")
    if (keyDepth !== undefined) {
      for (const [name, more] of added)
        if ((this.box.get(name)?.length ?? 0) + more > keyDepth) return full("maxKeyDepth", keyDepth)
    }
    return undefined
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
    const { box, deadlineAt, expiresAt, parent } = task
    const ties = [
      ...(box === undefined ? [] : [`b${box.limit}${box.ordered ? "o" : ""} ${box.name}`]),
      ...(parent === undefined ? [] : [`p${parent}`]),
      ...(expiresAt === undefined && deadlineAt === undefined ? [] : ["a"])
    ]
    if (expiresAt !== undefined) this.later.set(`!${ulid}`, expiresAt)
    if (deadlineAt !== undefined) this.later.set(`#${ulid}`, deadlineAt)
    if (ties.length > 0) this.ties.set(ulid, ties)
    if (box !== undefined) {
      const { limit, ordered } = box
      this.boxes.set(box.name, { limit, ordered, ready: this.boxes.get(box.name)?.ready ?? false })
    }
  }

  /** Adds a line to what is to be tidied when a task ends. */
  tie(ulid: string, line: Tie): void {
    this.ties.set(ulid, [...(this.ties.get(ulid) ?? []), line])
  }

  /** Tasks that have not ended are counted only where their number is bounded. */
  countLiving(more: number): void {
    const living = this.control.get("living")
    if (living !== undefined) this.control.set("living", String(Number(living) + more))
  }

  // -------------------------------------------------------------------------------------------------------
  // Boxes (`lib/boxes.lua`)
  // -------------------------------------------------------------------------------------------------------

  /** The box a task waits in, as it was said when the task was submitted. */
  boxOf(ulid: string): Box | undefined {
    const line = this.ties.get(ulid)?.find((line) => line.startsWith("b"))
    const [, limit, ordered, name] = /^b(\d+)(o?) (.*)$/.exec(line ?? "") ?? []
    return name === undefined ? undefined : { name, limit: Number(limit), ordered: ordered === "o" }
  }

  /** Puts a box into its ring if it has work and room; forgets one that has neither work nor run. */
  markReady(name: string): void {
    const box = this.boxes.get(name)
    if (box === undefined || box.ready) return
    const waits = this.box.get(name)?.length ?? 0
    const runs = this.taken.get(name)?.size ?? 0
    if (waits === 0) {
      if (runs === 0) this.boxes.delete(name)
    } else if ((box.limit === 0 || runs < box.limit) && !this.pausedKeys.has(keyOf(name))) {
      const ring = ringOf(name)
      box.ready = true
      const boxes = this.ready.get(ring) ?? []
      boxes.push(name)
      this.ready.set(ring, boxes)
      if (ring !== "" && !this.rings.has(ring)) this.rings.set(ring, 0)
    }
  }

  /** Puts entries into the mailboxes they wait in. One that kept its place in an ordered box goes to its head. */
  put(entries: ReadonlyArray<Entry>, atHead: boolean): void {
    const touched = new Set<string>()
    for (const entry of atHead ? entries.toReversed() : entries) {
      if (!isBoxed(entry)) {
        const lane = this.lanes[laneOfEntry(entry)]
        if (atHead) lane.unshift(entry)
        else lane.push(entry)
        continue
      }
      const box = this.boxOf(ulidOfEntry(entry))
      if (box === undefined) continue
      const { limit, name, ordered } = box
      // While none of its tasks waited or ran it was forgotten.
      if (!this.boxes.has(name)) this.boxes.set(name, { limit, ordered, ready: false })
      const kept = this.taken.get(name)?.delete(entry) ?? false
      const list = this.box.get(name) ?? []
      this.box.set(name, list)
      if (atHead || kept) list.unshift(entry)
      else list.push(entry)
      touched.add(name)
    }
    for (const name of touched) this.markReady(name)
  }

  /** Gives up the room of entries that run no more. An ordered box keeps it for the next run, and any box a suspect's. */
  giveUpRoom(entries: ReadonlyArray<Entry>, suspects: ReadonlyArray<Entry> = []): void {
    for (const entry of entries) {
      if (!isBoxed(entry)) continue
      const name = this.boxOf(ulidOfEntry(entry))?.name
      if (name === undefined || !this.taken.get(name)?.delete(entry)) continue
      const next = nextRun(entry)
      if (this.boxes.get(name)?.ordered || suspects.includes(next)) this.taken.get(name)!.add(next)
      else this.markReady(name)
    }
  }

  /** Claims from the boxes of a ring, each box a quantum at a time. */
  claimRing(ring: string, want: number, held: Set<Entry>): Array<Entry> {
    const ready = this.ready.get(ring) ?? []
    const claimed: Array<Entry> = []
    for (let round = 0; round < ringRounds && claimed.length < want; round++) {
      const name = ready.shift()
      if (name === undefined) {
        this.rings.delete(ring)
        break
      }
      const box = this.boxes.get(name) ?? { limit: 0, ordered: false, ready: true }
      this.boxes.set(name, box)
      box.ready = false
      const taken = this.taken.get(name) ?? new Set()
      this.taken.set(name, taken)
      const room = box.limit === 0 ? quantum : box.limit - taken.size
      const count = this.pausedKeys.has(keyOf(name)) ? 0 : Math.min(quantum, room, want - claimed.length)
      for (const entry of count > 0 ? (this.box.get(name) ?? []).splice(0, count) : []) {
        if (!this.isCurrent(entry)) continue
        claimed.push(entry)
        held.add(entry)
        if (box.limit > 0) taken.add(entry)
      }
      this.markReady(name)
    }
    return claimed
  }

  // -------------------------------------------------------------------------------------------------------
  // Ending (`lib/finish.lua`, `lib/end-early.lua`, `lib/give-back.lua`)
  // -------------------------------------------------------------------------------------------------------

  /** Tells a parent in this partition that a child has ended. The last one it waits for lets its next run start. */
  childEnded(parent: string, child: TaskId): void {
    this.children.get(parent)?.delete(child)
    this.awaited.get(parent)?.delete(child)
    const entry = this.waiting.get(parent)
    if (entry === undefined || (this.awaited.get(parent)?.size ?? 0) > 0) return
    this.waiting.delete(parent)
    this.put([entry], true)
    this.ring()
  }

  /** Ends living tasks: each record takes the place of the envelope, or becomes a dead letter. */
  finish(
    ended: ReadonlyArray<readonly [ulid: string, record: string]>,
    now: number,
    retentionMs: number
  ): void {
    for (const [ulid, record] of ended) {
      const segment = segmentOf(ulid)
      // The worker tells of the streams of its own runs; an earlier run may have left one, too.
      if (decodeRecord(record).header.run > 1) this.keepStream(ulid, now, retentionMs)
      if (record.startsWith("F")) {
        this.tasks.get(segment)?.delete(ulid)
        this.letters.set(ulid, record)
        this.dead.set(ulid, now)
      } else this.write(ulid, record)
      const left = (this.live.get(segment) ?? 0) - 1
      if (left > 0) this.live.set(segment, left)
      else {
        this.live.delete(segment)
        if ((this.tasks.get(segment)?.size ?? 0) > 0) this.kept.set(segment, now + retentionMs)
        else {
          this.tasks.delete(segment)
          this.segments.delete(segment)
        }
      }
      this.countLiving(-1)
    }
    this.tellWatchers(
      ended.map(([ulid]) => ulid),
      true
    )
    for (const [ulid, record] of ended) {
      for (const line of this.ties.get(ulid) ?? []) this.untie(ulid, record, line, now)
    }
    for (const [ulid] of ended) this.ties.delete(ulid)
  }

  /** What a task's end means for others: its box, its parent, its children, its guards, its alarms. */
  private untie(ulid: string, record: string, line: Tie, now: number): void {
    const rest = line.slice(1)
    switch (line[0]) {
      case "b":
        this.taken.get(nameOfTie(rest))?.delete(entryOfHeader(ulid, decodeRecord(record).header))
        return this.markReady(nameOfTie(rest))
      case "p": {
        const child = idIn(this.partition, ulid)
        const parent = rest as TaskId
        if (partitionOfId(parent) === this.partition) this.childEnded(ulidOfId(parent), child)
        else this.outbox.push({ kind: "ended", child, parent })
        return
      }
      case "s":
        if (record.startsWith("C"))
          for (const task of this.children.get(ulid) ?? []) this.outbox.push({ kind: "cancel", task })
        this.steps.delete(ulid)
        this.children.delete(ulid)
        this.awaited.delete(ulid)
        this.waiting.delete(ulid)
        return
      case "a":
        this.later.delete(`!${ulid}`)
        this.later.delete(`#${ulid}`)
        return
      case "g": {
        const [, keepMs, member] = /^(\d+):(.*)$/.exec(rest)!
        const guard = this.guards.get(member!)
        if (guard?.ulid !== ulid) return
        if (keepMs === "0" || (member!.startsWith("cache") && !record.startsWith("S")))
          this.guards.delete(member!)
        else guard.goesAt = now + Number(keepMs)
      }
    }
  }

  /** Counts tasks that ended without a worker saying so. */
  private countEnds(letter: "C" | "E" | "F", count: number, now: number): void {
    const minute = Math.floor(now / 60_000)
    const counts = this.stat.get(minute) ?? new Map<string, number>()
    this.stat.set(minute, counts)
    const counter = { C: "cancelled", E: "expired", F: "failed" }[letter]
    counts.set(counter, (counts.get(counter) ?? 0) + count)
  }

  /** Ends living tasks before their time, wherever they are; whoever runs one is told to stop. */
  endEarly(
    ulids: ReadonlyArray<string>,
    letter: "C" | "E" | "F",
    error: TaskError,
    now: number,
    retentionMs: number
  ): ReadonlyArray<string> {
    const ended: Array<readonly [string, string]> = []
    for (const ulid of ulids) {
      const record = this.recordOf(ulid)
      if (!record?.startsWith("Q")) continue
      const { header, json } = decodeRecord(record)
      const entry = entryOfHeader(ulid, header)
      const worker = this.holderOf(entry)
      if (worker === undefined) this.later.delete(entry)
      else {
        this.heldBy(worker).delete(entry)
        this.running.delete(entry)
        this.order(worker, { kind: "stop", partition: this.partition, entry })
        // Its first run may have left a stream that nobody will tell of.
        this.keepStream(ulid, now, retentionMs)
      }
      const outcome: Outcome = {
        task: readEnvelope(json),
        worker: worker ?? "",
        finishedAt: now,
        error
      }
      ended.push([ulid, encodeRecord({ ...header, letter }, JSON.stringify(outcome))])
    }
    if (ended.length > 0) {
      this.finish(ended, now, retentionMs)
      this.countEnds(letter, ended.length, now)
    }
    return ended.map(([ulid]) => ulid)
  }

  /** Puts entries back at the head of their mailboxes under their next run; a worker's death is counted. */
  giveBack(entries: Iterable<Entry>, lostBy: WorkerId | undefined, now: number, retentionMs: number): void {
    const ended: Array<readonly [string, string]> = []
    const runs: Array<Entry> = []
    const again: Array<Entry> = []
    const suspects: Array<Entry> = []
    for (const entry of [...entries].sort()) {
      this.running.delete(entry)
      if (!this.isCurrent(entry)) continue
      const ulid = ulidOfEntry(entry)
      const { header, json } = decodeRecord(this.recordOf(ulid)!)
      const crashes = header.crashes + (lostBy === undefined ? 0 : 1)
      if (lostBy !== undefined && crashes >= crashesMax) {
        const outcome: Outcome = {
          task: readEnvelope(json),
          worker: lostBy,
          finishedAt: now,
          error: { type: "WorkerLost", message: `${crashes} workers died while they held this task` }
        }
        ended.push([ulid, encodeRecord({ ...header, letter: "F", crashes }, JSON.stringify(outcome))])
      } else {
        this.write(ulid, encodeRecord({ ...header, run: header.run + 1, crashes }, json))
        runs.push(entry)
        if (crashes >= crashesSuspect) suspects.push(nextRun(entry))
        else again.push(nextRun(entry))
      }
    }
    // A suspect leaves its box, but not its room: nobody looks for any when it is claimed.
    this.giveUpRoom(runs, suspects)
    this.put(again, true)
    this.suspects.push(...suspects)
    if (ended.length > 0) {
      this.finish(ended, now, retentionMs)
      this.countEnds("F", ended.length, now)
    }
  }
}

const nameOfTie = (tie: string) => tie.slice(tie.indexOf(" ") + 1)

const keyOf = (box: string) => box.slice(box.indexOf("|") + 1)

/** The entry of the run that a record is about. */
export const entryOfHeader = (ulid: string, { boxed, lane, run }: Header): Entry =>
  entryOf(ulid, lane, run, boxed)

/** All partitions of a process. */
export class Heaps extends Context.Service<
  Heaps,
  {
    readonly of: (partition: Partition) => Heap
    /** Those that are there already. */
    readonly all: () => ReadonlyArray<Heap>
    readonly channels: Channels
  }
>()("troupe/Heaps") {}

export const layer = Layer.effect(
  Heaps,
  Effect.sync(() => {
    const heaps = new Map<Partition, Heap>()
    const channels: Channels = { inboxes: new Map(), orders: new Map() }
    return Heaps.of({
      channels,
      all: () => [...heaps.values()],
      of: (partition) => {
        const heap = heaps.get(partition) ?? new Heap(partition, channels)
        heaps.set(partition, heap)
        return heap
      }
    })
  })
)
