/**
 * Limits in memory: the readable specification of the `limit-*` scripts. Each method does in plain Maps, in the same
 * order, what the script of the same name does in Redis.
 */
import { Clock, Effect, Layer } from "effect"
import {
  coolFor,
  type Granted,
  type LimitRequest,
  Limits,
  type LimitState,
  type PermitsAsk,
  placePollMs
} from "../limits.ts"
import type { WorkerId } from "../turn.ts"
import * as Waiting from "../line.ts"
import { byLimit, correctedMs, endingsOf, lapsedMs, permitTail, wholeRequest } from "../permit.ts"
import { add, giveBack, goneAt, live, room, roomAfter, used, type Window } from "../window.ts"
import type { Scores } from "./scores.ts"

/**
 * Permits with an end each, in a key that expires so long after the last of them. One whose end has come counts no more, but it
 * is there until it is dropped: a clock that is set back finds it again, as in Redis.
 */
class Until {
  private readonly scores: Scores = new Map()
  private goesAt = 0

  private readonly keptMs: number

  constructor(keptMs: number) {
    this.keptMs = keptMs
  }

  has(permit: string): boolean {
    return this.scores.has(permit)
  }

  get size(): number {
    return this.scores.size
  }

  /** The ends of those that count. */
  ends(now: number): ReadonlyArray<number> {
    return [...this.scores.values()].filter((end) => end > now)
  }

  keep(permits: ReadonlyArray<string>, end: number): void {
    for (const permit of permits) this.scores.set(permit, end)
    this.goesAt = Math.max(0, ...this.scores.values()) + this.keptMs
  }

  delete(permit: string): void {
    this.scores.delete(permit)
  }

  /** Drops those whose end has come. */
  drop(now: number): void {
    for (const [permit, end] of this.scores) if (end <= now) this.scores.delete(permit)
  }

  /** What the key's expiry does, and whether nothing is left. */
  expire(now: number): boolean {
    if (this.goesAt <= now) this.scores.clear()
    return this.scores.size === 0
  }
}

/** One limit: the keys `limit:<name>`, `permits:<name>` and `corrected:<name>` of the table in `runtime/keys.ts`. */
class Heap {
  private window: Window | undefined
  private cools = 0
  private line: Waiting.Line = []
  /** Permits that take up a place, until their lease is over. */
  readonly permits = new Until(lapsedMs)
  /** Permits whose rate was corrected, as long as that is known. */
  readonly corrected = new Until(0)

  coolsUntil(now: number): number {
    return this.cools > now ? this.cools : 0
  }

  /** What counts, as a window of `perMs`, or of its own length. */
  windowAt(now: number, perMs = this.window?.perMs): Window | undefined {
    return perMs === undefined ? undefined : live(this.window, perMs, now)
  }

  lineAt(now: number): Waiting.Line {
    return Waiting.waiting(this.line, now)
  }

  keep(window: Window | undefined, cools: number, line = this.line): void {
    this.window = window
    this.cools = cools
    this.line = line
  }

  /** Drops what does not count any more, as expiry does in Redis, and says whether that was all. */
  expire(now: number): boolean {
    const goesAt = Math.max(
      this.cools,
      this.window ? goneAt(this.window) : 0,
      Waiting.goneAt(this.lineAt(now))
    )
    if (goesAt <= now) this.keep(undefined, 0, [])
    const noPermits = [this.permits, this.corrected].map((permits) => permits.expire(now))
    return noPermits.every(Boolean) && this.window === undefined && this.cools === 0
  }
}

/** One limit as a take finds it. */
interface Standing {
  readonly heap: Heap
  readonly request: LimitRequest
  readonly window: Window | undefined
  /** Places that are taken up. */
  readonly out: number
  /** For how many there is room in its rate, and the amount that all others are held back for. */
  readonly fits: number
  readonly heldBack: number | undefined
  /** How many permits it has to give. */
  readonly room: number
}

