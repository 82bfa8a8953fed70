/**
 * Schedules in Redis: every method is one script on the one partition of schedules, or some where there is much to change.
 *
 * This file alone knows the order of the scripts' arguments and the shapes of their replies.
 */
import { Effect, Layer } from "effect"
import {
  type Change,
  type Changed,
  ringWaitMaxMs,
  Schedules,
  schedulesAtOnce,
  schedulesMax,
  schedulesOfAllMax,
  schedulesPartition,
  slotNotesMax,
  type StoredSchedule
} from "../schedules.ts"
import { StoreError } from "../store.ts"
import { callMaxMs } from "./link.ts"
import { during, Scripted } from "./scripted.ts"
import type { ScriptName } from "./scripts.ts"
import { lineOf } from "./message.ts"

/** A schedule as its field holds it: its version, a space, its text. */
const storedOf = (id: string, stored: string): StoredSchedule => {
  const end = stored.indexOf(" ")
  return { id, version: stored.slice(0, end), text: stored.slice(end + 1) }
}

const schedulesOf = (flat: ReadonlyArray<string>): ReadonlyArray<StoredSchedule> =>
  flat.flatMap((id, at) => (at % 2 === 0 ? [storedOf(id, flat[at + 1]!)] : []))

const changed: Readonly<Record<string, Changed>> = {
  1: "changed",
  0: "conflict",
  "-1": "early",
  "-2": "full"
}

const argumentsOf = ({ from = "", id, notes, slot, submits, to }: Change): ReadonlyArray<string | number> => [
  id,
  from,
  to?.version ?? "",
  to?.text ?? "",
  to?.lookAt ?? "",
  slot ?? "",
  notes.length,
  submits.length,
  ...notes,
  ...submits.map(({ partition, task }) => lineOf({ kind: "submit", partition, task }))
]

/** How many characters of schedules, and of the tasks that they owe, one call changes: or one schedule that is larger. */
const pieceMax = 1_048_576

const sizeOf = ({ submits, to }: Change): number =>
  submits.reduce((sum, { task }) => sum + task.record.length, to?.text.length ?? 0)

/** In their order, so many that Redis is busy with none of them for long. */
const piecesOf = (changes: ReadonlyArray<Change>): ReadonlyArray<ReadonlyArray<Change>> => {
  const pieces: Array<Array<Change>> = []
  let size = Number.POSITIVE_INFINITY
  for (const change of changes) {
    const own = sizeOf(change)
    if (size + own > pieceMax || pieces.at(-1)!.length === schedulesAtOnce) {
      pieces.push([])
      size = 0
    }
    pieces.at(-1)!.push(change)
    size += own
  }
  return pieces
}

const make = Effect.gen(function* () {
  const { call, keysOf, open, run: runScript } = yield* Scripted
  const run = <A>(name: ScriptName, args: ReadonlyArray<string | number>) =>
    runScript<A>(name, schedulesPartition, args)

  const due: Schedules["Service"]["due"] = Effect.fnUntraced(function* (skip) {
    const [now, next, outbox, ...flat] = yield* run<[string, string, 0 | 1, ...Array<string>]>(
      "schedule-due",
      [skip, schedulesAtOnce]
    )
    return {
      now: Number(now),
      schedules: schedulesOf(flat),
      next: next === "" ? undefined : Number(next),
      outbox: outbox === 1
    }
  }, during("Schedules.due"))

  const read: Schedules["Service"]["read"] = Effect.fnUntraced(function* (id) {
    const [now, stored, notes] = yield* run<[string, string | null, Array<string>]>("schedule-read", [id])
    return { now: Number(now), schedule: stored === null ? undefined : storedOf(id, stored), notes }
  }, during("Schedules.read"))

  const list: Schedules["Service"]["list"] = Effect.fnUntraced(function* (after, most) {
    const [now, ...flat] = yield* run<Array<string>>("schedule-list", [after ?? "", most])
    return { now: Number(now), schedules: schedulesOf(flat) }
  }, during("Schedules.list"))

  const changePiece = (piece: ReadonlyArray<Change>) =>
    Effect.map(
      run<ReadonlyArray<number>>("schedule-change", [
        schedulesMax,
        schedulesOfAllMax,
        slotNotesMax,
        ...piece.flatMap(argumentsOf)
      ]),
      (replies) => replies.map((reply) => changed[reply]!)
    )

  const changeAll: Schedules["Service"]["changeAll"] = (changes) =>
    Effect.forEach(piecesOf(changes), changePiece).pipe(
      Effect.map((answers) => answers.flat()),
      during("Schedules.changeAll")
    )

  const change: Schedules["Service"]["change"] = (one) =>
    changePiece([one]).pipe(
      Effect.map(([answer]) => answer!),
      during("Schedules.change")
    )

  const ear: Schedules["Service"]["ear"] = Effect.gen(function* () {
    const link = yield* open("troupe-schedules", schedulesPartition).pipe(
      Effect.mapError((cause) => new StoreError({ operation: "Schedules.ear", cause }))
    )
    const { bell } = keysOf(schedulesPartition)
    const wait = (maxMs: number) => {
      // Redis reads 0 as for ever, and rounds down to the millisecond.
      const seconds = Math.min(Math.max(maxMs, 1), ringWaitMaxMs) / 1_000
      return link
        .call((client) => client.blpop(bell, seconds), callMaxMs + ringWaitMaxMs)
        .pipe(Effect.asVoid, during("Schedules.wait"))
    }
    return { wait }
  })

  const standing: Schedules["Service"]["standing"] = Effect.gen(function* () {
    const { scheduleIds, scheduleTimes } = keysOf(schedulesPartition)
    const [count, [, first], [seconds, micros]] = yield* call(schedulesPartition, (client) =>
      Promise.all([
        client.zcard(scheduleIds),
        client.zrange(scheduleTimes, 0, "0", "WITHSCORES"),
        client.time()
      ])
    )
    const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
    return { count, lateMs: first === undefined ? 0 : Math.max(0, now - Number(first)) }
  }).pipe(during("Schedules.standing"))

  return Schedules.of({ due, read, list, change, changeAll, standing, ear })
})

/** Schedules shared by all processes of the Redis that `Scripted` reaches. */
export const layer = Layer.effect(Schedules, make)
