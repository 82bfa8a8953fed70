/** Tasks, turns and records for tests: what a test does not care about is filled in here. */
import { Effect } from "effect"
import { Store } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Claim, Settlement, Turn } from "../../runtime/turn.ts"
import { decodeRecord, encodeRecord, type Letter } from "../../runtime/record.ts"
import {
  type Entry,
  entryOf,
  isBoxed,
  type Lane,
  laneOfEntry,
  runOfEntry,
  type TaskId,
  ulidOfEntry
} from "../../runtime/task.ts"
import { partition } from "./stores.ts"

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const base32 = (number: number, length: number): string =>
  Array.from({ length }, (_, at) => crockford[Math.floor(number / 32 ** (length - 1 - at)) % 32]).join("")

/** The ULID number `n` of those made at `at` (Unix milliseconds): they sort by time, then by number. */
export const ulidAt = (at: number, n: number): string => base32(at, 10) + base32(n, 16)

let made = 0

/** Every ULID greater than the one before. Without `at`, all share a segment. */
export const aUlid = (at = 1_900_000_000_000): string => ulidAt(at, ++made)

/** A record's JSON: an envelope. */
export const anEnvelope = (input: unknown = 1, dueAt?: number) =>
  JSON.stringify({ name: "test", dueAt, input })

export interface TestTask extends NewTask {
  readonly ulid: string
}

export const aTask = (
  over: {
    readonly ulid?: string
    readonly lane?: Lane
    readonly input?: unknown
    /** What its record says of `due`, in Unix milliseconds. */
    readonly dueAt?: number
  } & Pick<NewTask, "due" | "box" | "parent" | "expiresAt" | "deadlineAt"> = {}
): TestTask => {
  const { dueAt, input, lane = "normal", ulid = aUlid(), ...rest } = over
  const boxed = rest.box !== undefined
  return {
    ulid,
    entry: entryOf(ulid, lane, 1, boxed),
    record: encodeRecord({ letter: "Q", lane, boxed, run: 1, crashes: 0 }, anEnvelope(input, dueAt)),
    ...rest
  }
}

export const tasks = (count: number, over: Parameters<typeof aTask>[0] = {}): ReadonlyArray<TestTask> =>
  Array.from({ length: count }, () => aTask(over))

/** The record of an end, as a worker writes it. */
export const anEnd = (entry: Entry, letter: Exclude<Letter, "Q"> = "S", output: unknown = "done"): string =>
  encodeRecord(
    { letter, lane: laneOfEntry(entry), boxed: isBoxed(entry), run: runOfEntry(entry), crashes: 0 },
    JSON.stringify({ task: { name: "test" }, worker: "w", finishedAt: 1, output })
  )

export const end = (entry: Entry, letter?: Exclude<Letter, "Q">, output?: unknown): Settlement => ({
  kind: "end",
  entry,
  record: anEnd(entry, letter, output)
})

/** The record under which a task runs again after the run that `entry` started. */
export const aRetry = (entry: Entry): string =>
  encodeRecord(
    { letter: "Q", lane: laneOfEntry(entry), boxed: isBoxed(entry), run: runOfEntry(entry) + 1, crashes: 0 },
    anEnvelope(`after ${entry}`)
  )

export const retry = (entry: Entry, delayMs: number): Settlement => ({
  kind: "retry",
  entry,
  delayMs,
  record: aRetry(entry)
})

/** How a run ends to wait for children. */
export const wait = (
  entry: Entry,
  ...children: ReadonlyArray<TaskId>
): Extract<Settlement, { kind: "wait" }> => ({
  kind: "wait",
  entry,
  record: aRetry(entry),
  children
})

export const release = (entry: Entry): Settlement => ({ kind: "release", entry })

/** A worker's turns: the first one registers it. `leaseMs` is 10 s unless said otherwise. */
export const aTurn = (worker: string, over: Partial<Turn> = {}): Turn => ({
  worker,
  leaseMs: 10_000,
  join: true,
  expectedNow: 0,
  judges: true,
  want: 0,
  share: [0, 0, 0],
  stoodBy: false,
  standsBy: false,
  suspect: true,
  permits: [],
  deferred: [],
  about: undefined,
  again: false,
  settled: [],
  noted: [],
  streamed: [],
  notes: [],
  hints: [],
  ...over
})

export const submit = Effect.fnUntraced(function* (...tasks: ReadonlyArray<NewTask>) {
  yield* (yield* Store).submit(partition, tasks)
})

/** A turn that joins, for tests in which it does not matter when the worker did. */
export const turn = Effect.fnUntraced(function* (worker: string, over: Partial<Turn> = {}) {
  return yield* (yield* Store).turn(partition, aTurn(worker, over))
})

/** The ULIDs of the tasks that a worker is handed when it wants `want`. */
export const claim = Effect.fnUntraced(function* (worker: string, want: number) {
  return (yield* turn(worker, { want })).claimed.map(({ entry }) => entry)
})

export const found = Effect.fnUntraced(function* (ulid: string) {
  return (yield* (yield* Store).read(partition, [ulid]))[0]
})

export const entriesOf = (claims: ReadonlyArray<Claim>): ReadonlyArray<Entry> =>
  claims.map(({ entry }) => entry)

export const ulidsOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> => entries.map(ulidOfEntry)

export const headerOf = (record: string) => decodeRecord(record).header
