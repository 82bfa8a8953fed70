/**
 * What lies in one partition of the memory store: the Maps of the table in `runtime/keys.ts`, and what several of its
 * methods do to them. The readable specification of the pieces in `runtime/lua/lib`.
 */
import { Context, Effect, Latch, Layer } from "effect"
import { crashesMax, type TaskEvent, type WorkerId } from "../store.ts"
import {
  decodeRecord,
  encodeRecord,
  type Entry,
  type Lane,
  laneOfEntry,
  nextRun,
  type Outcome,
  type Partition,
  readEnvelope,
  runOfEntry,
  segmentOf,
  ulidOfEntry
} from "../task.ts"
import { byScore, type Scores } from "./scores.ts"

/** One partition: the Maps of the table in `runtime/keys.ts`. */
export class Heap {
  readonly lanes: Record<Lane, Array<Entry>> = { urgent: [], high: [], normal: [], low: [] }
  readonly tasks = new Map<string, Map<string, string>>()
  readonly live = new Map<string, number>()
  readonly kept: Scores = new Map()
  readonly held = new Map<WorkerId, Set<Entry>>()
  readonly running = new Map<Entry, string>()
  readonly workers: Scores = new Map()
  readonly later: Scores = new Map()
  readonly dead: Scores = new Map()
  readonly letters = new Map<string, string>()
  readonly events = new Map<string, { readonly list: Array<TaskEvent>; goesAt: number }>()
  readonly watched = new Map<string, Array<string>>()
  readonly bell = Latch.makeUnsafe(false)

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
    return header.letter === "Q" && header.lane === laneOfEntry(entry) && header.run === runOfEntry(entry)
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

  /** Ends a living task: its record takes the place of the envelope, or becomes a dead letter. */
  finish(ulid: string, record: string, now: number, retentionMs: number): void {
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
      else this.tasks.delete(segment)
    }
  }

  /** Puts entries back at the head of their lanes under their next run; a worker's death is counted. */
  giveBack(
    entries: Iterable<Entry>,
    lostBy: WorkerId | undefined,
    now: number,
    retentionMs: number
  ): Array<string> {
    const ended: Array<string> = []
    for (const entry of [...entries].sort().reverse()) {
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
        this.finish(
          ulid,
          encodeRecord({ ...header, letter: "F", crashes }, JSON.stringify(outcome)),
          now,
          retentionMs
        )
        ended.push(ulid)
      } else {
        this.write(ulid, encodeRecord({ ...header, run: header.run + 1, crashes }, json))
        this.lanes[header.lane].unshift(nextRun(entry))
      }
    }
    return ended
  }
}

/** All partitions of a process. */
export class Heaps extends Context.Service<Heaps, { readonly of: (partition: Partition) => Heap }>()(
  "troupe/Heaps"
) {}

export const layer = Layer.effect(
  Heaps,
  Effect.sync(() => {
    const heaps = new Map<Partition, Heap>()
    return Heaps.of({
      of: (partition) => {
        const heap = heaps.get(partition) ?? new Heap()
        heaps.set(partition, heap)
        return heap
      }
    })
  })
)
