/**
 * What a run writes while it lasts: progress, logs, chunks, steps, and what it has used of limits. Each goes to those who
 * follow the task, and none is kept of a run that is over.
 */
import { Effect } from "effect"
import { EventRefused, type LogLevel } from "../../runtime/handler.ts"
import type { Entry, Partition } from "../../runtime/task.ts"
import { runFields } from "../../runtime/telemetry/logs.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import type { Writes } from "./run-of.ts"
import type { Emitter } from "./emitter.ts"
import { noteEveryMs, type Running } from "./running.ts"

/** What a handler says is said to its operators as well as to those who follow its task. */
const logAt = {
  debug: Effect.logDebug,
  info: Effect.logInfo,
  warn: Effect.logWarning,
  error: Effect.logError
} as const satisfies Record<LogLevel, (message: string) => Effect.Effect<void>>

/** What the runs of one partition write with. */
export interface Writing {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly emitter: Emitter
  readonly fork: (effect: Effect.Effect<unknown, unknown>) => unknown
  /** A note is due at a time on our monotonic clock. */
  readonly dueBy: (mono: number) => void
  readonly onChange: () => void
  readonly onLost: (entry: Entry) => void
}

/** Made for each run, on one list of means for all of them. */
export class RunWrites implements Writes {
  readonly #run: Running
  readonly #with: Writing

  constructor(run: Running, writing: Writing) {
    this.#run = run
    this.#with = writing
  }

  progress(fraction: number, message: string | undefined) {
    if (typeof fraction !== "number" || Number.isNaN(fraction)) {
      return Effect.fail(
        new EventRefused({ reason: `progress: ${String(fraction)} is no number from 0 to 1` })
      )
    }
    const run = this.#run
    const { dueBy, emitter, onChange } = this.#with
    // Sums of fractions end a little above 1.
    const within = Math.min(1, Math.max(0, fraction))
    run.progress = { fraction: within, ...(message === undefined ? {} : { message }) }
    run.noteDue = true
    if (run.notedMono > 0) {
      dueBy(run.notedMono + noteEveryMs)
      onChange()
    }
    return emitter.emit(run.entry, "progress", run.progress)
  }

  log(message: string, level: LogLevel) {
    const { entry, envelope, trace } = this.#run
    const { emitter, fork, partition, worker } = this.#with
    const fields = runFields({ partition, worker, entry, envelope: { ...envelope, ...trace?.carried } })
    fork(Effect.annotateLogs(logAt[level](message), fields))
    return emitter.emit(entry, "log", { level, message })
  }

  emit(chunk: unknown) {
    return this.#with.emitter.emit(this.#run.entry, "chunk", chunk)
  }

  // Nobody waits for it: a step counts once it is remembered.
  stepped(step: { readonly number: number; readonly name: string }) {
    this.#with.fork(Effect.ignore(this.#with.emitter.emit(this.#run.entry, "step", step)))
  }

  spend(limit: string, amount: number) {
    const { used } = this.#run
    this.#run.used = { ...used, [limit]: (used?.[limit] ?? 0) + amount }
  }

  lost() {
    this.#with.onLost(this.#run.entry)
  }
}
