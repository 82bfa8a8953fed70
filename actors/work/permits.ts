/**
 * The permits of one puller: taken for rings that have work, they ride in the next turn and are ended with their runs.
 *
 * One that was not claimed is kept for a moment and then given back, so none is held idle. What got no answer is said
 * again later, and nothing is lost but time; should this process die, its permits come back when their lease ends.
 *
 * What it has, and asks for when, is decided over plain values (`permit-rings.ts`); what waits is an effect on its way, and
 * `onChange` tells of news.
 */
import { Cause, Clock, Effect, Exit, Fiber, Queue, Schedule, type Scope } from "effect"
import { type LimitRequest, Limits, type PermitsAsk, type Used } from "../../runtime/limits.ts"
import { StoreError } from "../../runtime/store.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import { upkeepPause } from "../../runtime/upkeep.ts"
import { type Ring, Rings } from "./permit-rings.ts"
import { worthOf } from "./permit-worth.ts"

/** How many permits are taken, and how many are ended, by one call. */
const takeMax = 250
const endMax = 500

/** How long a permit that nothing was claimed for is kept, in milliseconds. */
export const keepMs = 200

/** How long after a call without an answer the next one is made, in milliseconds. */
const backoffMs = 500

/**
 * The longest time that a ring rests of which the limits have nothing, in milliseconds: what others give back of a long window, or
 * an operator allows more, is found by then.
 */
const restMaxMs = 15_000

/** How long the last calls are waited for when the scope closes. */
const closeMax = "1 second"

export interface Permits {
  /**
   * Rings have work, of which so much could run here now: permits are worth asking for. Those that take up no place are taken
   * ahead for all places, so that the turn which says what has ended can claim as well. One that rests, or whose limits are not
   * known here, is left alone. Gives how much waits in the others.
   */
  readonly want: (
    rings: ReadonlyArray<readonly [ring: string, waiting: number]>,
    free: number,
    places: number
  ) => number
  /**
   * The permits at hand, for the next turn, those of the ring first that was longest without. They ride until `turned` is told the
   * same.
   */
  readonly have: () => ReadonlyArray<readonly [ring: string, count: number]>
  /** Rings whose limits have nothing for a while, each told once: for the next turn. */
  readonly deferred: () => ReadonlyArray<readonly [ring: string, afterMs: number]>
  /** The permit for a run that this turn has claimed; `undefined` when none rode for the ring. */
  readonly claimed: (ring: string) => string | undefined
  /** A turn is over, with or without an answer, and `claimed` was called for each of its claims. Turns end in order. */
  readonly turned: (ridden: ReadonlyArray<readonly [ring: string, count: number]>) => void
  /** A run has ended. */
  readonly ended: (used: Used) => void
  /** Whether some were asked for, and the answer is not here. */
  readonly isAsking: () => boolean
  /** All that are out in our name. */
  readonly out: () => ReadonlyArray<string>
}

export interface PermitsOptions {
  readonly worker: WorkerId
  readonly leaseMs: number
  /** Whether places whose lease ran out are free: not while all may seem to have run out, after an outage or a jump. */
  readonly judges: () => boolean
  /** What to ask for a ring; `undefined` for one whose limits are not known here. */
  readonly limitsOf: (ring: string) => ReadonlyArray<LimitRequest> | undefined
  /** There are permits at hand, or something to defer, or there is no answer. */
  readonly onChange: () => void
}

/** A permit whose use is over, and the ring that it was taken for; `undefined` where that was told before. */
interface Ending {
  readonly used: Used
  readonly name: string | undefined
}

