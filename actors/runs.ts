/**
 * The runs of one worker incarnation in one partition: a fiber each, from its claim to what is to be said of it.
 *
 * However a run ends, it is settled once, unless it was lost: then it is over for us at once, and nothing is said.
 */
import { Cause, Effect, Exit, Fiber, type Scope } from "effect"
import { describe } from "../runtime/fault.ts"
import type { LogLevel } from "../runtime/handler.ts"
import { Handlers } from "../runtime/registry.ts"
import type { Claim, Settlement, Store, WorkerId } from "../runtime/store.ts"
import { decodeRecord, type Entry, type Partition, readEnvelope } from "../runtime/task.ts"
import { attempt, type Ending, type Services } from "./attempt.ts"
import { type Emitter, openEmitter } from "./emitter.ts"
import { type Claimed, settlementOf } from "./settlement.ts"

/** A run that has lasted longer than this gets a note, so that others can see who runs it, in milliseconds. */
const noteAfterMs = 100

/** The least time between two notes of one run, in milliseconds. */
const noteEveryMs = 250

/** Why a run was interrupted. */
export type Stop = "timeout" | "drain" | "lost"

interface Running extends Claimed {
  readonly timeoutMs: number | undefined
  /** On Redis's clock, and on ours. */
  readonly startedAt: number
  readonly startedMono: number
  fiber: Fiber.Fiber<Ending> | undefined
  stop: Stop | undefined
  progress: { readonly fraction: number; readonly message?: string } | undefined
  notedMono: number
  noteDue: boolean
}

/** What has finished and is to be said. */
export interface Settled {
  readonly settlement: Settlement
  readonly noted: boolean
  readonly streamed: boolean
  readonly reply: string | undefined
}

export interface Runs {
  readonly size: () => number
  readonly has: (entry: Entry) => boolean
  readonly entries: () => ReadonlyArray<Entry>
  readonly start: (claim: Claim, nowMono: number) => void
  /** Ends a run early. One that is `lost` is forgotten at once; its fiber may take a moment to notice. */
  readonly interrupt: (entry: Entry, stop: Stop) => void
  /** Looks at every run: whose time is up is interrupted, whose note is due gets one. */
  readonly look: () => void
  readonly noteIsDue: () => boolean
  /** Up to `most` notes that are due. */
  readonly takeNotes: (most: number) => ReadonlyArray<readonly [Entry, string]>
}

export interface RunsOptions {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly services: Services
  /** Our monotonic clock, and Redis's clock at a time of ours, in milliseconds. */
  readonly mono: () => number
  readonly redisNow: (mono?: number) => number
  readonly onSettled: (settled: Settled) => void
  readonly onChange: () => void
}

