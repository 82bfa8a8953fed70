/**
 * The turn as its script is told it, and what it answers, as plain values: the order of `runtime/lua/worker-turn.lua`.
 */
import {
  type Claim,
  clockJumpMs,
  crashesMax,
  crashesSuspect,
  isPlainEnd,
  type TimerChange,
  type Turn,
  type TurnReply
} from "../turn.ts"
import { segmentOf, ulidOfEntry } from "../task.ts"
import { lineOf } from "./message.ts"
import { Parts } from "./parts.ts"

export type TurnScriptReply = [
  now: number,
  nextDue: number,
  lost: Array<string>,
  claimed: Array<string>,
  held: Array<string>,
  rings: Array<string | number>,
  /** For each ring of the permits, in their order once or twice: where its claims begin, and how many they are. */
  fromRings: Array<number>,
  outbox: 0 | 1,
  agents: Array<string>,
  handed: 0 | 1,
  standsBy: 0 | 1
]

/** A list of claims as the turn's script gives it: entry, record, entry, record, … */
const claimsOf = (
  flat: ReadonlyArray<string>,
  rings: ReadonlyArray<string>,
  fromRings: ReadonlyArray<number>
): ReadonlyArray<Claim> => {
  const claims: Array<Claim> = []
  for (let at = 0; at < flat.length; at += 2) claims.push({ entry: flat[at]!, record: flat[at + 1]! })
  for (let index = 0; 2 * index < fromRings.length; index++) {
    const ring = rings[index % rings.length]!
    const first = fromRings[2 * index]!
    for (let at = first; at < first + fromRings[2 * index + 1]!; at++) {
      const { entry, record } = claims[at]!
      claims[at] = { entry, record, ring }
    }
  }
  return claims
}

const pairsOf = (flat: ReadonlyArray<string | number>): ReadonlyArray<readonly [string, number]> => {
  const pairs: Array<readonly [string, number]> = []
  for (let at = 0; at < flat.length; at += 2) pairs.push([String(flat[at]), Number(flat[at + 1])])
  return pairs
}

/** A change of a timer, a line as the turn's script reads it. */
const timerLine = (change: TimerChange): string => {
  switch (change.kind) {
    case "set":
      return `+${change.ulid} ${change.name}`
    case "clear":
      return `-${change.name}`
    case "fired":
      return `=${change.name}`
  }
}

/** What the script is called with. */
export const turnArguments = (turn: Turn, retentionMs: number): ReadonlyArray<string | number> => {
  const ended: Array<string | number> = []
  const retried: Array<string | number> = []
  const waiting: Array<string | number> = []
  const released: Array<string | number> = []
  const acts: Array<string | number> = []
  const sent: Array<string | number> = []
  const plain: Array<string | number> = []
  const records = new Parts()
  for (const settlement of turn.settled) {
    const { entry } = settlement
    if (settlement.kind === "end") {
      if (isPlainEnd(settlement)) {
        plain.push(entry)
        records.of(segmentOf(entry)).push(ulidOfEntry(entry), settlement.record)
        continue
      }
      ended.push(entry, settlement.record)
      if (settlement.act === undefined) continue
      const { agent, base, state, timers } = settlement.act
      acts.push(entry, agent, base, state?.json ?? "", state?.version ?? 0, timers.map(timerLine).join("\n"))
      for (const message of settlement.act.sent) sent.push(entry, lineOf(message))
    } else if (settlement.kind === "retry") retried.push(entry, settlement.delayMs, settlement.record)
    else if (settlement.kind === "wait") {
      const { children, hasty, record } = settlement
      waiting.push(entry, record, [...(hasty === true ? ["!"] : []), ...children].join(" "))
    } else released.push(entry)
  }
  const head: ReadonlyArray<string | number> = [
    turn.worker,
    turn.leaseMs,
    turn.want,
    turn.judges ? turn.expectedNow : -Math.max(1, turn.expectedNow),
    turn.join ? 1 : 0,
    turn.again ? 1 : 0,
    retentionMs,
    crashesSuspect,
    crashesMax,
    clockJumpMs,
    turn.share.some((count) => count > 0) ? turn.share.join(" ") : "",
    turn.suspect ? 1 : 0,
    turn.about ?? "",
    turn.stoodBy ? 1 : 0,
    turn.standsBy ? 1 : 0,
    ended.length / 2,
    retried.length / 3,
    waiting.length / 3,
    released.length,
    turn.notes.length,
    turn.noted.length,
    turn.streamed.length,
    turn.hints.length,
    turn.permits.length,
    turn.deferred.length,
    acts.length / 6,
    sent.length / 2,
    plain.length
  ]
  // Concatenated, since a spread of so many costs a pass of its own.
  return head.concat(
    ended,
    retried,
    waiting,
    released,
    turn.notes.flat(),
    turn.noted,
    turn.streamed,
    turn.hints.flatMap(([channel, entries]) => [channel, entries.join(" ")]),
    turn.permits.flat(),
    turn.deferred.flat(),
    acts,
    sent,
    plain,
    records.flat(2)
  )
}

/** What it answers, to the turn that was taken. */
export const turnReplyOf = (
  [now, nextDue, lost, claimed, held, rings, fromRings, outbox, agents, handed, standsBy]: TurnScriptReply,
  { permits }: Turn
): TurnReply => ({
  now,
  nextDue: nextDue < 0 ? undefined : nextDue,
  lost,
  claimed: claimsOf(
    claimed,
    permits.map(([ring]) => ring),
    fromRings
  ),
  rings: pairsOf(rings),
  handed: handed === 1,
  standsBy: standsBy === 1,
  outbox: outbox === 1,
  agents: agents.flatMap((agent, at) => (at % 2 === 0 ? [[agent, agents[at + 1]!] as const] : [])),
  held
})
