/** A task as people and programs see it, made of what lies in the store: a decision over plain values. */
import { Option } from "effect"
import { PayloadUnreadable } from "./encryption/key-ring.ts"
import { lastRun, retryPolicy } from "./retry.ts"
import type { TaskDefinition } from "./handler.ts"
import type { Found } from "./store.ts"
import {
  decodeRecord,
  endedStateOf,
  type Envelope,
  failedOf,
  type Header,
  type LostRun,
  type PastAttempt,
  readEnvelope,
  readOutcome,
  type TaskError
} from "./record.ts"
import { type Lane, partitionOfId, queueOf, type State, submittedAt, type TaskId, ulidOfId } from "./task.ts"

/** One run of a task. Times in Unix milliseconds. */
export interface AttemptView {
  readonly attempt: number
  readonly worker: string
  readonly startedAt: number
  readonly finishedAt?: number
  readonly error?: TaskError
  /** `false` when it used up none of the task's attempts. */
  readonly counted?: false
}

/** How far a run has come, as it said itself: `fraction` is from 0 to 1. */
export interface Progress {
  readonly fraction: number
  readonly message?: string
}

/** Everything about a task but its input and output. Times in Unix milliseconds. */
export interface TaskView {
  readonly id: TaskId
  readonly name: string
  readonly queue: string
  readonly priority: Lane
  readonly state: State
  /** The number of its newest run; 0 before the first. */
  readonly attempt: number
  /**
   * The number of the run whose failure would be the task's. Runs that use up no attempt (lost, handed back, snoozed,
   * ended to wait) move it up, so that `attempt` is never above it.
   */
  readonly maxAttempts: number
  readonly progress?: Progress
  readonly worker?: string
  readonly key?: string
  /** Absent for the tenant `default`. */
  readonly tenant?: string
  /** The task whose run submitted it. */
  readonly parent?: TaskId
  readonly tags: ReadonlyArray<string>
  readonly submittedAt: number
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly dueAt?: number
  readonly expiresAt?: number
  readonly deadlineAt?: number
  readonly error?: TaskError
  readonly attempts: ReadonlyArray<AttemptView>
}

/** Finds the handler of a task, whose retry policy the task's may build on. */
export type FindHandler = (name: string) => TaskDefinition | undefined

/** What the worker notes of a run that lasts. */
export interface RunNote {
  readonly worker: string
  readonly startedAt: number
  readonly progress?: Progress
}

const common = (id: TaskId, { lane, run }: Header, task: Omit<Envelope, "input">, handlers: FindHandler) => ({
  id,
  name: task.name,
  queue: queueOf(partitionOfId(id)),
  priority: lane,
  maxAttempts: lastRun(retryPolicy(handlers(task.name)?.retry, task.retry), run, failedOf(task)),
  ...(task.key === undefined ? {} : { key: task.key }),
  ...(task.tenant === undefined ? {} : { tenant: task.tenant }),
  ...(task.parent === undefined ? {} : { parent: task.parent }),
  ...(task.expiresAt === undefined ? {} : { expiresAt: task.expiresAt }),
  ...(task.deadlineAt === undefined ? {} : { deadlineAt: task.deadlineAt }),
  tags: task.tags ?? [],
  submittedAt: submittedAt(ulidOfId(id))
})

/** Where a task stands: its state, and the number of its newest run (0 before the first). */
export interface Standing {
  readonly state: State
  readonly attempt: number
}

const standing = ({ letter, run }: Header, place: Found["place"]): Standing => {
  switch (place.kind) {
    case "ended":
      return { state: endedStateOf(letter)!, attempt: run }
    case "held":
      return { state: "running", attempt: run }
    case "later":
      return { state: run === 1 ? "scheduled" : "retrying", attempt: run - 1 }
    case "waiting":
      return { state: "waiting", attempt: run - 1 }
    case "lane":
      return { state: "queued", attempt: run - 1 }
  }
}

/** Where a task stands, without reading what it carries. */
export const standingOf = ({ place, record }: Found): Standing => standing(decodeRecord(record).header, place)

