/**
 * Takes turns with one partition for one worker incarnation: claims what can run now, runs each task in a fiber of
 * its own, and settles what has finished.
 *
 * At most two turns are in flight, so that a batch runs while the next is fetched; what finishes meanwhile gathers
 * for the next turn. A turn without an answer is said again, alone, asking for everything held: a claim whose reply
 * was lost would otherwise be held by us and run by nobody. It ends with `Fenced` once the lease is lost, having
 * interrupted everything it ran.
 */
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Latch, type Scope } from "effect"
import { describe } from "../runtime/fault.ts"
import type { LogLevel } from "../runtime/handler.ts"
import { Handlers } from "../runtime/registry.ts"
import {
  bellWaitMaxMs,
  type Claim,
  Fenced,
  type Settlement,
  Store,
  StoreError,
  type Turn,
  type TurnReply,
  type WorkerId
} from "../runtime/store.ts"
import { decodeRecord, type Entry, type Partition, readEnvelope } from "../runtime/task.ts"
import { attempt, type Ending, type Services } from "./attempt.ts"
import { type Emitter, openEmitter } from "./emitter.ts"
import { type Claimed, settlementOf } from "./settlement.ts"

/** How much one turn carries at most. A script over these stays under 5 ms. */
const claimMax = 250
const settleMax = 500

/** A run that has lasted longer than this gets a note, so that others can see who runs it, in milliseconds. */
const noteAfterMs = 100

/** How often running tasks are looked after: deadlines, notes, the lease, in milliseconds. */
const pulseMs = 25

/** The least time between two notes of one run, in milliseconds. */
const noteEveryMs = 250

/** How long a puller waits after a turn without an answer, at first and at most, in milliseconds. */
const backoffMinMs = 25
const backoffMaxMs = 1_000

/** Why a run was interrupted. */
type Stop = "timeout" | "drain" | "lost"

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

interface Settled {
  readonly settlement: Settlement
  readonly noted: boolean
  readonly streamed: boolean
  readonly reply: string | undefined
}

export interface Puller {
  readonly partition: Partition
  /** Never succeeds. Fails once this incarnation has lost its lease; nothing of it runs any more. */
  readonly fenced: Effect.Effect<never, Fenced>
  /**
   * Claims no more, lets what runs finish until `hurry`, hands the rest back, and ends the registration.
   * Succeeds when all of that is stored, or has been tried for a lease.
   */
  readonly drain: (hurry: Effect.Effect<void>) => Effect.Effect<void>
  readonly running: () => number
}

export interface PullerOptions {
  readonly partition: Partition
  readonly worker: WorkerId
  readonly concurrency: number
  readonly lease: Duration.Duration
  readonly services: Services
}

