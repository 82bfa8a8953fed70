/**
 * What is told of dead letters, and the record under which one goes back to work: decisions over plain values.
 *
 * A dead letter that goes back to work keeps its id and its whole history. Its run numbers go on, as they fence what
 * runs write; the attempts it may fail are counted anew.
 */
import type { Revival } from "../../runtime/operations.ts"
import type { Box } from "../../runtime/mailbox.ts"
import {
  decodeRecord,
  encodeRecord,
  type Envelope,
  type Header,
  type Outcome,
  type PastAttempt,
  pastMax,
  readOutcome,
  type TaskError
} from "../../runtime/record.ts"
import { entryOf } from "../../runtime/task.ts"
import { pastOf } from "../../runtime/view.ts"

/** How long the text of a group is at most, in characters, and how many groups are told. */
const groupTextMax = 200
export const groupsMax = 100

/** Dead letters that failed alike. */
export interface ErrorGroup {
  readonly error: string
  readonly count: number
}

const ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}"

/** What differs between two failures of the same cause: ids, hashes, numbers. */
const particulars = [
  [new RegExp(`\\b[a-z0-9][a-z0-9_-]{0,62}\\.\\d{1,4}\\.${ulid}\\b`, "g"), "<id>"],
  [new RegExp(`\\b${ulid}\\b`, "g"), "<id>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<id>"],
  [/\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,}\b/gi, "<id>"],
  [/\d+/g, "<n>"]
] as const

/** An error as those of its group have it: its type, and the first line of its message without what is particular. */
export const groupOf = ({ message, type }: Pick<TaskError, "message" | "type">): string => {
  const [line = ""] = message.trimStart().split("\n", 1)
  const text = particulars.reduce(
    (text, [pattern, instead]) => text.replaceAll(pattern, instead),
    line.trimEnd()
  )
  return `${type}: ${text.length > groupTextMax ? `${text.slice(0, groupTextMax)}…` : text}`
}

/** The groups of some errors, the largest first. */
export const groupsOf = (errors: Iterable<TaskError>): ReadonlyArray<ErrorGroup> => {
  const counts = new Map<string, number>()
  for (const error of errors) {
    const group = groupOf(error)
    counts.set(group, (counts.get(group) ?? 0) + 1)
  }
  return [...counts]
    .map(([error, count]) => ({ error, count }))
    .sort((a, b) => b.count - a.count || (a.error < b.error ? -1 : 1))
    .slice(0, groupsMax)
}

/** The run that failed last. One that nobody saw start is known by its end alone. */
const lastAttempt = (attempt: number, { error, finishedAt, startedAt, worker }: Outcome): PastAttempt => ({
  attempt,
  worker,
  startedAt: startedAt ?? finishedAt,
  finishedAt,
  error: error ?? { type: "Unknown", message: "no reason is kept" }
})

/**
 * The task of a dead letter, as it goes back to work; with another input if one is given. It is bound to no time any
 * more, and nobody waits at the end of a call for its result.
 */
export const revivedOf = (
  header: Header,
  outcome: Outcome,
  input?: { readonly value: unknown }
): Envelope => {
  const { deadlineAt: _deadline, dueAt: _due, expiresAt: _expiry, reply: _reply, ...task } = outcome.task
  const before = pastOf(header, task)
  // The run that was the last one of too many workers is there already.
  const past = before.at(-1)?.attempt === header.run ? before : [...before, lastAttempt(header.run, outcome)]
  const dropped = (task.pastDropped ?? 0) + Math.max(0, past.length - pastMax)
  return {
    ...task,
    input: input === undefined ? task.input : input.value,
    past: past.slice(-pastMax),
    ...(dropped === 0 ? {} : { pastDropped: dropped }),
    failed: 0
  }
}

/** How a dead letter goes back to work. One that waits in a box is told which. */
export const revivalOf = (
  ulid: string,
  record: string,
  over: { readonly input?: { readonly value: unknown }; readonly box?: Box | undefined } = {}
): Revival => {
  const { header, json } = decodeRecord(record)
  const run = header.run + 1
  const boxed = over.box !== undefined
  const outcome = readOutcome(json)
  const next = { letter: "Q", lane: header.lane, boxed, run, crashes: 0 } as const
  return {
    ulid,
    expected: record,
    record: encodeRecord(next, JSON.stringify(revivedOf(header, outcome, over.input))),
    entry: entryOf(ulid, header.lane, run, boxed),
    ...(over.box === undefined ? {} : { box: over.box }),
    ...(outcome.task.callback === undefined ? {} : { callback: true }),
    ...(outcome.task.parent === undefined ? {} : { parent: outcome.task.parent })
  }
}