/** Opens a set of runs. What still runs when the scope closes is interrupted, and nothing is said of it. */
export const openRuns = Effect.fnUntraced(function* (
  options: RunsOptions
): Effect.fn.Return<Runs, never, Store | Handlers | Scope.Scope> {
  const { mono, onChange, onSettled, partition, redisNow, services, worker } = options
  const handlers = yield* Handlers
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const running = new Map<Entry, Running>()
  /** Runs that a look found to be due for a note. */
  let noting: Array<Running> = []

  const emitter: Emitter = yield* openEmitter({
    partition,
    worker,
    onLost: (entry) => interrupt(entry, "lost")
  })

  const interrupt = (entry: Entry, stop: Stop) => {
    const run = running.get(entry)
    if (run === undefined || run.stop !== undefined) return
    run.stop = stop
    if (stop === "lost") running.delete(entry)
    if (run.fiber !== undefined) fork(Fiber.interrupt(run.fiber))
    onChange()
  }

  const settle = (run: Running, settlement: Settlement) => {
    running.delete(run.entry)
    onSettled({
      settlement,
      noted: run.notedMono > 0,
      streamed: emitter.streamed(run.entry),
      reply: settlement.kind === "end" ? run.envelope.reply : undefined
    })
    emitter.forget(run.entry)
    onChange()
  }

  const settleEnding = (run: Running, exit: Exit.Exit<Ending>) => {
    if (run.stop === "lost") return emitter.forget(run.entry)
    if (run.stop === "drain") return settle(run, { kind: "release", entry: run.entry })
    const { startedAt } = run
    const at = { worker, startedAt, finishedAt: redisNow(), random: Math.random() }
    settle(run, settlementOf(run, endingOf(run, exit), at))
  }

  const writesOf = (run: Running) => ({
    progress: (fraction: number, message: string | undefined) => {
      run.progress = { fraction, ...(message === undefined ? {} : { message }) }
      run.noteDue = true
      return emitter.emit(run.entry, "progress", run.progress)
    },
    log: (message: string, level: LogLevel) => emitter.emit(run.entry, "log", { level, message }),
    emit: (chunk: unknown) => emitter.emit(run.entry, "chunk", chunk)
  })

  const start = ({ entry, record }: Claim, now: number) => {
    const { header, json } = decodeRecord(record)
    const envelope = readEnvelope(json)
    const definition = handlers.find(envelope.name)
    const run: Running = {
      entry,
      header,
      json,
      envelope,
      retry: definition?.retry,
      timeoutMs: envelope.timeoutMs ?? definition?.timeoutMs,
      startedAt: redisNow(now),
      startedMono: now,
      fiber: undefined,
      stop: undefined,
      progress: undefined,
      notedMono: 0,
      noteDue: false
    }
    running.set(entry, run)
    run.fiber = fork(
      definition === undefined
        ? Effect.succeed(missing(envelope.name))
        : attempt({ definition, partition, entry, envelope, writes: writesOf(run), services })
    )
    // What it did before its first pause may have led to its own end.
    if (run.stop !== undefined) fork(Fiber.interrupt(run.fiber))
    run.fiber.addObserver((exit) => {
      // What it wrote without waiting is stored first: afterwards the entry is no longer held.
      const flushed = emitter.flushed(entry)
      if (flushed === undefined) settleEnding(run, exit)
      else fork(Effect.map(flushed, () => settleEnding(run, exit)))
    })
  }

  const look = () => {
    const now = mono()
    noting = []
    for (const run of running.values()) {
      const first = run.notedMono === 0 && now - run.startedMono > noteAfterMs
      const fresh = run.noteDue && run.notedMono > 0 && now - run.notedMono > noteEveryMs
      if (first || fresh) noting.push(run)
      if (now - run.startedMono >= (run.timeoutMs ?? Number.POSITIVE_INFINITY))
        interrupt(run.entry, "timeout")
    }
  }

  const takeNotes = (most: number) => {
    const now = mono()
    return noting
      .splice(0, most)
      .filter(({ entry }) => running.has(entry))
      .map((run): readonly [Entry, string] => {
        run.notedMono = now
        run.noteDue = false
        return [run.entry, JSON.stringify({ worker, startedAt: run.startedAt, progress: run.progress })]
      })
  }

  // However it ends, nothing it started outlives it.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(
      [...running.values()],
      (run) => {
        run.stop ??= "lost"
        return run.fiber === undefined ? Effect.void : Fiber.interrupt(run.fiber)
      },
      { discard: true, concurrency: "unbounded" }
    )
  )

  return {
    size: () => running.size,
    has: (entry) => running.has(entry),
    entries: () => [...running.keys()],
    start,
    interrupt,
    look,
    noteIsDue: () => noting.length > 0,
    takeNotes
  }
})

const failure = (type: string, message: string): Ending => ({
  kind: "failure",
  failure: { error: { type, message }, fatal: false }
})

/** Another worker may have the handler, as while a new version is being rolled out: the task is tried again. */
const missing = (name: string) => failure("UnknownHandler", `this worker has no handler called ${name}`)

const endingOf = (run: Running, exit: Exit.Exit<Ending>): Ending => {
  if (run.stop === "timeout") return failure("TimedOut", `the run took longer than ${run.timeoutMs} ms`)
  return Exit.isSuccess(exit)
    ? exit.value
    : { kind: "failure", failure: { error: describe(Cause.squash(exit.cause)), fatal: false } }
}