/** When the scope closes, what is at hand is given back and the permits of runs are ended. */
export const openPermits = Effect.fnUntraced(function* (
  options: PermitsOptions
): Effect.fn.Return<Permits, never, Limits | Scope.Scope> {
  const { judges, leaseMs, limitsOf, onChange, worker } = options
  const limits = yield* Limits
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const mono = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const rings = new Rings()
  const ends = yield* Queue.unbounded<Ending>()
  let saying: ReadonlyArray<Ending> = []
  let asks: Array<PermitsAsk & { readonly name: string; readonly ring: Ring }> = []
  const takes = new Set<Fiber.Fiber<unknown, unknown>>()
  let alarm: Fiber.Fiber<void> | undefined
  let closed = false

  const unanswered = (yield* Complaints).about("limits get no answer", "limits answer again")
  const warn = (what: string, error: unknown) =>
    Effect.annotateLogs(
      error instanceof StoreError
        ? unanswered.wrong(`${what}: ${error.message}`)
        : Effect.logError(what, error),
      { worker }
    )

  // -------------------------------------------------------------------------------------------------------
  // Taking
  // -------------------------------------------------------------------------------------------------------

  const ask = (name: string, ring: Ring, count: number | undefined) => {
    if (count === undefined) return
    const requests = limitsOf(name)
    if (requests === undefined || ring.isAsking || closed || count <= 0) return
    ring.asked(requests.some(({ concurrency }) => concurrency !== undefined))
    // What is asked for in the same moment shares a call.
    if (asks.push({ name, ring, limits: requests, want: Math.min(count, takeMax) }) === 1)
      queueMicrotask(send)
  }

  const send = () => {
    const sent = asks
    asks = []
    if (closed) return
    const fiber = run(limits.take(worker, sent, leaseMs, judges()))
    takes.add(fiber)
    fiber.addObserver((exit) => {
      takes.delete(fiber)
      for (const { ring } of sent) ring.answered()
      if (Exit.isFailure(exit)) {
        for (const { ring } of sent) ring.rest(mono() + backoffMs, false)
        run(warn("permits could not be taken and are asked for again", Cause.squash(exit.cause)))
        if (!closed) onChange()
        return
      }
      const isOver = unanswered.well()
      if (isOver !== undefined) run(isOver)
      for (const [at, { permits, retryAfterMs }] of exit.value.entries()) {
        const { name, ring, want } = sent[at]!
        ring.granted(permits, want, mono() + keepMs)
        if (retryAfterMs !== undefined) ring.rest(mono() + Math.min(retryAfterMs, restMaxMs), true)
        // It was answered before they were there again.
        ask(name, ring, ring.reopens(mono()))
      }
      if (closed) return
      setAlarm()
      onChange()
    })
  }

  // -------------------------------------------------------------------------------------------------------
  // Ending
  // -------------------------------------------------------------------------------------------------------

  const giveBackOld = () => {
    for (const [permit, name] of rings.takeOld(mono()))
      Queue.offerUnsafe(ends, { used: { permit, unused: true }, name })
  }

  /** Sees to it that what is at hand is given back in time. */
  const setAlarm = () => {
    const nextMono = rings.nextOldMono()
    if (alarm !== undefined || nextMono === undefined || closed) return
    alarm = run(Effect.sleep(Math.max(1, nextMono - mono())))
    alarm.addObserver(() => {
      alarm = undefined
      if (closed) return
      giveBackOld()
      setAlarm()
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closed = true
      if (alarm !== undefined) yield* Fiber.interrupt(alarm)
      yield* Effect.timeoutOption(Fiber.awaitAll(takes), closeMax)
      // Of what is said twice the last counts: what a run has said of itself.
      const last: ReadonlyArray<Used> = [
        ...[...rings.running.keys()].map((permit) => ({ permit })),
        ...rings.idle().map((permit) => ({ permit, unused: true })),
        ...[...saying, ...(yield* Queue.clear(ends))].map(({ used }) => used)
      ]
      if (last.length > 0) yield* Effect.timeoutOption(limits.settle(last), closeMax)
    }).pipe(
      Effect.catch((error) => warn("permits are left to their lease", error)),
      Effect.interruptible
    )
  )

  const forever = (what: string, step: Effect.Effect<void>) =>
    Effect.forever(step).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : warn(`${what} stopped`, Cause.squash(cause))
      ),
      Effect.forkScoped
    )
  yield* forever(
    "ending permits",
    Effect.gen(function* () {
      // What ends while a call is on its way gathers for the next.
      saying = yield* Queue.takeBetween(ends, 1, endMax)
      yield* limits.settle(saying.map(({ used }) => used)).pipe(
        Effect.tapError((error) => warn("permits could not be ended, which is said again", error)),
        Effect.retry(Schedule.spaced(backoffMs)),
        Effect.orDie
      )
      const freed = new Map<string, number>()
      const returned = new Set<string>()
      for (const { name, used } of saying) {
        if (name === undefined) continue
        if (rings.running.delete(used.permit)) freed.set(name, (freed.get(name) ?? 0) + 1)
        if (used.unused !== true && used.actual === undefined) continue
        rings.of(name).returned()
        returned.add(name)
      }
      saying = []
      // The next run of a ring need not wait until it is asked for anew.
      for (const [name, count] of freed) {
        const ring = rings.of(name)
        ask(name, ring, ring.freed(count, mono()))
      }
      for (const name of returned) {
        const ring = rings.of(name)
        ask(name, ring, ring.reopens(mono()))
      }
    })
  )
  const allOut = () => [...rings.idle(), ...rings.running.keys()]
  yield* forever(
    "renewing permits",
    Effect.gen(function* () {
      yield* upkeepPause(leaseMs / 3)
      const out = allOut()
      if (out.length === 0) return
      yield* limits
        .renew(out, leaseMs)
        .pipe(Effect.catch((error) => warn("permits could not be renewed, which is tried again", error)))
    })
  )

  return {
    want: (named, free, places) => {
      const now = mono()
      const open = named.flatMap(([name, waiting]) => {
        const ring = rings.of(name)
        if (!ring.rests(now))
          return limitsOf(name) === undefined ? [] : [{ name, ring, waiting, has: ring.has }]
        ring.named()
        return []
      })
      const atOnce = worthOf(open, rings.idleCount, free)
      const soon = worthOf(open, rings.idleCount, places)
      for (const [at, { name, ring }] of open.entries())
        ask(name, ring, ring.wants(atOnce[at]!, soon[at]!, now))
      return open.reduce((sum, { waiting }) => sum + waiting, 0)
    },
    have: rings.have,
    deferred: () => rings.deferred(mono()),
    claimed: rings.claimed,
    turned: (ridden) => {
      rings.turned(ridden)
      giveBackOld()
      setAlarm()
    },
    ended: (used) => {
      const name = rings.running.get(used.permit)
      const isSaid = used.actual !== undefined || used.unused === true
      // Of a rate there is mostly nothing to say, and nobody waits for it.
      if (name === undefined || isSaid || rings.of(name).hasPlaces) {
        Queue.offerUnsafe(ends, { used, name })
        return
      }
      rings.running.delete(used.permit)
      rings.of(name).runs -= 1
    },
    isAsking: () => rings.isAsking,
    out: allOut
  }
})
