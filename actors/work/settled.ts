/** What has finished and is to be said, and what is known of the run: decisions over plain values. */
import type { Limit } from "../../runtime/handler.ts"
import { limitIn } from "../../runtime/limit-name.ts"
import type { Settlement, Turn } from "../../runtime/turn.ts"
import type { Envelope } from "../../runtime/record.ts"
import { type Entry, runOfEntry, submittedAt, ulidOfEntry } from "../../runtime/task.ts"
import { namesIn } from "../dispatch/rings.ts"
import type { Ending } from "./attempt.ts"
import type { RunOutcome } from "./settlement.ts"

/** A settlement; what follows `reply` is not known of a run that was never ours. */
export interface Settled {
  readonly settlement: Settlement
  readonly noted: boolean
  readonly streamed: boolean
  readonly reply: string | undefined
  /** What it was claimed with. */
  readonly ring?: string | undefined
  readonly permit?: string | undefined
  /** It never started: all that it has reserved of its limits is given back. */
  readonly unused?: boolean
  /** What it says it has used of its limits, by name. */
  readonly used?: Readonly<Record<string, number>> | undefined
  /** Limits that are to grant nothing for a while, since the run was told to come back later. */
  readonly cool?: ReadonlyArray<Cool>
  readonly outcome?: RunOutcome
  /** From when it was due to its start, where that is known, and from there to its end, in milliseconds. */
  readonly waitMs?: number | undefined
  readonly runMs?: number
}

export interface Cool {
  /** What the limit is counted as. */
  readonly name: string
  readonly forMs: number
}

/** What is said of a claim that was not started. */
export const releaseOf = (entry: Entry): Settled => ({
  settlement: { kind: "release", entry },
  noted: false,
  streamed: false,
  reply: undefined,
  unused: true
})

/** When a run became due, in Unix milliseconds; `undefined` after one that was lost, handed back, or waited. */
const dueOf = ({ dueAt, past }: Envelope, entry: Entry): number | undefined => {
  if (runOfEntry(entry) === 1) return dueAt ?? submittedAt(ulidOfEntry(entry))
  return past?.at(-1)?.attempt === runOfEntry(entry) - 1 ? dueAt : undefined
}

/** How long a run that has started had been due, in milliseconds; `undefined` where nobody knows. */
export const waitOf = (run: {
  readonly entry: Entry
  readonly envelope: Envelope
  readonly startedAt: number
}): number | undefined => {
  const due = dueOf(run.envelope, run.entry)
  return due === undefined ? undefined : Math.max(0, run.startedAt - due)
}

/**
 * Which limits a `RetryAfter` means: the one it names, none, or all of its handler's. Of one that each has for themselves it means
 * that of the run, whose ring says so.
 */
export const coolOf = (
  limits: ReadonlyArray<Limit>,
  ending: Ending,
  ring: string | undefined
): ReadonlyArray<Cool> => {
  const after = ending.kind === "failure" ? ending.failure.after : undefined
  if (after === undefined || after.cools === false || after.limit === false) return []
  const names = after.limit === undefined ? limits.map(({ name }) => name) : [after.limit]
  const counted = ring === undefined ? [] : namesIn(ring)
  const countedAs = (name: string) => {
    const isShared = limits.every((limit) => limit.name !== name || limit.each === undefined)
    return isShared ? name : (counted.find((one) => limitIn(one) === name) ?? name)
  }
  return names.map((name) => ({ name: countedAs(name), forMs: after.ms }))
}

/** How many settlements a turn says, of which a script stays under 5 ms, and how many characters of them: more would get no answer in time. */
export const settleMax = 500
export const settleCharactersMax = 16 * 1024 * 1024

const charactersOf = (settlement: Settlement): number => {
  if (settlement.kind === "release") return 0
  const { length } = settlement.record
  if (settlement.kind !== "end" || settlement.act === undefined) return length
  const { sent, state } = settlement.act
  const owed = sent.reduce((sum, one) => sum + (one.kind === "submit" ? one.task.record.length : 0), 0)
  return length + (state?.json.length ?? 0) + owed
}

/** How many of what is to be said one turn says: the first in any case. */
export const saidAtOnce = (settled: ReadonlyArray<Settled>): number => {
  const most = Math.min(settled.length, settleMax)
  let characters = 0
  for (let count = 0; count < most; count++) {
    characters += charactersOf(settled[count]!.settlement)
    if (characters > settleCharactersMax) return Math.max(1, count)
  }
  return most
}

/** What a turn says of these: the settlements, what is tidied with them, and whom their ends are told to. */
export const sayingsOf = (
  said: ReadonlyArray<Settled>
): Pick<Turn, "settled" | "noted" | "streamed" | "hints"> => {
  const hints = new Map<string, Array<Entry>>()
  const noted: Array<Entry> = []
  const streamed: Array<Entry> = []
  for (const one of said) {
    const { entry, kind } = one.settlement
    if (one.noted) noted.push(entry)
    if (one.streamed && kind === "end") streamed.push(entry)
    if (one.reply === undefined) continue
    const entries = hints.get(one.reply)
    if (entries === undefined) hints.set(one.reply, [entry])
    else entries.push(entry)
  }
  return { settled: said.map(({ settlement }) => settlement), noted, streamed, hints: [...hints] }
}
