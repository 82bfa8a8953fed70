/**
 * How tasks of one partition end, and how they come back, in memory: the readable specification of `finish.lua`,
 * `end-early.lua` and `give-back.lua` in `runtime/lua/lib`.
 */
import { Context, Effect, Layer } from "effect"
import { type WorkerId, type Act, crashesMax, crashesSuspect } from "../turn.ts"
import { agentBoxKey, agentOfBox } from "../mailbox.ts"
import {
  decodeRecord,
  encodeRecord,
  type Header,
  type Outcome,
  readEnvelope,
  readOutcome,
  startedIn,
  type TaskError
} from "../record.ts"
import {
  type Entry,
  idIn,
  isBoxed,
  nextRun,
  type Partition,
  partitionOfId,
  segmentOf,
  type TaskId,
  ulidOfEntry,
  ulidOfId
} from "../task.ts"

import { Boxes } from "./boxes.ts"
import { type Channels, entryOfHeader } from "./cells.ts"
import { noteLife } from "./lives.ts"
import { orphanMs } from "../store.ts"

const superseded: TaskError = {
  type: "Superseded",
  message: "its agent has set or cancelled this timer"
}

const lifeAtEnd = { S: "completed", F: "failed", C: "cancelled", E: "expired" } as const

/** One partition. */
/** What a task has failed with that was ended because its time was over (`runtime/lua/lib/finish.lua`). */
export const deadlineError: TaskError = {
  type: "Deadline",
  message: "it had not ended when its time was over"
}
const deadlineEnd = `"error":${JSON.stringify(deadlineError)}}`

const hasFailed = (record: string) => record.startsWith("F") && !record.endsWith(deadlineEnd)

export class Heap extends Boxes {
  /**
   * Tells a parent in this partition that a child has ended. The last one it waits for lets its next run start; the first one that
   * has failed, where it is hasty.
   */
  childEnded(parent: string, child: TaskId, failed: boolean): void {
    this.children.get(parent)?.delete(child)
    const wasAwaited = this.awaited.get(parent)?.delete(child) === true
    const entry = this.waiting.get(parent)
    const goesOn = failed && wasAwaited && this.hasty.has(parent)
    if (entry === undefined || ((this.awaited.get(parent)?.size ?? 0) > 0 && !goesOn)) return
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
    for (const [ulid, record] of ended) {
      const { header, json } = decodeRecord(record)
      // One that ended while nobody ran it names its next run, which never was.
      const attempt = readOutcome(json).worker === "" ? header.run - 1 : header.run
      const life = { ulid, attempt, record }
      noteLife(this, now, { ...life, kind: lifeAtEnd[header.letter as keyof typeof lifeAtEnd] })
      if (header.letter === "F") noteLife(this, now, { ...life, kind: "dead" })
    }
    this.tellWatchers(
      ended.map(([ulid]) => ulid),
      true
    )
    this.leaveBoxes(ended, now)
    for (const [ulid, record] of ended) {
      for (const line of this.ties.get(ulid) ?? []) this.untie(ulid, record, line, now)
    }
    for (const [ulid] of ended) this.ties.delete(ulid)
  }

  /** Gives up the room of tasks that have ended, each box in one go. A message that failed by itself quarantines its agent. */
  private leaveBoxes(ended: ReadonlyArray<readonly [ulid: string, record: string]>, now: number): void {
    const names = new Set<string>()
    for (const [ulid, record] of ended) {
      const name = this.boxOf(ulid)?.name
      if (name === undefined) continue
      names.add(name)
      const agent = agentOfBox(name)
      if (agent !== undefined && hasFailed(record)) {
        this.pausedKeys.add(agentBoxKey(agent))
        const cell = this.agentCell(agent)
        cell.failures += 1
        cell.quarantined = { at: now, ulid }
      } else if (agent !== undefined && !record.startsWith("S")) {
        // A timer is over whose message was ended by somebody else's hand.
        const timers = this.agents.get(agent)?.timers ?? new Map<string, string>()
        for (const [name, timer] of timers) if (timer === ulid) timers.delete(name)
      }
      this.taken.get(name)?.delete(entryOfHeader(ulid, decodeRecord(record).header))
    }
    for (const name of names) this.markReady(name)
  }

