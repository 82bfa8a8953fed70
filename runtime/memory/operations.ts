/**
 * What operators do, in memory: the readable specification of the scripts that `runtime/redis/operations.ts` runs. Each
 * method does in plain Maps, in the same order, what they do in Redis.
 */
import { Clock, Duration, Effect, Layer } from "effect"
import { Settings } from "../config.ts"
import {
  minuteKeptMs,
  minutesMax,
  Operations,
  type QueueLimits,
  type Revival,
  type WorkerAbout
} from "../operations.ts"
import { listedMs, namesKeptMs, noteNowAndThen, queuesPartition } from "../queue-names.ts"
import { Store, StoreError } from "../store.ts"
import {
  type Entry,
  idIn,
  type Partition,
  partitionOfId,
  runOfEntry,
  segmentOf,
  submittedAt,
  ulidOfEntry,
  ulidOfId
} from "../task.ts"
import { walk } from "../walk.ts"
import { type Heap, Heaps } from "./heap.ts"
import { noteLife } from "./lives.ts"
import { byScore } from "./scores.ts"
import { readerOf } from "./shelves.ts"

/** The key of a box, which may have a `|` in it. */
const keyOf = (box: string) => box.slice(box.indexOf("|") + 1)

const isAlarm = (member: string) => /^[!#]/.test(member)

/** The oldest waiting task at the heads of the mailboxes. */
const oldestOf = (heap: Heap): number | undefined => {
  const entries = [
    ...Object.values(heap.lanes).flatMap((lane) => lane.slice(0, 5)),
    ...heap.suspects.slice(0, 5),
    ...[...heap.box.values()].flatMap((box) => box.slice(0, 1))
  ]
  const oldest = entries.sort().find((entry) => heap.isCurrent(entry))
  return oldest === undefined ? undefined : submittedAt(ulidOfEntry(oldest))
}

/** Takes up to `most` entries out of the mailboxes that wait for their turn or their time. */
const takeWaiting = (heap: Heap, most: number): ReadonlyArray<Entry> => {
  const taken: Array<Entry> = []
  const boxes = [...heap.boxes.keys()].sort().map((name) => heap.box.get(name) ?? [])
  for (const mailbox of [...Object.values(heap.lanes), heap.suspects, ...boxes]) {
    taken.push(...mailbox.splice(0, most - taken.length))
  }
  for (const [member] of byScore(heap.later)) {
    if (taken.length === most) break
    if (isAlarm(member)) continue
    heap.later.delete(member)
    taken.push(member)
  }
  return taken
}

const reviveIn = (
  heap: Heap,
  now: number,
  { box, callback, entry, expected, parent, record, ulid }: Revival
): boolean => {
  if (heap.letters.get(ulid) !== expected) return heap.tasks.get(segmentOf(ulid))?.get(ulid) === record
  heap.letters.delete(ulid)
  heap.dead.delete(ulid)
  // What the newest submit said of a box counts.
  const there = box === undefined ? undefined : heap.boxes.get(box.name)
  const adopts =
    parent !== undefined &&
    partitionOfId(parent) === heap.partition &&
    heap.recordOf(ulidOfId(parent))?.startsWith("Q") === true
  if (adopts) heap.adopt(ulidOfId(parent), idIn(heap.partition, ulid))
  heap.keep({
    entry,
    record,
    ...(adopts ? { parent } : {}),
    ...(callback === undefined ? {} : { callback }),
    ...(box === undefined
      ? {}
      : { box: there === undefined ? box : { name: box.name, limit: there.limit, ordered: there.ordered } })
  })
  heap.put([entry], false)
  heap.ring()
  noteLife(heap, now, { kind: "retrying", ulid, attempt: runOfEntry(entry) - 1, record })
  return true
}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const store = yield* Store
  const { look: lookAt, of: heapOf } = yield* Heaps
  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)
  const retentionMs = Duration.toMillis(settings.retention)

  const queue: Operations["Service"]["queue"] = Effect.fnUntraced(function* (partition) {
    const heap = heapOf(partition)
    const limits = heap.control.get("limits")
    return {
      depth: yield* store.depth(partition),
      paused: heap.control.get("paused") === "1",
      pausedKeys: [...heap.pausedKeys].sort(),
      oldest: oldestOf(heap),
      limits: limits === undefined ? {} : (JSON.parse(limits) as QueueLimits)
    }
  })

  const pause: Operations["Service"]["pause"] = (partition, paused, key) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      if (key === undefined) {
        if (paused) heap.control.set("paused", "1")
        else heap.control.delete("paused")
      } else if (paused) heap.pausedKeys.add(key)
      else {
        heap.pausedKeys.delete(key)
        for (const name of heap.boxes.keys()) if (keyOf(name) === key) heap.markReady(name)
      }
      if (!paused) heap.ring()
    })

  const limit: Operations["Service"]["limit"] = (partition, limits) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      const { control } = heap
      const { rate, ...bounds } = limits
      const values = { ...bounds, rateCount: rate?.count, rateMs: rate?.perMs }
      for (const name of [
        "limits",
        "maxDepth",
        "maxAgeMs",
        "maxKeyDepth",
        "concurrency",
        "rateCount",
        "rateMs",
        "keepBytes",
        "keepMs"
      ]) {
        control.delete(name)
      }
      for (const [name, value] of Object.entries(values)) {
        if (value === undefined) continue
        control.set(name, String(value))
        control.set("limits", JSON.stringify(limits))
      }
      if (rate === undefined) heap.claimedLately = undefined
      heap.ring()
    })

  const purge: Operations["Service"]["purge"] = Effect.fnUntraced(function* (partition, most, reason) {
    const heap = heapOf(partition)
    const now = yield* clock
    let cancelled = 0
    for (;;) {
      const entries = takeWaiting(heap, most - cancelled)
      if (entries.length === 0) return cancelled
      const current = entries.filter((entry) => heap.isCurrent(entry)).map(ulidOfEntry)
      heap.endEarly(current, "C", { type: "Cancelled", message: reason }, now, retentionMs)
      cancelled += current.length
    }
  })

  const note = noteNowAndThen((partition) =>
    Effect.map(clock, (now) => heapOf(queuesPartition).queues.set(partition, now))
  )

  const isEmpty = (partition: Partition) => {
    const { dead, kept, live } = heapOf(partition)
    return live.size + kept.size + dead.size === 0
  }

  const partitions = Effect.gen(function* () {
    const now = yield* clock
    const { queues } = heapOf(queuesPartition)
    const newest = Math.max(0, ...queues.values())
    if (newest <= now - namesKeptMs(settings)) queues.clear()
    for (const [partition, noted] of queues) {
      if (noted < now - listedMs(settings) && isEmpty(partition)) queues.delete(partition)
    }
    return [...queues.keys()].sort()
  })

  const trim: Operations["Service"]["trim"] = (partition, { deadBytes, deadMax }) =>
    Effect.map(clock, (now) => {
      const heap = heapOf(partition)
      let bytes = 0
      for (const record of heap.letters.values()) bytes += record.length
      const letters = byScore(heap.dead).filter(([ulid], at) => {
        const isOver = heap.dead.size - at > deadMax || bytes > deadBytes
        if (isOver) bytes -= heap.letters.get(ulid)?.length ?? 0
        return isOver
      })
      for (const [ulid] of letters) {
        heap.dead.delete(ulid)
        heap.letters.delete(ulid)
      }
      const mayGo = ([segment]: readonly [string, number]) => !heap.parents.has(segment)
      const keepMs = Number(heap.control.get("keepMs") ?? Infinity)
      const old = byScore(heap.kept)
        .filter(([, at]) => at <= now + retentionMs - keepMs)
        .filter(mayGo)
      for (const [segment] of old) heap.drop(segment)
      const keep = Number(heap.control.get("keepBytes") ?? Infinity)
      const sizeOf = (segment: string) =>
        [...(heap.tasks.get(segment) ?? [])].reduce((sum, [id, record]) => sum + id.length + record.length, 0)
      const kept = byScore(heap.kept).map(([segment]) => [segment, sizeOf(segment)] as const)
      let total = kept.reduce((sum, [, size]) => sum + size, 0)
      let dropped = 0
      for (const [segment, size] of kept.filter(mayGo)) {
        if (total <= keep) break
        total -= size
        dropped += 1
        heap.drop(segment)
      }
      return letters.length + old.length + dropped
    })

  const workers: Operations["Service"]["workers"] = (partition) =>
    Effect.map(Clock.currentTimeMillis, (seenAt) => {
      const heap = lookAt(partition)
      return [...heap.workers]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([worker, leaseUntil]) => {
          const about = heap.about.get(worker)
          return {
            worker,
            leaseUntil,
            seenAt,
            about: about === undefined ? undefined : (JSON.parse(about) as WorkerAbout),
            held: [...(heap.held.get(worker) ?? [])].sort()
          }
        })
    })

  const count: Operations["Service"]["count"] = Effect.fnUntraced(function* (partition, counts) {
    const { stat } = heapOf(partition)
    const minute = Math.floor((yield* clock) / 60_000)
    const wrong = Object.entries(counts).find(([, count]) => !Number.isInteger(count))
    if (wrong !== undefined) {
      const cause = new Error(`${wrong[0]}: ${wrong[1]} is no whole number`)
      return yield* new StoreError({ operation: "Operations.count", cause })
    }
    for (const old of stat.keys()) if (old <= minute - minuteKeptMs / 60_000) stat.delete(old)
    const sums = stat.get(minute) ?? new Map<string, number>()
    if (Object.keys(counts).length > 0) stat.set(minute, sums)
    for (const [counter, count] of Object.entries(counts)) sums.set(counter, (sums.get(counter) ?? 0) + count)
  })

  const minutes: Operations["Service"]["minutes"] = Effect.fnUntraced(function* (partition, last) {
    const { stat } = heapOf(partition)
    const minute = Math.floor((yield* clock) / 60_000)
    const wanted = Math.max(1, Math.min(last, minutesMax))
    return Array.from({ length: wanted }, (_, at) => {
      const one = minute - wanted + 1 + at
      return { at: one * 60_000, counts: Object.fromEntries(stat.get(one) ?? []) }
    })
  })

  return Operations.of({
    queue,
    pause,
    limit,
    purge,
    note,
    partitions,
    scan: (partition, shelf, cursor, most) =>
      walk(readerOf(heapOf(partition)), partition, shelf, cursor, most),
    revive: (partition, revivals) =>
      Effect.map(clock, (now) => {
        const went = revivals.filter((revival) => reviveIn(heapOf(partition), now, revival))
        return [...new Set(went.map(({ ulid }) => ulid))]
      }),
    bury: (partition, ulids) =>
      Effect.sync(() => {
        const { dead, events, letters } = heapOf(partition)
        const buried = ulids.filter((ulid) => dead.delete(ulid))
        for (const ulid of buried) {
          letters.delete(ulid)
          events.delete(ulid)
        }
        return buried.length
      }),
    trim,
    workers,
    drain: (partition, worker) => Effect.sync(() => heapOf(partition).order(worker, { kind: "drain" })),
    count,
    minutes,
    memory: Effect.sync(() => ({ used: process.memoryUsage().heapUsed, max: 0, policy: "noeviction" })),
    lengths: (partition) =>
      Effect.sync(() => {
        const { boxes, outbox, segments, suspects } = lookAt(partition)
        return {
          suspects: suspects.length,
          outbox: outbox.length,
          segments: segments.size,
          boxes: boxes.size
        }
      }),
    // There are none.
    keys: Effect.succeed(0)
  })
})

export const layer = Layer.effect(Operations, make)
