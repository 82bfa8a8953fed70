/**
 * The store in memory: the readable specification of the Lua, the store of unit tests, and what `troupe up` falls
 * back to where no Redis can be had. Nothing survives the process.
 *
 * Each method does in plain Maps, in the same order, what the script of the same name does in Redis. Its clock is
 * `Clock`, so that a test can hold it still. Queues and streams have no partitions of memory here: all is one heap.
 */
import { Clock, Duration, Effect, Layer, Queue } from "effect"
import { Settings } from "../config.ts"
import {
  bellWaitMaxMs,
  clockJumpMs,
  crashesMax,
  eventsMax,
  Fenced,
  type Found,
  hintRecordMax,
  type Hint,
  type News,
  Store,
  streamIdleMs,
  type TaskEvent,
  type TurnReply,
  type WorkerId
} from "../store.ts"
import {
  decodeRecord,
  encodeRecord,
  type Entry,
  entryOf,
  type Lane,
  laneOfEntry,
  lanes,
  nextRun,
  type Outcome,
  type Partition,
  partitionOfId,
  readEnvelope,
  runOfEntry,
  segmentOf,
  ulidOfEntry,
  ulidOfId
} from "../task.ts"
import { type Heap, Heaps } from "./heap.ts"
import { add, byScore } from "./scores.ts"