/** A run that was lost with its worker, as an attempt. */
const lostAttempt = ({ attempt, lostAt, startedAt = lostAt, worker }: LostRun): PastAttempt => ({
  attempt,
  worker,
  startedAt,
  finishedAt: lostAt,
  error: { type: "WorkerLost", message: "its worker died, or said nothing for longer than its lease" },
  counted: false
})

/** The runs that are over and have not ended the task, oldest first. */
export const pastOf = ({ lost }: Header, { past = [] }: Pick<Envelope, "past">): ReadonlyArray<PastAttempt> =>
  lost === undefined
    ? past
    : [...past, ...lost.map(lostAttempt)].toSorted((one, other) => one.attempt - other.attempt)

const living = (id: TaskId, found: Found, handlers: FindHandler): TaskView => {
  const { header, json } = decodeRecord(found.record)
  const envelope = readEnvelope(json)
  const past = pastOf(header, envelope)
  const { place } = found
  const task = { ...common(id, header, envelope, handlers), ...standing(header, place) }
  switch (place.kind) {
    case "held": {
      const note = place.note === undefined ? undefined : (JSON.parse(place.note) as RunNote)
      const { worker } = place
      const current = note === undefined ? [] : [{ attempt: header.run, worker, startedAt: note.startedAt }]
      return {
        ...task,
        worker,
        ...(note === undefined ? {} : { startedAt: note.startedAt }),
        ...(note?.progress === undefined ? {} : { progress: note.progress }),
        attempts: [...past, ...current]
      }
    }
    case "later": {
      const error = envelope.past?.at(-1)?.error
      return {
        ...task,
        dueAt: place.due,
        ...(error === undefined ? {} : { error }),
        attempts: past
      }
    }
    case "lane":
    case "waiting":
    case "ended":
      return { ...task, attempts: past }
  }
}

const ended = (id: TaskId, record: string, handlers: FindHandler): TaskView => {
  const { header, json } = decodeRecord(record)
  const { error, finishedAt, startedAt, task, unreadable, worker } = readOutcome(json)
  // One that ended while nobody ran it has none, and its next run never was.
  const attempt = worker === "" && unreadable === undefined ? header.run - 1 : header.run
  const past = pastOf(header, task)
  const isListed = worker === "" || past.at(-1)?.attempt === attempt
  const last = {
    attempt,
    worker,
    startedAt: startedAt ?? finishedAt,
    finishedAt,
    ...(error === undefined ? {} : { error })
  }
  return {
    ...common(id, header, task, handlers),
    ...standing(header, { kind: "ended" }),
    attempt,
    ...(worker === "" ? {} : { worker }),
    ...(startedAt === undefined ? {} : { startedAt }),
    finishedAt,
    ...(error === undefined ? {} : { error }),
    attempts: isListed ? past : [...past, last]
  }
}

export const viewOf = (id: TaskId, found: Found, handlers: FindHandler): TaskView =>
  found.place.kind === "ended" ? ended(id, found.record, handlers) : living(id, found, handlers)

/** What was submitted; `none` when it was too large to be kept after the end. */
export const inputOf = ({ place, record }: Found): Option.Option<unknown> => {
  const { json } = decodeRecord(record)
  const task = place.kind === "ended" ? readOutcome(json).task : readEnvelope(json)
  return "input" in task ? Option.some(task.input) : Option.none()
}

/** How a task ended. */
export type Ended =
  | { readonly state: "succeeded"; readonly output: unknown }
  | {
      readonly state: "failed" | "cancelled" | "expired"
      readonly error: TaskError
      /** What came of it cannot be read here, whatever that is. */
      readonly unreadable?: PayloadUnreadable
    }

export const endedOf = (record: string): Ended => {
  const { header, json } = decodeRecord(record)
  const outcome = readOutcome(json)
  const state = endedStateOf(header.letter)
  if (state === undefined) throw new Error("the task has not ended")
  if (state === "succeeded") return { state, output: outcome.output }
  const { error = { type: state, message: `the task ${state}` }, unreadable } = outcome
  return unreadable === undefined
    ? { state, error }
    : { state, error, unreadable: new PayloadUnreadable(unreadable) }
}
