/**
 * What a task is, in Redis and out of it: its id, the entry that stands for it in a mailbox, and its one record.
 *
 * An id says where everything about the task lies, so no index has to be kept. An entry is an id inside its
 * partition with its lane and run, so that a mailbox entry is also the fencing token of the run it starts. A
 * record is a short header that Lua may read, and JSON that Lua never parses.
 */
import { Schema } from "effect"
import type { PayloadUnreadable } from "./encryption/key-ring.ts"
import type { RetryJson } from "./retry.ts"
import type { TaskError } from "./task-error.ts"

export type { TaskError } from "./task-error.ts"

// ---------------------------------------------------------------------------------------------------------
// Lanes
// ---------------------------------------------------------------------------------------------------------

/** The four priorities, most urgent first. */
export const lanes = ["urgent", "high", "normal", "low"] as const
/** A priority by its name: `urgent` is 15, `high` 10, `normal` 5, `low` 0. */
export type Lane = (typeof lanes)[number]

/** The number a lane goes by outside, as in `priority: 15`. */
export const lanePriority = { urgent: 15, high: 10, normal: 5, low: 0 } as const satisfies Record<
  Lane,
  number
>

/** A priority as callers write it: a lane's name or its number. */
export const Priority = Schema.Literals(["urgent", "high", "normal", "low", 15, 10, 5, 0])
export type Priority = typeof Priority.Type

export const laneOf = (priority: Priority): Lane =>
  typeof priority === "string"
    ? priority
    : (lanes.find((lane) => lanePriority[lane] === priority) ?? "normal")

const letterOf = { urgent: "u", high: "h", normal: "n", low: "l" } as const satisfies Record<Lane, string>
const laneOfLetter: Record<string, Lane> = { u: "urgent", h: "high", n: "normal", l: "low" }

// ---------------------------------------------------------------------------------------------------------
// Ids, partitions, segments
// ---------------------------------------------------------------------------------------------------------

/** A queue's name: 1 to 63 of `a-z 0-9 _ -`, the first not a sign. No dot: a dot ends it in an id. */
export const QueueName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/u, { message: "a queue is named by 1 to 63 of a-z 0-9 _ -" })
)

/** `<queue>.<partition>.<ULID>`. The ULID's time is when the task was submitted. */
export const TaskId = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}\.\d{1,4}\.[0-7][0-9A-HJKMNP-TV-Z]{25}$/u, {
    message: "a task id is <queue>.<partition>.<ULID>"
  })
).pipe(Schema.brand("TaskId"))
export type TaskId = typeof TaskId.Type

/** `<queue>.<partition>`: everything of one name shares a hash tag, so that one script may touch it. */
export type Partition = string

/** In letters. */
export const ulidLength = 26
const segmentLength = 8

/** The first partition of a queue, and today its only one. */
export const partitionOf = (queue: string): Partition => `${queue}.0`

export const partitionOfId = (id: TaskId): Partition => id.slice(0, -(ulidLength + 1))

export const queueOf = (partition: Partition): string => partition.slice(0, partition.indexOf("."))

/** The part of an id that is unique inside its partition. */
export const ulidOfId = (id: TaskId): string => id.slice(-ulidLength)

/** Both parts are ours, so there is nothing to check. */
export const idIn = (partition: Partition, ulid: string): TaskId => `${partition}.${ulid}` as TaskId

/** The ULID's time without its last two letters: tasks submitted within the same 1 024 ms share a segment. */
export const segmentOf = (entryOrUlid: string): string => entryOrUlid.slice(0, segmentLength)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const timeLength = 10

/** Tasks of one batch share a time. */
let lastTime = { letters: "", at: 0 }

/** When the task was submitted, in Unix milliseconds on the submitter's clock. */
export const submittedAt = (ulid: string): number => {
  if (ulid.startsWith(lastTime.letters) && lastTime.letters !== "") return lastTime.at
  let time = 0
  for (let at = 0; at < timeLength; at++) time = time * 32 + crockford.indexOf(ulid[at]!)
  lastTime = { letters: ulid.slice(0, timeLength), at: time }
  return time
}

/** The first segment of which no task was submitted at a time, in Unix milliseconds, or before it. */
export const segmentAfter = (time: number): string => {
  let text = ""
  for (let rest = Math.floor(time / 1_024) + 1; text.length < segmentLength; rest = Math.floor(rest / 32)) {
    text = crockford[rest % 32]! + text
  }
  return text
}

// ---------------------------------------------------------------------------------------------------------
// Entries
// ---------------------------------------------------------------------------------------------------------

/**
 * What a mailbox holds: `<ULID><lane letter><run>`. The run is 1 at first and grows by one each time the task
 * is handed out again, for whatever reason; a write made for an older run finds no such entry held. The letter of a
 * task that waits in a box is a capital.
 */
export type Entry = string

const laneLetter = (lane: Lane, boxed: boolean | undefined) =>
  boxed === true ? letterOf[lane].toUpperCase() : letterOf[lane]

export const entryOf = (ulid: string, lane: Lane, run: number, boxed?: boolean): Entry =>
  `${ulid}${laneLetter(lane, boxed)}${run}`

export const isBoxed = (entry: Entry): boolean => entry[ulidLength]! < "a"

export const ulidOfEntry = (entry: Entry): string => entry.slice(0, ulidLength)

export const laneOfEntry = (entry: Entry): Lane => laneOfLetter[entry[ulidLength]!.toLowerCase()] ?? "normal"

export const runOfEntry = (entry: Entry): number => Number(entry.slice(ulidLength + 1))

export const nextRun = (entry: Entry): Entry => entry.slice(0, ulidLength + 1) + (runOfEntry(entry) + 1)

// ---------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------

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

/** Every state a task can be seen in. */
export const State = Schema.Literals([
  "scheduled",
  "queued",
  "running",
  "retrying",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "expired"
])
export type State = typeof State.Type

const endedState = { S: "succeeded", F: "failed", C: "cancelled", E: "expired" } as const

/** The state of an ended task; `undefined` while it lives. */
export const endedStateOf = (letter: Letter): (typeof endedState)[keyof typeof endedState] | undefined =>
  letter === "Q" ? undefined : endedState[letter]
