/**
 * What is said of a run that has ended: a decision over plain values, without a clock.
 *
 * A run ends its task, or is followed by another. Then the record lists it among the earlier runs, and counts it if it
 * was a failure that uses up an attempt.
 */
import type { Failure } from "../../runtime/fault.ts"
import {
  type BackoffFunction,
  delayFrom,
  nextDelay,
  type RetryJson,
  retryPolicy,
  saysBackoff
} from "../../runtime/retry.ts"
import type { WorkerId, Settlement } from "../../runtime/turn.ts"
import {
  encodeRecord,
  type Envelope,
  failedOf,
  type Header,
  type PastAttempt,
  pastMax
} from "../../runtime/record.ts"
import type { Entry } from "../../runtime/task.ts"
import type { Ending } from "./attempt.ts"

/** A larger envelope keeps no input once its task has succeeded, in characters of JSON. */
export const keptInputMax = 16 * 1024

/** A run as it was claimed. */
export interface Claimed {
  readonly entry: Entry
  readonly header: Header
  /** The envelope as it is stored, and as it is read. */
  readonly json: string
  readonly envelope: Envelope
  /** The retry policy of its handler, under what its submitter said, and the function in place of its backoff. */
  readonly retry: RetryJson | undefined
  readonly backoff: BackoffFunction | undefined
}

/** Who ran it and when, in Unix milliseconds on Redis's clock; `random` in [0, 1) spreads retries. */
export interface Circumstances {
  readonly worker: WorkerId
  readonly startedAt: number
  readonly finishedAt: number
  readonly random: number
}

/** The record of an ended task: its envelope as it was stored, and what came of it. */
const ended = (
  { envelope, header, json }: Claimed,
  letter: "S" | "F" | "C",
  at: Circumstances,
  rest: string
): string => {
  // A dead letter keeps its input, however large: it may be tried again.
  const task =
    letter === "S" && json.length > keptInputMax ? JSON.stringify({ ...envelope, input: undefined }) : json
  const { finishedAt, startedAt, worker } = at
  return encodeRecord(
    header,
    `{"task":${task},"worker":"${worker}","startedAt":${startedAt},"finishedAt":${finishedAt},${rest}}`,
    letter
  )
}

/** The record of a task that runs again: this run is one of its earlier ones. */
const goesOn = (
  { envelope, header }: Claimed,
  { finishedAt, startedAt, worker }: Circumstances,
  run: Pick<PastAttempt, "error" | "counted">,
  dueAt: number | undefined
): string => {
  const { dueAt: _, failed: __, past = [], pastDropped = 0, ...rest } = envelope
  const all: ReadonlyArray<PastAttempt> = [
    ...past,
    { attempt: header.run, worker, startedAt, finishedAt, ...run }
  ]
  const dropped = Math.max(0, all.length - pastMax)
  const failed = failedOf(envelope) + (run.counted === false ? 0 : 1)
  const next: Envelope = {
    ...rest,
    past: all.slice(dropped),
    ...(dropped + pastDropped > 0 ? { pastDropped: dropped + pastDropped } : {}),
    ...(failed > 0 ? { failed } : {}),
    ...(dueAt === undefined ? {} : { dueAt })
  }
  return encodeRecord({ ...header, run: header.run + 1 }, JSON.stringify(next))
}

const again = (
  claimed: Claimed,
  at: Circumstances,
  run: Pick<PastAttempt, "error" | "counted">,
  delayMs: number
): Settlement => ({
  kind: "retry",
  entry: claimed.entry,
  record: goesOn(claimed, at, run, at.finishedAt + delayMs),
  delayMs
})

/** What a submitter says of the backoff counts before a function of the handler. */
const delayAfter = (
  { backoff, envelope, retry }: Claimed,
  { after, error, fatal }: Failure,
  random: number
): number | undefined => {
  if (fatal) return undefined
  if (after?.counted === false) return after.ms
  const failed = failedOf(envelope) + 1
  const policy = retryPolicy(retry, envelope.retry)
  const delayMs = nextDelay(policy, failed, random)
  if (delayMs === undefined) return undefined
  if (after !== undefined) return after.ms
  const said =
    backoff === undefined || saysBackoff(envelope.retry) ? undefined : delayFrom(backoff, failed, error)
  return said ?? delayMs
}

const failed = (claimed: Claimed, failure: Failure, at: Circumstances): Settlement => {
  const { after, error } = failure
  const delayMs = delayAfter(claimed, failure, at.random)
  if (delayMs === undefined) {
    const record = ended(claimed, "F", at, `"error":${JSON.stringify(error)}`)
    return { kind: "end", entry: claimed.entry, record }
  }
  return again(claimed, at, { error, ...(after?.counted === false ? { counted: false } : {}) }, delayMs)
}

export const settlementOf = (claimed: Claimed, ending: Ending, at: Circumstances): Settlement => {
  const { entry } = claimed
  switch (ending.kind) {
    case "output":
      return { kind: "end", entry, record: ended(claimed, "S", at, `"output":${ending.json}`) }
    case "failure":
      return failed(claimed, ending.failure, at)
    case "cancelled":
      return {
        kind: "end",
        entry,
        record: ended(claimed, "C", at, `"error":${JSON.stringify(ending.error)}`)
      }
    case "snooze":
      return again(claimed, at, { counted: false }, ending.afterMs)
    case "wait":
      return {
        kind: "wait",
        entry,
        record: goesOn(claimed, at, { counted: false }, undefined),
        children: ending.children,
        ...(ending.hasty ? { hasty: true } : {})
      }
  }
}

/** What came of a run, as it is counted. */
export type RunOutcome = "succeeded" | "failed" | "cancelled" | "retried" | "waiting" | "released"

const outcomes = { S: "succeeded", F: "failed", C: "cancelled" } as const

export const outcomeOf = (settlement: Settlement): RunOutcome => {
  switch (settlement.kind) {
    case "end":
      return outcomes[settlement.record[0] as keyof typeof outcomes]
    case "retry":
      return "retried"
    case "wait":
      return "waiting"
    case "release":
      return "released"
  }
}