/** How many entries of a dead worker one turn hands back, and how many due ones it promotes. */
const reapMax = 50
const promoteMax = 500

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const retentionMs = Duration.toMillis(settings.retention)
  const deadRetentionMs = Duration.toMillis(settings.deadRetention)
  const { of: heapOf } = yield* Heaps
  const inboxes = new Map<string, Queue.Queue<Hint>>()
  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)

  const tell = (inbox: string, partition: Partition, news: ReadonlyArray<News>) => {
    const queue = inboxes.get(inbox)
    if (queue !== undefined) Queue.offerUnsafe(queue, { partition, news })
  }
  const tellWatchers = (partition: Partition, ulids: ReadonlyArray<string>, last: boolean) => {
    const { watched } = heapOf(partition)
    for (const ulid of ulids) {
      for (const inbox of watched.get(ulid) ?? []) tell(inbox, partition, [{ ulid, record: undefined }])
      if (last) watched.delete(ulid)
    }
  }

  const submit: Store["Service"]["submit"] = Effect.fnUntraced(function* (partition, tasks) {
    const heap = heapOf(partition)
    const now = yield* clock
    const first = tasks.find(({ due }) => due === undefined) ?? tasks[0]
    if (first === undefined || heap.recordOf(ulidOfEntry(first.entry)) !== undefined) return
    const next = () => byScore(heap.later)[0]?.[0]
    const before = next()
    for (const { due, entry, record } of tasks) {
      const ulid = ulidOfEntry(entry)
      const segment = segmentOf(entry)
      heap.write(ulid, record)
      heap.live.set(segment, (heap.live.get(segment) ?? 0) + 1)
      heap.kept.delete(segment)
      if (due === undefined) {
        heap.lanes[laneOfEntry(entry)].push(entry)
        heap.ring()
      } else heap.later.set(entry, "at" in due ? due.at : now + due.afterMs)
    }
    if (next() !== before) heap.ring()
  })

  const turn: Store["Service"]["turn"] = Effect.fnUntraced(function* (partition, turn) {
    const heap = heapOf(partition)
    const now = yield* clock
    const { worker } = turn
    // One that was evicted (deadline 0) is over, though nobody has reaped it yet.
    if (!turn.join && (heap.workers.get(worker) ?? 0) === 0) return yield* new Fenced({ worker })
    const held = heap.heldBy(worker)
    const mine = new Set(held)
    const lost: Array<Entry> = []
    const ended: Array<string> = []
    const released: Array<Entry> = []
    const told: Array<string> = []
    const outcomes = new Map<Entry, string>()
    const newsOf = (entry: Entry): News => ({ ulid: ulidOfEntry(entry), record: outcomes.get(entry) })

    for (const settlement of turn.settled) {
      const { entry } = settlement
      const ulid = ulidOfEntry(entry)
      if (!mine.has(entry)) {
        const there =
          turn.again && (settlement.kind === "release" || heap.recordOf(ulid) === settlement.record)
        if (!there) lost.push(entry)
        continue
      }
      held.delete(entry)
      if (settlement.kind === "end") {
        heap.finish(ulid, settlement.record, now, retentionMs)
        ended.push(ulid)
        if (settlement.record.length <= hintRecordMax) outcomes.set(entry, settlement.record)
      } else if (settlement.kind === "retry") {
        heap.write(ulid, settlement.record)
        heap.later.set(nextRun(entry), now + settlement.delayMs)
        told.push(ulid)
      } else released.push(entry)
    }
    tellWatchers(partition, ended, true)
    heap.giveBack(released, undefined, now, retentionMs)

    for (const [entry, note] of turn.notes) {
      if (mine.has(entry)) {
        heap.running.set(entry, note)
        told.push(ulidOfEntry(entry))
      } else lost.push(entry)
    }
    tellWatchers(partition, told, false)
    for (const entry of turn.noted) heap.running.delete(entry)
    for (const entry of turn.streamed) {
      if (!lost.includes(entry)) heap.keepStream(ulidOfEntry(entry), now, retentionMs)
    }

    heap.workers.set(worker, now + turn.leaseMs)
    const calm = turn.expectedNow === 0 || Math.abs(now - turn.expectedNow) <= clockJumpMs
    const expired = () => {
      const [first, deadline] = byScore(heap.workers)[0]!
      return first !== worker && (deadline === 0 || (calm && deadline <= now)) ? first : undefined
    }
    const dead = expired()
    if (dead !== undefined) {
      // The newest first: each further piece goes to the head of the lanes, before what is newer.
      const theirs = [...heap.heldBy(dead)].sort().reverse().slice(0, reapMax)
      for (const entry of theirs) heap.heldBy(dead).delete(entry)
      tellWatchers(partition, heap.giveBack(theirs, dead, now, retentionMs), true)
      if (theirs.length < reapMax) {
        heap.workers.delete(dead)
        heap.held.delete(dead)
      }
      if (expired() !== undefined) heap.ring()
    }

    for (const [entry, due] of byScore(heap.later).slice(0, promoteMax)) {
      if (due > now) break
      heap.later.delete(entry)
      heap.lanes[laneOfEntry(entry)].push(entry)
    }

    const before = new Set(held)
    const claimed: Array<Entry> = []
    for (const lane of lanes) {
      while (claimed.length < turn.want && heap.lanes[lane].length > 0) {
        const entry = heap.lanes[lane].shift()!
        if (heap.isCurrent(entry)) claimed.push(entry)
      }
    }
    for (const entry of claimed) held.add(entry)
    if (claimed.length === turn.want && lanes.some((lane) => heap.lanes[lane].length > 0)) heap.ring()
    for (const [inbox, entries] of turn.hints) tell(inbox, partition, entries.map(newsOf))

    const claimOf = (entry: Entry) => ({ entry, record: heap.recordOf(ulidOfEntry(entry))! })
    return {
      now,
      nextDue: byScore(heap.later)[0]?.[1],
      lost,
      claimed: claimed.map(claimOf),
      held: turn.again ? [...before] : []
    } satisfies TurnReply
  })

  const evict = (partition: Partition, worker: WorkerId, leaves: boolean) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      if (!heap.workers.has(worker)) return
      if (leaves && heap.heldBy(worker).size === 0) {
        heap.workers.delete(worker)
        heap.held.delete(worker)
      } else {
        heap.workers.set(worker, 0)
        heap.ring()
      }
    })

  const find = (heap: Heap, ulid: string): Found | undefined => {
    const record = heap.recordOf(ulid)
    if (record === undefined) return undefined
    const { header } = decodeRecord(record)
    if (header.letter !== "Q") return { record, place: { kind: "ended" } }
    const entry = entryOf(ulid, header.lane, header.run)
    const due = heap.later.get(entry)
    if (due !== undefined) return { record, place: { kind: "later", due } }
    const worker = heap.holderOf(entry)
    return worker === undefined
      ? { record, place: { kind: "lane" } }
      : { record, place: { kind: "held", worker, note: heap.running.get(entry) } }
  }

  const ended: Store["Service"]["ended"] = (partition, ulids, options) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      return ulids.map((ulid) => {
        const record = heap.recordOf(ulid)
        if (!record?.startsWith("Q")) return record
        const watch = options?.watch
        if (watch !== undefined) add(heap.watched, ulid, watch)
        return true as const
      })
    })

  const append: Store["Service"]["append"] = Effect.fnUntraced(function* (partition, worker, events) {
    const heap = heapOf(partition)
    const now = yield* clock
    const told = new Set<string>()
    const lost = new Set<Entry>()
    for (const { data, entry, kind, seq } of events) {
      if (!heap.held.get(worker)?.has(entry)) {
        lost.add(entry)
        continue
      }
      const ulid = ulidOfEntry(entry)
      const stream = heap.streamOf(ulid, now) ?? { list: [], goesAt: 0 }
      stream.goesAt = now + Math.max(retentionMs, streamIdleMs)
      heap.events.set(ulid, stream)
      const run = runOfEntry(entry)
      const last = stream.list.at(-1)
      if (last === undefined || run > last.run || (run === last.run && seq > last.seq)) {
        stream.list.push({ run, seq, kind, data })
        if (stream.list.length > eventsMax) stream.list.shift()
      }
      told.add(ulid)
    }
    tellWatchers(partition, [...told], false)
    return [...lost]
  })

  const events: Store["Service"]["events"] = Effect.fnUntraced(function* (id, after, limit) {
    const now = yield* clock
    return (heapOf(partitionOfId(id)).streamOf(ulidOfId(id), now)?.list ?? [])
      .filter(({ run, seq }) => run > after.run || (run === after.run && seq > after.seq))
      .slice(0, limit)
  })

  const inbox: Store["Service"]["inbox"] = Effect.gen(function* () {
    const name = crypto.randomUUID()
    const queue = yield* Queue.unbounded<Hint>()
    yield* Effect.acquireRelease(
      Effect.sync(() => inboxes.set(name, queue)),
      () => Effect.sync(() => inboxes.delete(name))
    )
    return { name, next: Queue.take(queue), tune: () => Effect.void }
  })

  const bell: Store["Service"]["bell"] = (partitions) => {
    const bells = partitions.map((partition) => heapOf(partition).bell)
    const wait = (maxMs: number) =>
      Effect.raceAll(bells.map((bell) => Effect.andThen(bell.await, bell.close))).pipe(
        Effect.timeoutOrElse({ duration: Math.min(maxMs, bellWaitMaxMs), orElse: () => Effect.void }),
        Effect.asVoid
      )
    return Effect.succeed({ wait })
  }

  const sweep: Store["Service"]["sweep"] = Effect.fnUntraced(function* (partition, limit) {
    const heap = heapOf(partition)
    const now = yield* clock
    const segments = byScore(heap.kept)
      .filter(([, at]) => at <= now)
      .slice(0, limit)
    for (const [segment] of segments) {
      heap.tasks.delete(segment)
      heap.kept.delete(segment)
    }
    const letters = byScore(heap.dead)
      .filter(([, at]) => at <= now - deadRetentionMs)
      .slice(0, limit)
    for (const [ulid] of letters) {
      heap.letters.delete(ulid)
      heap.dead.delete(ulid)
    }
    for (const ulid of heap.events.keys()) heap.streamOf(ulid, now)
    return segments.length + letters.length
  })

  return Store.of({
    submit,
    turn,
    evict: (partition, worker) => evict(partition, worker, false),
    leave: (partition, worker) => evict(partition, worker, true),
    read: (partition, ulids) => Effect.sync(() => ulids.map((ulid) => find(heapOf(partition), ulid))),
    ended,
    unwatch: (partition, ulids, inbox) =>
      Effect.sync(() => {
        const { watched } = heapOf(partition)
        for (const ulid of ulids) {
          const left = (watched.get(ulid) ?? []).filter((name) => name !== inbox)
          if (left.length > 0) watched.set(ulid, left)
          else watched.delete(ulid)
        }
      }),
    append,
    events,
    inbox,
    bell,
    depth: (partition) =>
      Effect.sync(() => {
        const heap = heapOf(partition)
        const { high, low, normal, urgent } = heap.lanes
        return {
          lanes: { urgent: urgent.length, high: high.length, normal: normal.length, low: low.length },
          later: heap.later.size,
          held: [...heap.held.values()].reduce((sum, held) => sum + held.size, 0),
          dead: heap.dead.size
        }
      }),
    sweep,
    ping: Effect.void
  })
})

export const layer = Layer.effect(Store, make)
