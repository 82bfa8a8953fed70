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
  AgentQuarantined,
  askedAgainMs,
  bellWaitMaxMs,
  eventsMax,
  type Found,
  type Hint,
  hintEventMax,
  type Order,
  type Remembered,
  Store,
  streamIdleMs,
  type TaskEvent
} from "../store.ts"
import type { WorkerId } from "../turn.ts"
import { agentBoxKey, agentOfBox, isPlain, type Message, type NewTask } from "../mailbox.ts"
import { decodeRecord } from "../record.ts"
import { type Entry, type Partition, partitionOfId, runOfEntry, ulidOfEntry, ulidOfId } from "../task.ts"
import { upkeepPause } from "../upkeep.ts"
import { entryOfHeader } from "./cells.ts"
import { type Heap, Heaps } from "./heap.ts"
import { noteLife, noteStart } from "./lives.ts"
import { rescheduleIn } from "./rescheduling.ts"
import { add, byScore } from "./scores.ts"
import { takeTurn } from "./turn.ts"

/** How many parents of a segment are told at once. */
const parentsMax = 100

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const retentionMs = Duration.toMillis(settings.retention)
  const deadRetentionMs = Duration.toMillis(settings.deadRetention)
  const { channels, look: lookAt, of: heapOf } = yield* Heaps
  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)

  const submit: Store["Service"]["submit"] = Effect.fnUntraced(function* (partition, given, options) {
    const heap = heapOf(partition)
    const now = yield* clock
    const isNew = ({ entry }: NewTask) => heap.recordOf(ulidOfEntry(entry)) === undefined
    const first = given.find(isPlain) ?? given[0]
    if (first === undefined) return
    // What is owed may be carried by several at once, and a child is submitted again, each with others beside it than before.
    const isEach = options?.owed === true || first.parent !== undefined
    const tasks = isEach ? given.filter(isNew) : isNew(first) ? given : []
    if (tasks.length === 0) return
    const added = new Map<string, number>()
    for (const { box } of tasks) if (box !== undefined) added.set(box.name, (added.get(box.name) ?? 0) + 1)
    const full = options?.owed === true ? undefined : heap.refusal(tasks.length, added, now)
    if (full !== undefined) return yield* full
    for (const { box } of options?.owed === true ? [] : tasks) {
      const agent = box === undefined ? undefined : agentOfBox(box.name)
      if (agent !== undefined && heap.pausedKeys.has(agentBoxKey(agent)))
        return yield* new AgentQuarantined({ agent })
    }
    const next = () => byScore(heap.later)[0]?.[0]
    const before = next()
    const [only] = tasks
    const isAlone = tasks.length === 1 && isPlain(only!) && options?.owed !== true
    const worker = isAlone ? heap.hand(only!, now) : undefined
    const ordered = [...tasks.filter(isPlain), ...tasks.filter((task) => !isPlain(task))]
    for (const task of ordered) heap.keep(task)
    for (const { due, entry } of worker === undefined ? ordered : []) {
      if (due === undefined) {
        heap.put([entry], false)
        heap.ring()
      } else heap.later.set(entry, "at" in due ? due.at : now + due.afterMs)
    }
    if (next() !== before) heap.ring()
    for (const { due, entry, record } of ordered) {
      const kind = due === undefined ? "submitted" : "scheduled"
      noteLife(heap, now, { kind, ulid: ulidOfEntry(entry), attempt: 0, record })
    }
    if (worker !== undefined) noteStart(heap, now, only!, worker)
    for (const { entry, parent } of ordered) {
      if (parent !== undefined) heap.endOrphan(ulidOfEntry(entry), now, retentionMs)
    }
  })

  const turn: Store["Service"]["turn"] = (partition, turn) =>
    Effect.flatMap(clock, (now) => takeTurn({ heap: heapOf(partition), now, retentionMs }, turn))

  const evict = (partition: Partition, worker: WorkerId, leaves: boolean) =>
    Effect.sync(() => {
      const heap = heapOf(partition)
      if (!heap.workers.has(worker)) return
      heap.standby.delete(worker)
      if (leaves && heap.heldBy(worker).size === 0) {
        heap.workers.delete(worker)
        heap.about.delete(worker)
        heap.held.delete(worker)
      } else {
        heap.workers.set(worker, 0)
        heap.ring()
      }
    })

  const cancel: Store["Service"]["cancel"] = Effect.fnUntraced(function* (partition, ulid, reason, options) {
    const heap = options === undefined ? lookAt(partition) : heapOf(partition)
    const now = yield* clock
    const record = heap.recordOf(ulid)
    if (record === undefined) {
      if (options !== undefined) heap.expectOrphan(ulid, reason, now)
      return { kind: "missing" } as const
    }
    if (!record.startsWith("Q")) return { kind: "ended", record } as const
    const children = [...(heap.children.get(ulid) ?? [])]
    heap.endEarly([ulid], "C", { type: "Cancelled", message: reason }, now, retentionMs)
    return { kind: "cancelled", children } as const
  })

  const orders: Store["Service"]["orders"] = Effect.fnUntraced(function* (worker) {
    const queue = yield* Queue.unbounded<Order>()
    yield* Effect.acquireRelease(
      Effect.sync(() => channels.orders.set(worker, queue)),
      () => Effect.sync(() => channels.orders.delete(worker))
    )
    return { next: Queue.take(queue) }
  })

  const find = (heap: Heap, ulid: string): Found | undefined => {
    const record = heap.recordOf(ulid)
    if (record === undefined) return undefined
    const { header } = decodeRecord(record)
    if (header.letter !== "Q") return { record, place: { kind: "ended" } }
    const entry = entryOfHeader(ulid, header)
    if (heap.waiting.has(ulid)) return { record, place: { kind: "waiting" } }
    const due = heap.later.get(entry)
    if (due !== undefined) return { record, place: { kind: "later", due } }
    const worker = heap.holderOf(entry)
    return worker === undefined
      ? { record, place: { kind: "lane" } }
      : { record, place: { kind: "held", worker, note: heap.running.get(entry) } }
  }

  const ended: Store["Service"]["ended"] = (partition, ulids, options) =>
    Effect.sync(() => {
      const heap = lookAt(partition)
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
    const told = new Map<string, Array<TaskEvent>>()
    const untold = new Set<string>()
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
      const events = told.get(ulid) ?? []
      told.set(ulid, events)
      const isNew = last === undefined || run > last.run || (run === last.run && seq > last.seq)
      if (isNew && data.length <= hintEventMax) events.push({ run, seq, kind, data })
      else untold.add(ulid)
      if (isNew) {
        stream.list.push({ run, seq, kind, data })
        if (stream.list.length > eventsMax) stream.list.shift()
        if (kind === "progress") {
          const record = heap.recordOf(ulid) ?? ""
          noteLife(heap, now, { kind, ulid, attempt: run, record, more: data })
        }
      }
    }
    const along = new Map([...told].filter(([ulid]) => !untold.has(ulid)))
    heap.tellWatchers(told.keys(), false, along)
    return [...lost]
  })

  const eventsOf: Store["Service"]["eventsOf"] = Effect.fnUntraced(function* (partition, wanted, limit) {
    const now = yield* clock
    const heap = lookAt(partition)
    return wanted.map(({ after, ulid }) =>
      (heap.streamOf(ulid, now)?.list ?? [])
        .filter(({ run, seq }) => run > after.run || (run === after.run && seq > after.seq))
        .slice(0, limit)
    )
  })

  const events: Store["Service"]["events"] = (id, after, limit) =>
    Effect.map(eventsOf(partitionOfId(id), [{ ulid: ulidOfId(id), after }], limit), ([all]) => all!)

  const inbox: Store["Service"]["inbox"] = Effect.gen(function* () {
    const name = crypto.randomUUID()
    const queue = yield* Queue.unbounded<Hint>()
    yield* Effect.acquireRelease(
      Effect.sync(() => channels.inboxes.set(name, queue)),
      () => Effect.sync(() => channels.inboxes.delete(name))
    )
    return { name, next: Queue.take(queue), tune: () => Effect.void }
  })

  const bell: Store["Service"]["bell"] = (partition) => {
    const { bell } = heapOf(partition)
    const wait = (maxMs: number) =>
      Effect.andThen(bell.await, bell.close).pipe(
        Effect.raceFirst(upkeepPause(Math.min(maxMs, bellWaitMaxMs))),
        Effect.asVoid
      )
    return Effect.succeed({ wait })
  }

  const sweep: Store["Service"]["sweep"] = Effect.fnUntraced(function* (partition, limit) {
    const heap = heapOf(partition)
    const now = yield* clock
    const due = byScore(heap.kept)
      .filter(([, at]) => at <= now)
      .slice(0, limit)
    const remembered: Array<Remembered> = []
    for (const [segment] of due) {
      const parents = heap.parents.get(segment)
      if (parents === undefined) heap.drop(segment)
      else {
        const again = now + Math.ceil(askedAgainMs(retentionMs))
        heap.kept.set(segment, again)
        remembered.push({ segment, again, parents: [...parents].slice(0, parentsMax).toSorted() })
      }
    }
    const letters = byScore(heap.dead)
      .filter(([, at]) => at <= now - deadRetentionMs)
      .slice(0, limit)
    for (const [ulid] of letters) {
      heap.letters.delete(ulid)
      heap.dead.delete(ulid)
    }
    for (const ulid of heap.events.keys()) heap.streamOf(ulid, now)
    return { dropped: due.length - remembered.length + letters.length, remembered }
  })

  const forget: Store["Service"]["forget"] = Effect.fnUntraced(function* (
    partition,
    { again, parents, segment }
  ) {
    const heap = heapOf(partition)
    const now = yield* clock
    const left = heap.parents.get(segment) ?? new Set()
    for (const parent of parents) left.delete(parent)
    if (left.size === 0) heap.parents.delete(segment)
    if (heap.kept.get(segment) !== again) return false
    if (left.size === 0) heap.drop(segment)
    else heap.kept.set(segment, now)
    return left.size === 0
  })

  return Store.of({
    submit,
    turn,
    cancel,
    reschedule: (partition, ulid, due) =>
      Effect.map(clock, (now) => rescheduleIn(lookAt(partition), ulid, due, { now, retentionMs })),
    orders,
    childrenEnded: (partition, ends) =>
      Effect.sync(() => {
        const heap = heapOf(partition)
        for (const { child, failed, parent } of ends)
          heap.childEnded(ulidOfId(parent), child, failed === true)
      }),
    outbox: (partition, most, skip = 0) =>
      Effect.sync(() => heapOf(partition).outbox.slice(skip, skip + most)),
    drop: (partition, messages) =>
      Effect.sync(() => {
        const { outbox } = heapOf(partition)
        for (const message of messages) {
          const at = outbox.findIndex((other) => sameMessage(message, other))
          if (at >= 0) outbox.splice(at, 1)
        }
      }),
    renew: (partition, worker, leaseMs) =>
      Effect.map(clock, (now) => {
        const { workers } = heapOf(partition)
        if ((workers.get(worker) ?? 0) === 0) return false
        workers.set(worker, now + leaseMs)
        return true
      }),
    evict: (partition, worker) => evict(partition, worker, false),
    leave: (partition, worker) => evict(partition, worker, true),
    read: (partition, ulids) => Effect.sync(() => ulids.map((ulid) => find(lookAt(partition), ulid))),
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
    eventsOf,
    inbox,
    bell,
    depth: (partition) =>
      Effect.sync(() => {
        const heap = heapOf(partition)
        const { high, low, normal, urgent } = heap.lanes
        return {
          lanes: { urgent: urgent.length, high: high.length, normal: normal.length, low: low.length },
          boxed: [...heap.box.values()].reduce((sum, box) => sum + box.length, heap.suspects.length),
          waiting: heap.waiting.size,
          later: heap.later.size,
          held: [...heap.held.values()].reduce((sum, held) => sum + held.size, 0),
          dead: heap.dead.size
        }
      }),
    sweep,
    forget,
    ping: Effect.void
  })
})

const sameMessage = (one: Message, other: Message): boolean => {
  switch (one.kind) {
    case "ended":
      return (
        other.kind === "ended" &&
        one.child === other.child &&
        one.parent === other.parent &&
        one.run === other.run
      )
    case "cancel":
      return other.kind === "cancel" && one.task === other.task
    case "callback":
      return other.kind === "callback" && one.task === other.task && one.run === other.run
    case "submit":
      return (
        other.kind === "submit" && one.partition === other.partition && one.task.entry === other.task.entry
      )
  }
}

export const layer = Layer.effect(Store, make)
