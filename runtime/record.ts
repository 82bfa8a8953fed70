/**
 * The one record of a task, as it is stored while the task lives and once it has ended: a short header that Lua may read, and JSON
 * that Lua never parses.
 */
import type { PayloadUnreadable } from "./encryption/key-ring.ts"
import type { RetryJson } from "./retry.ts"
import { type Lane, laneLetter, laneOfLetter, lanes, type TaskId } from "./task.ts"
import type { TaskError } from "./task-error.ts"

export type { TaskError } from "./task-error.ts"

/** `Q` alive (where its entry lies says more); `S` succeeded, `F` failed, `C` cancelled, `E` expired. */
export type Letter = "Q" | "S" | "F" | "C" | "E"

/** One finished run that did not end the task. Times in Unix milliseconds on Redis's clock. */
export interface PastAttempt {
  readonly attempt: number
  readonly worker: string
  readonly startedAt: number
  readonly finishedAt: number
  /** Absent when it was no failure: the run snoozed, or ended to wait for its children. */
  readonly error?: TaskError
  /** `false` when it used up none of the task's attempts. */
  readonly counted?: false
}

/** What was submitted, as it is stored while the task lives. Absent fields have the handler's default. */
export interface Envelope {
  readonly name: string
  /** Everything else, where it could not be opened: see `runtime/encryption`. */
  readonly sealed?: string
  readonly input: unknown
  readonly key?: string
  /** Absent for the tenant `default`. */
  readonly tenant?: string
  readonly tags?: ReadonlyArray<string>
  readonly timeoutMs?: number
  readonly retry?: RetryJson
  /** The reply channel of the process that waits for the result, if one does. */
  readonly reply?: string
  /** Earlier runs that came to an end without ending the task, oldest first; only the newest `pastMax` are kept. */
  readonly past?: ReadonlyArray<PastAttempt>
  /** How many of its runs are no longer listed in `past`. */
  readonly pastDropped?: number
  /** How many of its runs have failed and count, listed or not. Absent while none has. */
  readonly failed?: number
  /** When its newest run became due, if that was later than it was submitted. */
  readonly dueAt?: number
  /** It is expired if it has not started by then, in Unix milliseconds. */
  readonly expiresAt?: number
  /** When it must have ended, in Unix milliseconds; its children get this or an earlier time. */
  readonly deadlineAt?: number
  /** The task whose run submitted it. */
  readonly parent?: TaskId
  /** Whom its end is told to. */
  readonly callback?: Callback
  /** Where the trace stands that it is part of (`runtime/telemetry/trace-context.ts`); absent when there is none. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** The boxes that wait for its reply, each after its partition and a blank: asking one of these would wait for ever. */
  readonly behind?: ReadonlyArray<string>
}

/** Where the end of a task is told. */
export interface Callback {
  readonly url: string
  /** Which ends are told: `task.completed`, `task.failed`, `task.cancelled`, `task.expired`. Absent for all. */
  readonly events?: ReadonlyArray<string>
  readonly headers?: Readonly<Record<string, string>>
}

/** How many earlier runs a task's record lists. */
export const pastMax = 32

/** How many runs of a task have failed and count. */
export const failedOf = ({ failed, past = [] }: Pick<Envelope, "failed" | "past">): number =>
  failed ?? past.filter(({ counted }) => counted !== false).length

/** What is stored once a task has ended, beside its envelope (whose large input is then left out). */
export interface Outcome {
  readonly task: Omit<Envelope, "input"> & { readonly input?: unknown }
  readonly worker: string
  /** Absent when the task ended without a run of it being seen, as when its worker died. */
  readonly startedAt?: number
  readonly finishedAt: number
  readonly output?: unknown
  readonly error?: TaskError
  /** Why nothing but this can be read of it here. Never stored. */
  readonly unreadable?: Pick<PayloadUnreadable, "key" | "reason">
}

/** A run that was lost with its worker. Times in Unix milliseconds on Redis's clock. */
export interface LostRun {
  readonly attempt: number
  readonly worker: string
  /** Absent when it was lost before anybody noted its start, which is within some 100 ms. */
  readonly startedAt?: number
  /** When that was found out. */
  readonly lostAt: number
}

