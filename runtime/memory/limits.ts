/**
 * Limits in memory: the readable specification of the `limit-*` scripts. Each method does in plain Maps, in the same
 * order, what the script of the same name does in Redis.
 */
import { Clock, Effect, Layer } from "effect"
import { coolFor, type LimitRequest, Limits, type LimitState, placePollMs } from "../limits.ts"
import { byLimit, correctedMs, endingsOf, permitTail, wholeRequest } from "../permit.ts"
import { add, giveBack, goneAt, live, room, roomAfter, used, type Window } from "../window.ts"
import type { Scores } from "./scores.ts"

/** One limit: the keys `limit:<name>` and `permits:<name>` of the table in `runtime/keys.ts`. */
class Heap {
  private window: Window | undefined
  private cools = 0
  /** Permit that takes up a place → lease deadline. */
  readonly permits: Scores = new Map()
  /** Permit whose rate was corrected → until when that is known. */
  readonly corrected: Scores = new Map()

  coolsUntil(now: number): number {
    return this.cools > now ? this.cools : 0
  }

  /** What counts, as a window of `perMs`, or of its own length. */
  windowAt(now: number, perMs = this.window?.perMs): Window | undefined {
    return perMs === undefined ? undefined : live(this.window, perMs, now)
  }

  keep(window: Window | undefined, cools: number): void {
    this.window = window
    this.cools = cools
  }

  /** Drops what does not count any more, as expiry does in Redis, and says whether that was all. */
  expire(now: number): boolean {
    for (const scores of [this.permits, this.corrected])
      for (const [permit, until] of scores) if (until <= now) scores.delete(permit)
    if (this.cools <= now && (!this.window || goneAt(this.window) <= now)) this.keep(undefined, 0)
    const { cools, corrected, permits, window } = this
    return permits.size + corrected.size === 0 && window === undefined && cools === 0
  }
}

/** One limit as a take finds it. */
interface Standing {
  readonly heap: Heap
  readonly request: LimitRequest
  readonly window: Window | undefined
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

  const stand = (request: LimitRequest, now: number): Standing => {
    const heap = heapOf(request.name)
    const { concurrency = Infinity, rate } = request
    const window = rate && heap.windowAt(now, rate.perMs)
    const rooms = [
      heap.coolsUntil(now) > 0 ? 0 : Infinity,
      window ? room(window, rate.count, rate.amount) : Infinity,
      Math.max(0, concurrency - heap.permits.size)
    ]
    return { heap, request, window, room: Math.min(...rooms) }
  }

  /** In how many milliseconds a limit that has given all it had may give again. */
  const waitOf = ({ heap, request: { concurrency, rate } }: Standing, now: number): number => {
    const waits = [heap.coolsUntil(now) - now]
    if (rate) waits.push(roomAfter(heap.windowAt(now)!, rate.count, rate.amount, now))
    if (concurrency !== undefined && heap.permits.size >= concurrency)
      waits.push(heap.permits.values().reduce((soonest, end) => Math.min(soonest, end - now), placePollMs))
    return Math.max(1, ...waits)
  }

  const take: Limits["Service"]["take"] = Effect.fnUntraced(function* (worker, requests, want, leaseMs) {
    const now = yield* clock
    const limits = requests.map(wholeRequest)
    const standings = limits.map((request) => stand(request, now))
    const count = Math.min(want, ...standings.map(({ room }) => room))

    const [id, tail] = [crypto.randomUUID(), permitTail(now, worker, limits)]
    const permits = Array.from({ length: count }, (_, at) => `${id}.${at + 1} ${tail}`)
    for (const { heap, request, window } of standings) {
      if (window) heap.keep(add(window, now, count * request.rate!.amount), heap.coolsUntil(now))
      if (request.concurrency !== undefined)
        for (const permit of permits) heap.permits.set(permit, now + leaseMs)
    }
    const short = standings.filter(({ room }) => room === count)
    return {
      permits,
      retryAfterMs: count < want ? Math.max(...short.map((one) => waitOf(one, now))) : undefined
    }
  })

  const settle: Limits["Service"]["settle"] = Effect.fnUntraced(function* (ends) {
    const now = yield* clock
    for (const [name, endings] of endingsOf(ends)) {
      const heap = heapOf(name)
      for (const { amount, perMs, permit, place, takenAt, used } of endings) {
        if (place ? !heap.permits.delete(permit) : heap.corrected.has(permit)) continue
        if (used === amount) continue
        if (!place) heap.corrected.set(permit, now + perMs + correctedMs)
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
      for (const permit of good) if (known?.has(permit)) known.set(permit, now + leaseMs)
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
        running: heap.permits.size,
        ...(coolsUntil > 0 && { coolsUntil })
      }
    })
  })

  return Limits.of({ take, settle, renew, cool, states })
})

/** Limits for this process alone. Nothing survives it. */
export const layer = Layer.effect(Limits, make)
