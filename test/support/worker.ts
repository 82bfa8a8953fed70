/** A worker that does nothing by itself: a test claims, emits and settles for it, turn by turn. */
import { Effect } from "effect"
import { type EventKind, type NewEvent, Store } from "../../runtime/store.ts"
import type { Settlement, Turn } from "../../runtime/turn.ts"
import {
  decodeRecord,
  encodeRecord,
  type Envelope,
  type Letter,
  type Outcome,
  type TaskError
} from "../../runtime/record.ts"
import { type Entry, idIn, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import { partition as defaultPartition } from "./stores.ts"
import { aTurn } from "./tasks.ts"

/** What Redis's clock says in what is written here. */
const aTime = Date.UTC(2030, 0, 1, 9)

/** One run of a task. */
export interface Run {
  readonly id: TaskId
  readonly entry: Entry
  /** Stores events of one kind in one go, each under the next number. */
  readonly emit: (kind: EventKind, ...data: ReadonlyArray<unknown>) => Effect.Effect<void, unknown>
  readonly chunks: (...chunks: ReadonlyArray<unknown>) => Effect.Effect<void, unknown>
  /** Goes on as if `count` events had been stored and dropped again. */
  readonly skip: (count: number) => void
  readonly note: (progress?: {
    readonly fraction: number
    readonly message?: string
  }) => Effect.Effect<void, unknown>
  readonly succeed: (output: unknown) => Effect.Effect<void, unknown>
  /** Succeeds, and keeps no input. */
  readonly forgetInput: Effect.Effect<void, unknown>
  readonly fail: (error: TaskError, letter?: Exclude<Letter, "Q" | "S">) => Effect.Effect<void, unknown>
  readonly retry: (error: TaskError, delayMs: number) => Effect.Effect<void, unknown>
  readonly release: Effect.Effect<void, unknown>
}

export const aWorker = Effect.fnUntraced(function* (partition: string = defaultPartition) {
  const store = yield* Store
  const worker = `w-${crypto.randomUUID().slice(0, 8)}`
  const turn = (over: Partial<Turn>) => store.turn(partition, aTurn(worker, { leaseMs: 60_000, ...over }))
  const settle = (settlement: Settlement) =>
    Effect.asVoid(turn({ settled: [settlement], streamed: [settlement.entry] }))

  const runOf = (entry: Entry, record: string): Run => {
    const { header, json } = decodeRecord(record)
    const envelope: Envelope = JSON.parse(json)
    let seq = 0
    const emit = (kind: EventKind, ...data: ReadonlyArray<unknown>) =>
      Effect.suspend(() => {
        const events = data.map((value): NewEvent => ({
          entry,
          seq: ++seq,
          kind,
          data: JSON.stringify(value)
        }))
        return Effect.asVoid(store.append(partition, worker, events))
      })
    const end = (
      letter: Letter,
      rest: Pick<Outcome, "output" | "error">,
      task: Outcome["task"] = envelope
    ) => {
      const outcome: Outcome = { task, worker, startedAt: aTime, finishedAt: aTime + 1_000, ...rest }
      return settle({
        kind: "end",
        entry,
        record: encodeRecord({ ...header, letter }, JSON.stringify(outcome))
      })
    }
    return {
      id: idIn(partition, ulidOfEntry(entry)),
      entry,
      emit,
      chunks: (...chunks) => emit("chunk", ...chunks),
      skip: (count) => void (seq += count),
      note: (progress) =>
        Effect.asVoid(turn({ notes: [[entry, JSON.stringify({ worker, startedAt: aTime, progress })]] })),
      succeed: (output) => end("S", { output }),
      forgetInput: Effect.suspend(() => {
        const { input: _, ...task } = envelope
        return end("S", {}, task)
      }),
      fail: (error, letter = "F") => end(letter, { error }),
      retry: (error, delayMs) => {
        const attempt = { attempt: header.run, worker, startedAt: aTime, finishedAt: aTime + 500, error }
        const next: Envelope = { ...envelope, past: [...(envelope.past ?? []), attempt] }
        const record = encodeRecord({ ...header, run: header.run + 1 }, JSON.stringify(next))
        return settle({ kind: "retry", entry, record, delayMs })
      },
      release: settle({ kind: "release", entry })
    }
  }

  return {
    name: worker,
    /** Claims up to `count` tasks. */
    claim: (count: number) =>
      Effect.map(turn({ want: count }), ({ claimed }) =>
        claimed.map(({ entry, record }) => runOf(entry, record))
      ),
    /** Claims the one task that waits. */
    claimOne: Effect.map(turn({ want: 1 }), ({ claimed: [claim] }) => runOf(claim!.entry, claim!.record))
  }
})