/**
 * The part of a record that Lua reads: `<letter><lane letter><run>.<crashes>`, for each lost run
 * `@<run>,<start or nothing>,<found out at>,<worker>`, followed by JSON.
 */
export interface Header {
  readonly letter: Letter
  readonly lane: Lane
  /** Whether it waits in a box when it waits. */
  readonly boxed?: boolean
  readonly run: number
  /** How many workers died holding this task. */
  readonly crashes: number
  /** The runs that were lost so, oldest first. Absent while there are none. */
  readonly lost?: ReadonlyArray<LostRun>
}

/** `letter` stands in for the header's, as at a task's end. */
export const encodeRecord = (header: Header, json: string, letter = header.letter): string =>
  `${letter}${laneLetter(header.lane, header.boxed)}${header.run}.${header.crashes}${textOfLost(header.lost)}${json}`

const textOfLost = (lost: Header["lost"]): string =>
  lost === undefined
    ? ""
    : lost
        .map(({ attempt, lostAt, startedAt, worker }) => `@${attempt},${startedAt ?? ""},${lostAt},${worker}`)
        .join("")

const lostOfText = (text: string): ReadonlyArray<LostRun> =>
  text
    .split("@")
    .slice(1)
    .map((run) => {
      const [attempt, startedAt, lostAt, worker = ""] = run.split(",")
      return {
        attempt: Number(attempt),
        worker,
        ...(startedAt === "" ? {} : { startedAt: Number(startedAt) }),
        lostAt: Number(lostAt)
      }
    })

const record = /^([QSFCE])([uhnlUHNL])(\d+)\.(\d+)((?:@[^@{]*)*)/

/** The headers of first runs, which most are: shared, and so never changed. */
const firstHeaders: Record<string, Header> = Object.fromEntries(
  lanes.flatMap((lane) =>
    [false, true].flatMap((boxed) =>
      Array.from("QSFCE" as Iterable<Letter>, (letter): [string, Header] => {
        const header: Header = { letter, lane, ...(boxed ? { boxed } : {}), run: 1, crashes: 0 }
        return [encodeRecord(header, ""), header]
      })
    )
  )
)

const firstHeaderLength = "Qn1.0".length

/** When a run began, in the note of a worker that it lasts; `undefined` where there is none. As `started_in` of the scripts. */
export const startedIn = (note: string | undefined): number | undefined => {
  const at = note === undefined ? undefined : /"startedAt":(\d+)/.exec(note)?.[1]
  return at === undefined ? undefined : Number(at)
}

/** Splits a record. A record of ours always parses; one that does not is a defect, not bad input. */
export const decodeRecord = (text: string): { readonly header: Header; readonly json: string } => {
  const first = text[firstHeaderLength] === "{" ? firstHeaders[text.slice(0, firstHeaderLength)] : undefined
  if (first !== undefined) return { header: first, json: text.slice(firstHeaderLength) }
  const found = record.exec(text)
  if (found === null) throw new Error(`not a task record: ${text.slice(0, 40)}`)
  const [head, letter, lane, run, crashes, lost] = found
  return {
    header: {
      letter: letter as Letter,
      lane: laneOfLetter[lane!.toLowerCase()]!,
      ...(lane! < "a" ? { boxed: true } : {}),
      run: Number(run),
      crashes: Number(crashes),
      ...(lost === "" ? {} : { lost: lostOfText(lost!) })
    },
    json: text.slice(head.length)
  }
}

/** How many workers died holding the task of this record. */
export const crashesOf = (text: string): number => {
  const at = text.indexOf(".") + 1
  // Mostly none.
  return text[at] === "0" ? 0 : Number.parseInt(text.slice(at), 10)
}

/** Reads the JSON of a living task's record. */
export const readEnvelope = (json: string): Envelope => JSON.parse(json) as Envelope

/** Reads the JSON of an ended task's record. */
export const readOutcome = (json: string): Outcome => JSON.parse(json) as Outcome

const endedState = { S: "succeeded", F: "failed", C: "cancelled", E: "expired" } as const

/** The state of an ended task; `undefined` while it lives. */
export const endedStateOf = (letter: Letter): (typeof endedState)[keyof typeof endedState] | undefined =>
  letter === "Q" ? undefined : endedState[letter]
