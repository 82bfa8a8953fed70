/**
 * The permits of one puller: taken for rings that have work, they ride in the next turn and are ended with their runs.
 *
 * One that was not claimed is kept for a moment and then given back, so none is held idle. What got no answer is said
 * again later, and nothing is lost but time; should this process die, its permits come back when their lease ends.
 *
 * Its state is plain values, as the puller's is; what waits is an effect on its way, and `onChange` tells of news.
 */
import { Cause, Clock, Effect, Exit, Fiber, Queue, Schedule, type Scope } from "effect"
import { type LimitRequest, Limits, type Used } from "../../runtime/limits.ts"
import { StoreError } from "../../runtime/store.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import { upkeepPause } from "../../runtime/upkeep.ts"

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

/** Of how many rings the last claim is remembered, longer than anything else of them. */
const claimsMax = 1_000

/** How long the last calls are waited for when the scope closes. */
const closeMax = "1 second"

/**
 * How long a place goes from one run of a ring to the next of the same. Then those who have to ask anew get a chance,
 * so that no worker and no ring keeps a limit for itself. In milliseconds.
 */
const streakMaxMs = 1_000

export interface Permits {
  /**
   * A ring has so much work that could run here now, and `soon` when what runs has ended: permits for it are worth asking
   * for. Those that take up no place are taken ahead, so that the turn which says what has ended can claim as well. One that
   * rests is left alone.
   */
  readonly want: (ring: string, count: number, soon?: number) => void
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
  /** Whether permits for a ring may be asked for: its limits are known here, and it does not rest. */
  readonly isOpen: (ring: string) => boolean
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

interface Held {
  readonly permit: string
  /** When it is given back, if nothing was claimed for it by then. */
  readonly untilMono: number
}

/** A permit whose use is over, and the ring that it was taken for; `undefined` where that was told before. */
interface Ending {
  readonly used: Used
  readonly name: string | undefined
}

class Ring {
  atHand: Array<Held> = []
  /** In turns that are on their way, those of the older turn first. */
  readonly riding: Array<Held> = []
  /** How many were claimed of the turn whose answer is being told. */
  claimed = 0
  asking = false
  /** Whether its permits take up places, as it was asked last. */
  hasPlaces = true
  /** Whether it got fewer than were wanted, and all that it got was claimed. */
  hungry = false
  runs = 0
  streakSinceMono = 0
  restsUntilMono = 0
  /** Whether it rests because its limits have nothing, rather than because nobody answered. */
  refused = false
  toDefer = false
  /** How many permits were given back, in part or unused, since it was asked last. */
  returned = 0

  isForgotten(now: number): boolean {
    const { asking, atHand, restsUntilMono, riding, runs } = this
    return atHand.length + riding.length + runs === 0 && !asking && restsUntilMono <= now
  }
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

  const rings = new Map<string, Ring>()
  /** The permits of runs, each with its ring. */
  const running = new Map<string, string>()
  const ends = yield* Queue.unbounded<Ending>()
  let saying: ReadonlyArray<Ending> = []
  const takes = new Set<Fiber.Fiber<unknown, unknown>>()
  let alarm: Fiber.Fiber<void> | undefined
  let closed = false
  /** Which of all claims of runs with limits was the last one of a ring, the oldest first. */
  const lastClaims = new Map<string, number>()
  let claims = 0

  const ringOf = (name: string): Ring => {
    const ring = rings.get(name) ?? new Ring()
    rings.set(name, ring)
    return ring
  }

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

  const rest = (ring: Ring, forMs: number, refused: boolean) => {
    ring.restsUntilMono = mono() + forMs
    ring.refused = refused
    ring.toDefer = refused
  }

  const ask = (name: string, ring: Ring, count: number) => {
    const requests = limitsOf(name)
    if (requests === undefined || ring.asking || closed || count <= 0) return
    ring.asking = true
    ring.returned = 0
    ring.hasPlaces = requests.some(({ concurrency }) => concurrency !== undefined)
    const wanted = Math.min(count, takeMax)
    const fiber = run(limits.take(worker, requests, wanted, leaseMs, judges()))
    takes.add(fiber)
    fiber.addObserver((exit) => {
      takes.delete(fiber)
      ring.asking = false
      if (Exit.isFailure(exit)) {
        rest(ring, backoffMs, false)
        run(warn("permits could not be taken and are asked for again", Cause.squash(exit.cause)))
        if (!closed) onChange()
        return
      }
      const isOver = unanswered.well()
      if (isOver !== undefined) run(isOver)
      const { permits, retryAfterMs } = exit.value
      const untilMono = mono() + keepMs
      for (const permit of permits) ring.atHand.push({ permit, untilMono })
      ring.hungry ||= permits.length < wanted
      if (retryAfterMs !== undefined) rest(ring, Math.min(retryAfterMs, restMaxMs), true)
      if (closed) return
      // It was answered before they were there again.
      reopen(name, ring)
      setAlarm()
      onChange()
    })
  }

  /** Its limits had nothing, and have again what was given back. */
  const reopen = (name: string, ring: Ring) => {
    const { asking, refused, restsUntilMono, returned } = ring
    if (returned === 0 || asking || !refused || mono() >= restsUntilMono) return
    ring.restsUntilMono = 0
    ring.toDefer = false
    ask(name, ring, returned)
  }

