/**
 * Schedules in memory: the readable specification of the `schedule-*` scripts. Each method does in plain Maps, in the
 * same order, what the script of the same name does in Redis.
 */
import { Clock, Effect, Layer } from "effect"
import {
  ownerOf,
  ringWaitMaxMs,
  Schedules,
  schedulesAtOnce,
  schedulesMax,
  schedulesOfAllMax,
  schedulesPartition,
  slotNotesMax,
  type StoredSchedule
} from "../schedules.ts"
import { upkeepPause } from "../upkeep.ts"
import { Heaps } from "./heap.ts"
import { byScore, type Scores } from "./scores.ts"

const make = Effect.gen(function* () {
  const heap = (yield* Heaps).of(schedulesPartition)
  const stored = new Map<string, StoredSchedule>()
  /** How many of them each tenant has. */
  const counts = new Map<string, number>()
  /** When each is to be looked at. */
  const times: Scores = new Map()
  /** What became of their slots, newest first. */
  const slots = new Map<string, ReadonlyArray<string>>()

  const clock = Effect.map(Clock.currentTimeMillis, Math.floor)

  const due: Schedules["Service"]["due"] = Effect.fnUntraced(function* (skip) {
    const now = yield* clock
    const inOrder = byScore(times)
    return {
      now,
      schedules: inOrder
        .filter(([, at]) => at <= now)
        .slice(skip, skip + schedulesAtOnce)
        .map(([id]) => stored.get(id)!),
      next: inOrder.find(([, at]) => at > now)?.[1],
      outbox: heap.outbox.length > 0
    }
  })

  const change: Schedules["Service"]["change"] = Effect.fnUntraced(function* (change) {
    const { from, id, notes, slot, submits, to } = change
    const now = yield* clock
    const version = stored.get(id)?.version
    if (version === to?.version) return "changed"
    if (version !== from) return "conflict"
    if (slot !== undefined && now < slot) return "early"
    const owner = ownerOf(id)
    const owned = counts.get(owner) ?? 0
    if (from === undefined && (owned >= schedulesMax || stored.size >= schedulesOfAllMax)) return "full"

    if (to === undefined) {
      stored.delete(id)
      counts.set(owner, owned - 1)
      times.delete(id)
      slots.delete(id)
      if (stored.size === 0 && heap.outbox.length === 0) heap.bell.closeUnsafe()
      return "changed"
    }
    if (from === undefined) counts.set(owner, owned + 1)
    stored.set(id, { id, version: to.version, text: to.text })
    if (to.lookAt === undefined) times.delete(id)
    else times.set(id, to.lookAt)
    if (notes.length > 0) {
      slots.set(id, [...notes.toReversed(), ...(slots.get(id) ?? [])].slice(0, slotNotesMax))
    }
    for (const { partition, task } of submits) heap.outbox.push({ kind: "submit", partition, task })
    if (submits.length > 0 || (to.lookAt !== undefined && byScore(times)[0]![0] === id)) heap.ring()
    return "changed"
  })

  const standing = Effect.map(clock, (now) => {
    const first = byScore(times)[0]
    return { count: stored.size, lateMs: first === undefined ? 0 : Math.max(0, now - first[1]) }
  })

  return Schedules.of({
    standing,
    due,
    change,
    changeAll: (changes) => Effect.forEach(changes, change),
    read: (id) => Effect.map(clock, (now) => ({ now, schedule: stored.get(id), notes: slots.get(id) ?? [] })),
    list: (after = "", most) =>
      Effect.map(clock, (now) => ({
        now,
        schedules: [...stored.values()]
          .filter(({ id }) => id > after)
          .sort((one, other) => (one.id < other.id ? -1 : 1))
          .slice(0, most)
      })),
    ear: Effect.succeed({
      wait: (maxMs) =>
        Effect.andThen(heap.bell.await, heap.bell.close).pipe(
          Effect.timeoutOption(maxMs),
          Effect.raceFirst(upkeepPause(ringWaitMaxMs)),
          Effect.asVoid
        )
    })
  })
})

/** Schedules for this process alone. Nothing survives it. */
export const layer = Layer.effect(Schedules, make)