  /** What a task's end means for others beside its box: its parent, its children, its guards, its alarms, its callback. */
  private untie(ulid: string, record: string, line: string, now: number): void {
    const rest = line.slice(1)
    switch (line.charAt(0)) {
      case "p": {
        const child = idIn(this.partition, ulid)
        const parent = rest as TaskId
        // A dead letter has left its segment.
        if (!record.startsWith("F")) {
          const segment = segmentOf(ulid)
          this.parents.set(segment, (this.parents.get(segment) ?? new Set()).add(parent))
        }
        const failed = !record.startsWith("S")
        const { run } = decodeRecord(record).header
        if (partitionOfId(parent) === this.partition) this.childEnded(ulidOfId(parent), child, failed)
        else this.outbox.push({ kind: "ended", child, parent, run, ...(failed ? { failed } : {}) })
        return
      }
      case "s":
        if (record.startsWith("C"))
          for (const task of this.children.get(ulid) ?? []) this.outbox.push({ kind: "cancel", task })
        this.steps.delete(ulid)
        this.children.delete(ulid)
        this.awaited.delete(ulid)
        this.hasty.delete(ulid)
        this.waiting.delete(ulid)
        return
      case "a":
        this.later.delete(`!${ulid}`)
        this.later.delete(`#${ulid}`)
        return
      case "c":
        this.outbox.push({
          kind: "callback",
          task: idIn(this.partition, ulid),
          run: decodeRecord(record).header.run
        })
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

  /** Stores what a message did to its agent (`runtime/lua/lib/agents.lua`). */
  perform(entry: Entry, { agent, sent, state, timers }: Act, now: number, retentionMs: number): void {
    if (state !== undefined || timers.length > 0) {
      const cell = this.agentCell(agent)
      cell.state = state ?? cell.state
      cell.at = now
      const over: Array<string> = []
      for (const change of timers) {
        const earlier = cell.timers.get(change.name)
        if (change.kind === "fired") {
          if (earlier === ulidOfEntry(entry)) cell.timers.delete(change.name)
          continue
        }
        if (earlier !== undefined) over.push(earlier)
        if (change.kind === "set") cell.timers.set(change.name, change.ulid)
        else cell.timers.delete(change.name)
      }
      this.endEarly(over, "C", superseded, now, retentionMs)
    }
    this.outbox.push(...sent)
  }

  /** Counts tasks that ended without a worker saying so, and workers that were reaped. */
  countEnds(letter: "C" | "E" | "F" | "R", count: number, now: number): void {
    const minute = Math.floor(now / 60_000)
    const counts = this.stat.get(minute) ?? new Map<string, number>()
    this.stat.set(minute, counts)
    const counter = { C: "cancelled", E: "expired", F: "failed", R: "reaped" }[letter]
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
      const startedAt = worker === undefined ? undefined : startedIn(this.running.get(entry))
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
        ...(startedAt === undefined ? {} : { startedAt }),
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

  /** The child of a task that was cancelled is not there yet: it is ended when it comes. */
  expectOrphan(ulid: string, reason: string, now: number): void {
    for (const [other, { goesAt }] of this.orphans) if (goesAt <= now) this.orphans.delete(other)
    this.orphans.set(ulid, { reason, goesAt: now + orphanMs })
  }

  endOrphan(ulid: string, now: number, retentionMs: number): void {
    const orphan = this.orphans.get(ulid)
    if (orphan === undefined) return
    this.orphans.delete(ulid)
    if (orphan.goesAt > now)
      this.endEarly([ulid], "C", { type: "Cancelled", message: orphan.reason }, now, retentionMs)
  }

  /** Puts entries back at the head of their mailboxes under their next run; a worker's death is counted. */
  giveBack(entries: Iterable<Entry>, lostBy: WorkerId | undefined, now: number, retentionMs: number): void {
    const ended: Array<readonly [string, string]> = []
    const runs: Array<Entry> = []
    const again: Array<Entry> = []
    const suspects: Array<Entry> = []
    for (const entry of [...entries].sort()) {
      const startedAt = startedIn(this.running.get(entry))
      this.running.delete(entry)
      if (!this.isCurrent(entry)) continue
      const ulid = ulidOfEntry(entry)
      const { header: before, json } = decodeRecord(this.recordOf(ulid)!)
      const header = lostBy === undefined ? before : withLost(before, lostBy, now, startedAt)
      const { crashes } = header
      if (lostBy !== undefined && crashes >= crashesMax) {
        const outcome: Outcome = {
          task: readEnvelope(json),
          worker: lostBy,
          finishedAt: now,
          error: { type: "WorkerLost", message: `${crashes} workers died while they held this task` }
        }
        ended.push([ulid, encodeRecord({ ...header, letter: "F" }, JSON.stringify(outcome))])
      } else {
        if (lostBy !== undefined) {
          const record = this.recordOf(ulid)!
          noteLife(this, now, { kind: "retrying", ulid, attempt: header.run, record })
        }
        this.write(ulid, encodeRecord({ ...header, run: header.run + 1 }, json))
        runs.push(entry)
        if (crashes >= crashesSuspect && !isBoxed(entry)) suspects.push(nextRun(entry))
        else again.push(nextRun(entry))
      }
    }
    this.giveUpRoom(runs)
    this.put(again, true)
    this.suspects.push(...suspects)
    if (ended.length > 0) {
      this.finish(ended, now, retentionMs)
      this.countEnds("F", ended.length, now)
    }
  }
}

/** The header of a task whose newest run was lost with its worker. */
const withLost = (
  header: Header,
  worker: WorkerId,
  lostAt: number,
  startedAt: number | undefined
): Header => ({
  ...header,
  crashes: header.crashes + 1,
  lost: [
    ...(header.lost ?? []),
    {
      attempt: header.run,
      worker,
      ...(startedAt === undefined ? {} : { startedAt }),
      lostAt
    }
  ]
})

/** All partitions of a process. */
export class Heaps extends Context.Service<
  Heaps,
  {
    readonly of: (partition: Partition) => Heap
    /** The same for who only reads: one that is not there is not kept. */
    readonly look: (partition: Partition) => Heap
    /** Those that are there already. */
    readonly all: () => ReadonlyArray<Heap>
    readonly channels: Channels
  }
>()("troupe/Heaps") {}

export const layer = Layer.effect(
  Heaps,
  Effect.sync(() => {
    const heaps = new Map<Partition, Heap>()
    const channels: Channels = { inboxes: new Map(), orders: new Map(), lives: new Set() }
    return Heaps.of({
      channels,
      all: () => [...heaps.values()],
      look: (partition) => heaps.get(partition) ?? new Heap(partition, channels),
      of: (partition) => {
        const heap = heaps.get(partition) ?? new Heap(partition, channels)
        heaps.set(partition, heap)
        return heap
      }
    })
  })
)
