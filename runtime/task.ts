/**
 * By what a task is known, in Redis and out of it: its id, its lane, and the entry that stands for it in a mailbox.
 *
 * An id says where everything about the task lies, so no index has to be kept. An entry is an id inside its
 * partition with its lane and run, so that a mailbox entry is also the fencing token of the run it starts.
 */
import { Schema } from "effect"

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
/** What is said of a lane by a letter of an entry or of a record, in lower case. */
export const laneOfLetter: Record<string, Lane> = { u: "urgent", h: "high", n: "normal", l: "low" }

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

export const laneLetter = (lane: Lane, boxed: boolean | undefined) =>
  boxed === true ? letterOf[lane].toUpperCase() : letterOf[lane]

export const entryOf = (ulid: string, lane: Lane, run: number, boxed?: boolean): Entry =>
  `${ulid}${laneLetter(lane, boxed)}${run}`

export const isBoxed = (entry: Entry): boolean => entry[ulidLength]! < "a"

export const ulidOfEntry = (entry: Entry): string => entry.slice(0, ulidLength)

export const laneOfEntry = (entry: Entry): Lane => laneOfLetter[entry[ulidLength]!.toLowerCase()] ?? "normal"

export const runOfEntry = (entry: Entry): number => Number(entry.slice(ulidLength + 1))

export const nextRun = (entry: Entry): Entry => entry.slice(0, ulidLength + 1) + (runOfEntry(entry) + 1)

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
