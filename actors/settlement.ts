/** What is said of a run that has ended: a decision over plain values, without a clock. */
import type { Failure } from "../runtime/fault.ts"
import { nextDelay, type RetryJson, retryPolicy } from "../runtime/retry.ts"
import type { Settlement, WorkerId } from "../runtime/store.ts"
import { encodeRecord, type Entry, type Envelope, type Header, type PastAttempt } from "../runtime/task.ts"
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
  /** The retry policy of its handler, under what its submitter said. */
  readonly retry: RetryJson | undefined
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
  letter: "S" | "F",
  at: Circumstances,
  rest: string
): string => {
  // A dead letter keeps its input, however large: it may be tried again.
  const task =
    letter === "S" && json.length > keptInputMax ? JSON.stringify({ ...envelope, input: undefined }) : json
  const { finishedAt, startedAt, worker } = at
  return encodeRecord(
    { ...header, letter },
    `{"task":${task},"worker":"${worker}","startedAt":${startedAt},"finishedAt":${finishedAt},${rest}}`
  )
}

const failed = (claimed: Claimed, { error, fatal }: Failure, at: Circumstances): Settlement => {
  const { entry, envelope, header } = claimed
  const past = envelope.past ?? []
  const policy = retryPolicy(claimed.retry, envelope.retry)
  const delayMs = fatal ? undefined : nextDelay(policy, past.length + 1, at.random)
  if (delayMs === undefined) {
    return { kind: "end", entry, record: ended(claimed, "F", at, `"error":${JSON.stringify(error)}`) }
  }
  const { finishedAt, startedAt, worker } = at
  const attempt: PastAttempt = { attempt: header.run, worker, startedAt, finishedAt, error }
  const next: Envelope = { ...envelope, past: [...past, attempt] }
  return {
    kind: "retry",
    entry,
    record: encodeRecord({ ...header, run: header.run + 1 }, JSON.stringify(next)),
    delayMs
  }
}

export const settlementOf = (claimed: Claimed, ending: Ending, at: Circumstances): Settlement =>
  ending.kind === "output"
    ? { kind: "end", entry: claimed.entry, record: ended(claimed, "S", at, `"output":${ending.json}`) }
    : failed(claimed, ending.failure, at)