const make = Effect.sync(() => {
  const heaps = new Map<string, Heap>()

  /** Now, with all that has gone until then. */
  const clock = Effect.map(Clock.currentTimeMillis, (millis) => {
    const now = Math.floor(millis)
    for (const [name, heap] of heaps) if (heap.expire(now)) heaps.delete(name)
    return now
  })

  const heapOf = (name: string): Heap => {
    const heap = heaps.get(name) ?? new Heap()
    heaps.set(name, heap)
    return heap
  }

  const stand = (request: LimitRequest, now: number, judges: boolean): Standing => {
    const heap = heapOf(request.name)
    const { concurrency = Infinity, rate } = request
    const window = rate && heap.windowAt(now, rate.perMs)
    const out = judges ? heap.permits.ends(now).length : heap.permits.size
    const fits = window ? room(window, rate.count, rate.amount) : Infinity
    const heldBack = rate && Waiting.heldBackFor(heap.lineAt(now), rate.amount, rate.perMs, now)
    const rooms = [
      heap.coolsUntil(now) > 0 || heldBack !== undefined ? 0 : Infinity,
      fits,
      Math.max(0, concurrency - out)
    ]
    return { heap, request, window, out, fits, heldBack, room: Math.min(...rooms) }
  }

  /** In how many milliseconds a limit that has given all it had may give again. */
  const waitOf = (
    { heap, heldBack, out, request: { concurrency, rate } }: Standing,
    granted: number,
    now: number,
    judges: boolean
  ): number => {
    const waits = [heap.coolsUntil(now) - now]
    if (rate) {
      const roomFor = (amount: number) => roomAfter(heap.windowAt(now)!, rate.count, amount, now)
      waits.push(roomFor(rate.amount))
      if (heldBack !== undefined) waits.push(placePollMs, roomFor(heldBack))
    }
    if (concurrency !== undefined && out + granted >= concurrency) {
      const ends = judges ? heap.permits.ends(now) : []
      waits.push(ends.reduce((soonest, end) => Math.min(soonest, end - now), placePollMs))
    }
    return Math.max(1, ...waits)
  }

  const takeOne = (
    worker: WorkerId,
    { limits: requests, want }: PermitsAsk,
    leaseMs: number,
    judges: boolean,
    now: number
  ): Granted => {
    const limits = requests.map(wholeRequest)
    const standings = limits.map((request) => stand(request, now, judges))
    const count = Math.min(want, ...standings.map(({ room }) => room))

    const [id, tail] = [crypto.randomUUID(), permitTail(now, worker, limits)]
    const permits = Array.from({ length: count }, (_, at) => `${id}.${at + 1} ${tail}`)
    const short = standings.filter(({ room }) => room === 0).length
    /** The line of a rate, after this. */
    const lineAfter = ({
      fits,
      heap,
      heldBack,
      out,
      request: { concurrency = Infinity, rate }
    }: Standing) => {
      const { amount, perMs } = rate!
      const line = heap.lineAt(now)
      if (want === 0 || heap.coolsUntil(now) > 0) return line
      const byRate = heldBack !== undefined || fits === 0
      const isRefused = count === 0 && short === 1 && byRate && out < concurrency
      return isRefused ? Waiting.refused(line, amount, perMs, now) : Waiting.left(line, amount)
    }
    for (const one of standings) {
      const { heap, request, window } = one
      if (window) {
        const { amount } = request.rate!
        heap.keep(add(window, now, count * amount), heap.coolsUntil(now), lineAfter(one))
      }
      if (request.concurrency !== undefined) {
        if (judges) heap.permits.drop(now)
        if (count > 0) heap.permits.keep(permits, now + leaseMs)
      }
    }
    const scarce = standings.filter(({ room }) => room === count)
    return {
      permits,
      retryAfterMs:
        count < want ? Math.max(...scarce.map((one) => waitOf(one, count, now, judges))) : undefined
    }
  }

  const take: Limits["Service"]["take"] = (worker, asks, leaseMs, judges = true) =>
    Effect.map(clock, (now) => asks.map((ask) => takeOne(worker, ask, leaseMs, judges, now)))

  const settle: Limits["Service"]["settle"] = Effect.fnUntraced(function* (ends) {
    const now = yield* clock
    for (const [name, endings] of endingsOf(ends)) {
      const heap = heapOf(name)
      if (endings.some(({ place }) => !place)) heap.corrected.drop(now)
      for (const { amount, perMs, permit, place, takenAt, used } of endings) {
        if (place ? !heap.permits.has(permit) : heap.corrected.has(permit)) continue
        if (place) heap.permits.delete(permit)
        if (used === amount) continue
        if (!place) heap.corrected.keep([permit], now + perMs + correctedMs)
        const kept = heap.windowAt(now)
        const window = kept && kept.buckets.length > 0 ? kept : live(undefined, perMs, now)
        heap.keep(
          used > amount ? add(window, now, used - amount) : giveBack(window, takenAt, amount - used),
          heap.coolsUntil(now)
        )
      }
    }
  })

  const renew: Limits["Service"]["renew"] = Effect.fnUntraced(function* (permits, leaseMs) {
    const now = yield* clock
    for (const [name, good] of byLimit(permits)) {
      const known = heaps.get(name)?.permits
      known?.keep(
        good.filter((permit) => known.has(permit)),
        now + leaseMs
      )
    }
  })

  const cool: Limits["Service"]["cool"] = Effect.fnUntraced(function* (name, forMs) {
    const now = yield* clock
    const heap = heapOf(name)
    heap.keep(heap.windowAt(now), Math.max(heap.coolsUntil(now), now + coolFor(forMs)))
  })

  const states: Limits["Service"]["states"] = Effect.fnUntraced(function* (names) {
    const now = yield* clock
    return names.map((name): LimitState => {
      const heap = heaps.get(name) ?? new Heap()
      const [window, coolsUntil] = [heap.windowAt(now), heap.coolsUntil(now)]
      return {
        name,
        used: window ? used(window) : 0,
        running: heap.permits.ends(now).length,
        ...(coolsUntil > 0 && { coolsUntil })
      }
    })
  })

  return Limits.of({ take, settle, renew, cool, states })
})

/** Limits for this process alone. Nothing survives it. */
export const layer = Layer.effect(Limits, make)