export const openPuller = Effect.fnUntraced(function* (
  options: PullerOptions
): Effect.fn.Return<Puller, StoreError, Store | Handlers | Scope.Scope> {
  const { concurrency, partition, services, worker } = options
  const leaseMs = Duration.toMillis(options.lease)
  const store = yield* Store
  const handlers = yield* Handlers
  const fenced = yield* Deferred.make<never, Fenced>()
  const fork = Effect.runForkWith(yield* Effect.context<never>())

  const running = new Map<Entry, Running>()
  /** What has finished and is to be said; and what is being said in a turn on its way. */
  let settled: Array<Settled> = []
  const saying = new Set<Entry>()
  let inFlight = 0
  let reserved = 0
  /** How many turns may claim at once: two while the lanes gave all that was asked for, one to see, none. */
  let claimers: 0 | 1 | 2 = 1
  let claiming = 0
  /** Whether a token of the bell was taken, for which a turn is owed. */
  let owed = false
  let again = true
  let joined = false
  let draining = false
  /** Whether it has left: from then on a turn would only find that it is not registered. */
  let left = false
  let lastTurnMono = 0
  let lastAnswerMono = 0
  /** Until then no other worker's lease is judged: after an outage all of them seem to have run out. */
  let judgeFromMono = 0
  let clockOffset: number | undefined
  let nextDue: number | undefined
  let backoffMs = 0

  const clock = yield* Clock.Clock
  const mono = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const redisNow = (at = mono()) =>
    Math.round(clockOffset === undefined ? clock.currentTimeMillisUnsafe() : clockOffset + at)
  const free = () => concurrency - running.size - reserved

  /** Wakes whoever waits for the state above to change. */
  const changed = Latch.makeUnsafe(false)
  let changing = false
  const change = () => {
    if (changing) return
    changing = true
    // A batch that finishes in one tick wakes them once.
    queueMicrotask(() => {
      changing = false
      changed.openUnsafe()
    })
  }
  const until = (holds: () => boolean) =>
    Effect.gen(function* () {
      while (!holds()) {
        changed.closeUnsafe()
        yield* changed.await
      }
    })

  const emitter: Emitter = yield* openEmitter({
    partition,
    worker,
    onLost: (entry) => interrupt(entry, "lost")
  })

  // -------------------------------------------------------------------------------------------------------
  // Runs
  // -------------------------------------------------------------------------------------------------------

  const interrupt = (entry: Entry, stop: Stop) => {
    const run = running.get(entry)
    if (run === undefined || run.stop !== undefined) return
    run.stop = stop
    // One that is lost is over for us at once; its fiber may take a moment to notice.
    if (stop === "lost") running.delete(entry)
    if (run.fiber !== undefined) fork(Fiber.interrupt(run.fiber))
    change()
  }

  const settle = (run: Running, settlement: Settlement) => {
    running.delete(run.entry)
    settled.push({
      settlement,
      noted: run.notedMono > 0,
      streamed: emitter.streamed(run.entry),
      reply: settlement.kind === "end" ? run.envelope.reply : undefined
    })
    emitter.forget(run.entry)
    change()
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

  // -------------------------------------------------------------------------------------------------------
  // Turns
  // -------------------------------------------------------------------------------------------------------

  const renewDue = () => mono() - lastTurnMono > Math.min(leaseMs / 3, 2 * bellWaitMaxMs)

  const mayClaim = () => claiming < claimers && !draining && free() > 0

  const hasReason = (): boolean => {
    if (left) return false
    // Joining, and asking for everything held, are done alone: another turn on its way would blur the answer.
    if (again) return inFlight === 0
    return settled.length > 0 || owed || mayClaim() || notesDue().length > 0 || renewDue()
  }

  const notesDue = (): ReadonlyArray<Running> => {
    const now = mono()
    const due: Array<Running> = []
    if (now - oldestUnnoted < noteAfterMs && !someDirty) return due
    for (const run of running.values()) {
      const first = run.notedMono === 0 && now - run.startedMono > noteAfterMs
      const fresh = run.noteDue && run.notedMono > 0 && now - run.notedMono > noteEveryMs
      if (first || fresh) due.push(run)
    }
    return due
  }
  // Kept by the pulse, so that the hot path need not look at every run.
  let oldestUnnoted = Number.POSITIVE_INFINITY
  let someDirty = false

  const noteOf = (run: Running): readonly [Entry, string] => {
    run.notedMono = mono()
    run.noteDue = false
    return [run.entry, JSON.stringify({ worker, startedAt: run.startedAt, progress: run.progress })]
  }

  const compose = (said: ReadonlyArray<Settled>, want: number): Turn => {
    const hints = new Map<string, Array<Entry>>()
    for (const { reply, settlement } of said) {
      if (reply === undefined) continue
      const entries = hints.get(reply) ?? []
      hints.set(reply, entries)
      entries.push(settlement.entry)
    }
    const expected = clockOffset === undefined ? 0 : mono() < judgeFromMono ? -1 : redisNow()
    return {
      worker,
      leaseMs,
      want,
      join: !joined,
      again,
      expectedNow: expected,
      settled: said.map(({ settlement }) => settlement),
      noted: said.filter(({ noted }) => noted).map(({ settlement }) => settlement.entry),
      streamed: said
        .filter(({ settlement, streamed }) => streamed && settlement.kind === "end")
        .map(({ settlement }) => settlement.entry),
      notes: notesDue().map(noteOf),
      hints: [...hints]
    }
  }

  const takeReply = (turn: Turn, reply: TurnReply) => {
    const now = mono()
    clockOffset = reply.now - now
    if (now - lastAnswerMono > leaseMs / 2 && lastAnswerMono > 0) judgeFromMono = now + leaseMs
    lastAnswerMono = now
    nextDue = reply.nextDue
    joined = true
    backoffMs = 0
    if (turn.want > 0) claimers = reply.claimed.length === turn.want ? 2 : 0
    for (const claim of reply.claimed) start(claim, now)
    for (const entry of reply.lost) interrupt(entry, "lost")
    if (!turn.again) return
    again = false
    for (const entry of reply.held) {
      const known =
        running.has(entry) ||
        saying.has(entry) ||
        settled.some(({ settlement }) => settlement.entry === entry)
      if (!known)
        settled.push({
          settlement: { kind: "release", entry },
          noted: false,
          streamed: false,
          reply: undefined
        })
    }
  }

  /** Ends everything without a word: none of it is ours any more. */
  const giveUp = (error: Fenced) => {
    for (const entry of [...running.keys()]) interrupt(entry, "lost")
    settled = []
    Deferred.doneUnsafe(fenced, Effect.fail(error))
  }

  const takeTurn = Effect.gen(function* () {
    yield* until(hasReason)
    // What finishes in the same tick is said in the same turn; where nothing runs, nothing will.
    if (running.size > 0) {
      yield* Effect.yieldNow
      if (!hasReason()) return
    }
    const want = draining ? 0 : Math.max(0, Math.min(free(), claimMax, Math.ceil(concurrency / 2)))
    if (want > 0) claiming += 1
    const said = settled.splice(0, settleMax)
    const turn = compose(said, want)
    for (const { settlement } of said) saying.add(settlement.entry)
    owed = false
    inFlight += 1
    reserved += want
    lastTurnMono = mono()
    const exit = yield* Effect.exit(store.turn(partition, turn))
    inFlight -= 1
    reserved -= want
    if (want > 0) claiming -= 1
    for (const { settlement } of said) saying.delete(settlement.entry)
    if (Exit.isSuccess(exit)) takeReply(turn, exit.value)
    else {
      const error = Cause.squash(exit.cause)
      if (error instanceof Fenced) return giveUp(error)
      if (!(error instanceof StoreError)) return yield* Effect.die(error)
      settled = [...said, ...settled]
      again = true
      backoffMs = Math.min(backoffMaxMs, Math.max(backoffMinMs, backoffMs * 2))
      yield* Effect.logWarning(`a turn got no answer and is said again: ${error.message}`)
      yield* Effect.sleep(backoffMs)
    }
    change()
  })

  // -------------------------------------------------------------------------------------------------------
  // What goes on beside the turns
  // -------------------------------------------------------------------------------------------------------

  const bell = yield* store.bell([partition])
  const listen = Effect.gen(function* () {
    yield* until(() => !draining && joined && claimers === 0 && claiming === 0 && free() > 0)
    yield* bell
      .wait(bellWaitMaxMs)
      .pipe(Effect.catch((error) => Effect.andThen(Effect.logWarning(error.message), Effect.sleep(100))))
    wake()
    yield* until(() => !owed)
  })

  /** Something may wait in the lanes: a turn is owed. */
  const wake = () => {
    claimers = 1
    owed = true
    change()
  }

  /** Takes a turn when the next delayed task is due. */
  const awaitDue = Effect.gen(function* () {
    yield* until(() => nextDue !== undefined && !draining)
    const due = nextDue!
    const passed = yield* Effect.raceFirst(
      Effect.as(Effect.sleep(Math.max(1, due - redisNow())), true),
      Effect.as(
        until(() => nextDue !== due),
        false
      )
    )
    if (!passed) return
    wake()
    // The turn's answer names the next one, or this one again when Redis's clock was a moment behind.
    yield* until(() => !owed && claiming === 0)
  })

  const pulse = Effect.gen(function* () {
    yield* until(() => running.size > 0)
    yield* Effect.sleep(pulseMs)
    const now = mono()
    oldestUnnoted = Number.POSITIVE_INFINITY
    someDirty = false
    for (const run of running.values()) {
      if (run.notedMono === 0) oldestUnnoted = Math.min(oldestUnnoted, run.startedMono)
      if (run.noteDue) someDirty = true
      if (now - run.startedMono >= (run.timeoutMs ?? Number.POSITIVE_INFINITY))
        interrupt(run.entry, "timeout")
    }
    change()
  })

  /** A claim whose reply was lost is found at the latest after a lease, even if Redis ran it late. */
  const recall = Effect.gen(function* () {
    yield* Effect.sleep(leaseMs)
    again = true
    change()
  })

  const forever = (what: string, step: Effect.Effect<void>) =>
    Effect.forever(step).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${what} stopped`, cause)
      ),
      Effect.annotateLogs({ partition, worker }),
      Effect.forkScoped
    )
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
  yield* forever("taking turns", takeTurn)
  yield* forever("taking turns", takeTurn)
  yield* forever("listening at the bell", listen)
  yield* forever("waiting for what is due", awaitDue)
  yield* forever("looking after running tasks", pulse)
  yield* forever("recalling claims", recall)

  const drain = Effect.fnUntraced(function* (hurry: Effect.Effect<void>) {
    draining = true
    change()
    yield* Effect.raceFirst(
      until(() => running.size === 0 && inFlight === 0),
      hurry
    )
    for (const entry of [...running.keys()]) interrupt(entry, "drain")
    const said = until(() => running.size === 0 && settled.length === 0 && inFlight === 0)
    yield* Effect.raceFirst(said, Effect.ignore(Deferred.await(fenced))).pipe(
      Effect.timeoutOption(options.lease)
    )
    left = true
    yield* Effect.ignore(store.leave(partition, worker))
  })

  return { partition, fenced: Deferred.await(fenced), drain, running: () => running.size }
})

const failure = (type: string, message: string, fatal = false): Ending => ({
  kind: "failure",
  failure: { error: { type, message }, fatal }
})

/** Another worker may have the handler, as while a new version is being rolled out: the task is tried again. */
const missing = (name: string) => failure("UnknownHandler", `this worker has no handler called ${name}`)

const endingOf = (run: Running, exit: Exit.Exit<Ending>): Ending => {
  if (run.stop === "timeout") return failure("TimedOut", `the run took longer than ${run.timeoutMs} ms`)
  return Exit.isSuccess(exit)
    ? exit.value
    : { kind: "failure", failure: { error: describe(Cause.squash(exit.cause)), fatal: false } }
}
