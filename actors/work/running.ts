/**
 * One run while it lasts, as a value, and what follows from how it ends: decisions over plain values.
 */
import { Cause, type Effect, Exit, type Fiber } from "effect"
import { describe } from "../../runtime/fault.ts"
import type { Entry } from "../../runtime/task.ts"
import type { Limit } from "../../runtime/handler.ts"
import type { Settlement } from "../../runtime/turn.ts"
import type { Span } from "../../runtime/telemetry/tracing.ts"
import type { Acting } from "../agent/act.ts"
import type { Came, Waiting } from "../agent/cells.ts"
import type { Ending } from "./attempt.ts"
import type { Gathered } from "./batches.ts"
import { askAgainMs, isPatient } from "./patience.ts"
import type { Claimed } from "./settlement.ts"

/** A run that has lasted longer than this gets a note, so that others can see who runs it, in milliseconds. */
const noteAfterMs = 100

/** The least time between two notes of one run, in milliseconds. */
export const noteEveryMs = 250

/** Why a run was interrupted. One that is lost or cancelled is not the task's current one any more. */
export type Stop = "timeout" | "drain" | "lost" | "cancelled"

/** How soon a task is looked at again whose payload could not be opened, in milliseconds. */
const unreadableAgainMs = 2_000

export interface Running extends Claimed {
  readonly timeoutMs: number | undefined
  readonly limits: ReadonlyArray<Limit>
  readonly ring: string | undefined
  readonly permit: string | undefined
  /** On Redis's clock, and on ours; in a batch that gathers, later than any time. */
  startedAt: number
  startedMono: number
  fiber: Fiber.Fiber<Ending> | undefined
  /** What its fiber would do: a plain function that nobody interrupts runs without one. */
  fiberless: Effect.Effect<Ending> | undefined
  /** In its place, in a batch. */
  gathered: Gathered | undefined
  /** Where it waits for its turn, and what it did, when it is an agent's message. */
  mail: Waiting | undefined
  acting: Acting | undefined
  stop: Stop | undefined
  used: Record<string, number> | undefined
  progress: { readonly fraction: number; readonly message?: string } | undefined
  /** Its span, where traces are recorded. */
  trace: Span | undefined
  notedMono: number
  noteDue: boolean
}

/** Whether it is no longer the task's current one. */
export const isGone = (stop: Stop | undefined) => stop === "lost" || stop === "cancelled"

/** The settlement with what its message did: all of it with a success, what a failure leaves with a death. */
export const acted = ({ acting }: Running, settlement: Settlement): Settlement =>
  acting === undefined || settlement.kind !== "end" ? settlement : { ...settlement, act: acting.act }

export const cameOf = ({ acting }: Running, settlement: Settlement): Came => {
  const isOver = settlement.kind === "end" && !settlement.record.startsWith("F")
  return isOver && acting !== undefined ? { kind: "handled", next: acting.next } : { kind: "blocked" }
}

/** When a run is due for its next note, on our monotonic clock. */
export const noteDueMono = ({ noteDue, notedMono, startedMono }: Running): number => {
  if (notedMono === 0) return startedMono + noteAfterMs
  return noteDue ? notedMono + noteEveryMs : Number.POSITIVE_INFINITY
}

export const firstDueMono = (run: Running): number =>
  run.startedMono + Math.min(noteAfterMs, run.timeoutMs ?? Number.POSITIVE_INFINITY)

/** It is nobody's failure. */
const uncounted = { counted: false, limit: undefined, cools: false } as const

const failure = (type: string, message: string): Ending => ({
  kind: "failure",
  failure: { error: { type, message }, fatal: false }
})

/** A task goes to another worker that may have the handler, as while a new version is being rolled out; see `patience.ts`. */
export const missing = (name: string, entry: Entry): Ending => ({
  kind: "failure",
  failure: {
    error: { type: "UnknownHandler", message: `this worker has no handler called ${name}` },
    fatal: false,
    ...(isPatient(entry) && { after: { ...uncounted, ms: askAgainMs } })
  }
})

/** Its key may be put back, or another worker may have it: the task is tried again, and no attempt is used up. */
export const unreadable: Ending = {
  kind: "failure",
  failure: {
    error: {
      type: "PayloadUnreadable",
      message:
        "its input cannot be read: its key is not, or not the same, in this worker's TROUPE_ENCRYPTION_KEYS"
    },
    fatal: false,
    after: { ...uncounted, ms: unreadableAgainMs }
  }
}

export const endingOf = (run: Running, exit: Exit.Exit<Ending>): Ending => {
  if (run.stop === "timeout") return failure("TimedOut", `the run took longer than ${run.timeoutMs} ms`)
  return Exit.isSuccess(exit)
    ? exit.value
    : { kind: "failure", failure: { error: describe(Cause.squash(exit.cause)), fatal: false } }
}
