/**
 * The spans of a run: how long its task waited for a worker, and the run itself, from its claim to its settlement. Both
 * follow the submit; what the run does, and the tasks it submits, follow the run.
 */
import type { Span, Tracing } from "../../runtime/telemetry/tracing.ts"
import { carriedIn } from "../../runtime/telemetry/trace-context.ts"
import type { Settlement } from "../../runtime/turn.ts"
import { decodeRecord, type Envelope, readEnvelope, readOutcome } from "../../runtime/record.ts"
import { type Entry, idIn, type Partition, queueOf, runOfEntry, ulidOfEntry } from "../../runtime/task.ts"
import type { RunOutcome } from "./settlement.ts"

/** A run, as far as its span tells of it. */
export interface TracedRun {
  readonly partition: Partition
  readonly worker: string
  readonly entry: Entry
  readonly envelope: Envelope
  /** How long it had been due, where that is known, in milliseconds. */
  readonly waitMs: number | undefined
}

/** Begins the span of a run, and tells of the wait before it. */
export const beginRun = (tracing: Tracing, run: TracedRun): Span => {
  const { entry, envelope, partition, waitMs, worker } = run
  const parent = carriedIn(envelope)
  const queue = queueOf(partition)
  const attributes = {
    "troupe.task.id": idIn(partition, ulidOfEntry(entry)),
    "troupe.attempt": runOfEntry(entry),
    "troupe.worker": worker,
    "troupe.key": envelope.key,
    "messaging.system": "troupe",
    "messaging.destination.name": queue
  }
  const now = tracing.nowMs()
  if (parent.traceparent !== undefined && waitMs !== undefined) {
    tracing.begin(`wait ${queue}`, { parent, attributes, startMs: now - waitMs }).end()
  }
  return tracing.begin(`run ${envelope.name}`, { parent, kind: "consumer", attributes, startMs: now })
}

/** How a run ended, for its span: what is no failure of its handler is said, and is none here. */
export const endRun = (span: Span, outcome: RunOutcome | "lost", settlement?: Settlement): void => {
  span.set({ "troupe.outcome": outcome })
  span.end(settlement === undefined ? undefined : failureOf(settlement))
}

/** The type of what a run failed with; a snooze, a wait and a cancellation are no failures. */
const failureOf = (settlement: Settlement): string | undefined => {
  if (settlement.kind !== "end" && settlement.kind !== "retry") return undefined
  const { header, json } = decodeRecord(settlement.record)
  if (header.letter === "F") return readOutcome(json).error?.type
  return settlement.kind === "retry" ? readEnvelope(json).past?.at(-1)?.error?.type : undefined
}