  const want: Permits["want"] = (name, count, soon = count) => {
    const ring = ringOf(name)
    if (mono() < ring.restsUntilMono) {
      // The turn that was to defer it may have got lost.
      ring.toDefer = ring.refused
      return
    }
    ring.streakSinceMono = mono()
    ring.hungry = false
    ask(name, ring, (ring.hasPlaces ? count : soon) - ring.atHand.length - ring.riding.length)
  }

  // -------------------------------------------------------------------------------------------------------
  // Riding
  // -------------------------------------------------------------------------------------------------------

  const have: Permits["have"] = () =>
    [...rings]
      .filter(([, { atHand }]) => atHand.length > 0)
      // A turn serves them in this order as far as there are places: none is behind the backlog of another one.
      .toSorted(([one], [other]) => (lastClaims.get(one) ?? 0) - (lastClaims.get(other) ?? 0))
      .map(([name, ring]) => {
        const { atHand } = ring
        ring.riding.push(...atHand)
        ring.atHand = []
        return [name, atHand.length] as const
      })

  const claimed: Permits["claimed"] = (name) => {
    const ring = rings.get(name)
    const held = ring?.riding.shift()
    if (ring === undefined || held === undefined) return undefined
    ring.claimed += 1
    ring.runs += 1
    lastClaims.delete(name)
    lastClaims.set(name, ++claims)
    if (lastClaims.size > claimsMax) lastClaims.delete(lastClaims.keys().next().value!)
    running.set(held.permit, name)
    return held.permit
  }

  const turned: Permits["turned"] = (ridden) => {
    for (const [name, count] of ridden) {
      const ring = ringOf(name)
      const left = ring.riding.splice(0, count - ring.claimed)
      if (left.length > 0) ring.hungry = false
      ring.atHand.unshift(...left)
      ring.claimed = 0
    }
    giveBackOld()
    setAlarm()
  }

  const deferred: Permits["deferred"] = () => {
    const now = mono()
    return [...rings].flatMap(([name, ring]) => {
      const told = ring.toDefer && ring.restsUntilMono > now
      ring.toDefer = false
      return told ? [[name, Math.ceil(ring.restsUntilMono - now)] as const] : []
    })
  }

  const idle = () =>
    [...rings.values()].flatMap(({ atHand, riding }) => [...atHand, ...riding].map(({ permit }) => permit))

  // -------------------------------------------------------------------------------------------------------
  // Ending
  // -------------------------------------------------------------------------------------------------------

  /** Gives back what was kept long enough, and forgets rings of which there is nothing to remember. */
  const giveBackOld = () => {
    const now = mono()
    for (const [name, ring] of rings) {
      for (const { permit, untilMono } of ring.atHand)
        if (untilMono <= now) Queue.offerUnsafe(ends, { used: { permit, unused: true }, name })
      ring.atHand = ring.atHand.filter(({ untilMono }) => untilMono > now)
      if (ring.isForgotten(now)) rings.delete(name)
    }
  }

  /** Sees to it that what is at hand is given back in time. */
  const setAlarm = () => {
    const times = [...rings.values()].flatMap(({ atHand }) => atHand.map(({ untilMono }) => untilMono))
    if (alarm !== undefined || times.length === 0 || closed) return
    alarm = run(Effect.sleep(Math.max(1, Math.min(...times) - mono())))
    alarm.addObserver(() => {
      alarm = undefined
      if (closed) return
      giveBackOld()
      setAlarm()
    })
  }

  /** A place came free where more were wanted: the next run of its ring need not wait until it is asked for anew. */
  const askAgain = (name: string, freed: number) => {
    const ring = ringOf(name)
    ring.runs -= freed
    if (ring.hasPlaces && ring.hungry && mono() - ring.streakSinceMono < streakMaxMs) ask(name, ring, freed)
  }

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closed = true
      if (alarm !== undefined) yield* Fiber.interrupt(alarm)
      yield* Effect.timeoutOption(Fiber.awaitAll(takes), closeMax)
      // Of what is said twice the last counts: what a run has said of itself.
      const last: ReadonlyArray<Used> = [
        ...[...running.keys()].map((permit) => ({ permit })),
        ...idle().map((permit) => ({ permit, unused: true })),
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
        if (running.delete(used.permit)) freed.set(name, (freed.get(name) ?? 0) + 1)
        if (used.unused !== true && used.actual === undefined) continue
        ringOf(name).returned += 1
        returned.add(name)
      }
      saying = []
      for (const [name, count] of freed) askAgain(name, count)
      for (const name of returned) reopen(name, ringOf(name))
    })
  )
  const allOut = () => [...idle(), ...running.keys()]
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
    want,
    have,
    deferred,
    claimed,
    turned,
    ended: (used) => {
      const name = running.get(used.permit)
      const isSaid = used.actual !== undefined || used.unused === true
      // Of a rate there is mostly nothing to say, and nobody waits for it.
      if (name === undefined || isSaid || ringOf(name).hasPlaces) {
        Queue.offerUnsafe(ends, { used, name })
        return
      }
      running.delete(used.permit)
      ringOf(name).runs -= 1
    },
    isOpen: (name) => mono() >= ringOf(name).restsUntilMono && limitsOf(name) !== undefined,
    isAsking: () => [...rings.values()].some(({ asking }) => asking),
    out: allOut
  }
})
