/**
 * Where the permits of one puller are, and when more of a ring are worth asking for: decisions over plain values.
 *
 * A permit is at hand, rides in a turn that is on its way, or is with a run. A ring rests while its limits have nothing, or
 * after a call without an answer; a place of it that came free goes to the next run of the same ring, for a moment.
 */

/** Of how many rings the last claim is remembered, longer than anything else of them. */
const claimsMax = 1_000

/**
 * How long a place goes from one run of a ring to the next of the same. Then those who have to ask anew get a chance,
 * so that no worker and no ring keeps a limit for itself. In milliseconds.
 */
const streakMaxMs = 1_000

interface Held {
  readonly permit: string
  /** When it is given back, if nothing was claimed for it by then. */
  readonly untilMono: number
}

export class Ring {
  atHand: Array<Held> = []
  /** In turns that are on their way, those of the older turn first. */
  readonly riding: Array<Held> = []
  /** How many were claimed of the turn whose answer is being told. */
  claimed = 0
  /** How many of its runs have a permit. */
  runs = 0
  asking = false
  /** Whether its permits take up places, as it was asked last. */
  hasPlaces = true
  /** Whether it got fewer than were wanted, and all that it got was claimed. */
  hungry = false
  #streakSinceMono = 0
  #restsUntilMono = 0
  /** Whether it rests because its limits have nothing, rather than because nobody answered. */
  #refused = false
  #toDefer = false
  /** How many permits were given back, in part or unused, since it was asked last. */
  #returned = 0

  rests(now: number): boolean {
    return now < this.#restsUntilMono
  }

  isForgotten(now: number): boolean {
    return this.atHand.length + this.riding.length + this.runs === 0 && !this.asking && !this.rests(now)
  }

  /** How many to ask for where it has so much work now, and `soon` when what runs has ended; `undefined` while it rests. */
  wants(count: number, soon: number, now: number): number | undefined {
    if (this.rests(now)) {
      // The turn that was to defer it may have got lost.
      this.#toDefer = this.#refused
      return undefined
    }
    this.#streakSinceMono = now
    this.hungry = false
    return (this.hasPlaces ? count : soon) - this.atHand.length - this.riding.length
  }

  asked(hasPlaces: boolean): void {
    this.asking = true
    this.hasPlaces = hasPlaces
    this.#returned = 0
  }

  granted(permits: ReadonlyArray<string>, wanted: number, untilMono: number): void {
    for (const permit of permits) this.atHand.push({ permit, untilMono })
    this.hungry ||= permits.length < wanted
  }

  rest(untilMono: number, refused: boolean): void {
    this.#restsUntilMono = untilMono
    this.#refused = refused
    this.#toDefer = refused
  }

  /** Runs of it have ended, and their places are free: how many to ask for, where more were wanted and no others have their turn. */
  freed(count: number, now: number): number | undefined {
    this.runs -= count
    const goesOn = this.hasPlaces && this.hungry && now - this.#streakSinceMono < streakMaxMs
    return goesOn ? count : undefined
  }

  returned(): void {
    this.#returned += 1
  }

  /** Its limits had nothing, and have again what was given back: how many to ask for; `undefined` where that is not so. */
  reopens(now: number): number | undefined {
    if (this.#returned === 0 || this.asking || !this.#refused || !this.rests(now)) return undefined
    this.#restsUntilMono = 0
    return this.#returned
  }

  /** How long it is to be left alone, told once; `undefined` where there is nothing to tell. */
  defer(now: number): number | undefined {
    const isTold = this.#toDefer && this.rests(now)
    this.#toDefer = false
    return isTold ? Math.ceil(this.#restsUntilMono - now) : undefined
  }
}

export class Rings {
  /** The permits of runs, each with its ring. */
  readonly running = new Map<string, string>()
  readonly #rings = new Map<string, Ring>()
  /** Which of all claims of runs with limits was the last one of a ring, the oldest first. */
  readonly #lastClaims = new Map<string, number>()
  #claims = 0

  of(name: string): Ring {
    const ring = this.#rings.get(name) ?? new Ring()
    this.#rings.set(name, ring)
    return ring
  }

  /** Those at hand, for a turn; from now on they ride. */
  readonly have = (): ReadonlyArray<readonly [ring: string, count: number]> =>
    [...this.#rings]
      .filter(([, { atHand }]) => atHand.length > 0)
      // A turn serves them in this order as far as there are places: none is behind the backlog of another one.
      .toSorted(([one], [other]) => (this.#lastClaims.get(one) ?? 0) - (this.#lastClaims.get(other) ?? 0))
      .map(([name, ring]) => {
        const { atHand } = ring
        ring.riding.push(...atHand)
        ring.atHand = []
        return [name, atHand.length] as const
      })

  /** One that rode goes to a run that was claimed; `undefined` where none rode for the ring. */
  readonly claimed = (name: string): string | undefined => {
    const ring = this.#rings.get(name)
    const held = ring?.riding.shift()
    if (ring === undefined || held === undefined) return undefined
    ring.claimed += 1
    ring.runs += 1
    this.#lastClaims.delete(name)
    this.#lastClaims.set(name, ++this.#claims)
    if (this.#lastClaims.size > claimsMax) this.#lastClaims.delete(this.#lastClaims.keys().next().value!)
    this.running.set(held.permit, name)
    return held.permit
  }

  /** What rode in the oldest turn, and was not claimed, is at hand again. */
  turned(ridden: ReadonlyArray<readonly [ring: string, count: number]>): void {
    for (const [name, count] of ridden) {
      const ring = this.of(name)
      const left = ring.riding.splice(0, count - ring.claimed)
      if (left.length > 0) ring.hungry = false
      ring.atHand.unshift(...left)
      ring.claimed = 0
    }
  }

  deferred(now: number): ReadonlyArray<readonly [ring: string, afterMs: number]> {
    return [...this.#rings].flatMap(([name, ring]) => {
      const afterMs = ring.defer(now)
      return afterMs === undefined ? [] : [[name, afterMs] as const]
    })
  }

  isAsking(): boolean {
    return [...this.#rings.values()].some(({ asking }) => asking)
  }

  /** Those of no run. */
  idle(): ReadonlyArray<string> {
    return [...this.#rings.values()].flatMap(({ atHand, riding }) =>
      [...atHand, ...riding].map(({ permit }) => permit)
    )
  }

  /** Takes out what was kept long enough, each with its ring, and forgets rings of which there is nothing to remember. */
  takeOld(now: number): ReadonlyArray<readonly [permit: string, ring: string]> {
    const old: Array<readonly [permit: string, ring: string]> = []
    for (const [name, ring] of this.#rings) {
      for (const { permit, untilMono } of ring.atHand) if (untilMono <= now) old.push([permit, name])
      ring.atHand = ring.atHand.filter(({ untilMono }) => untilMono > now)
      if (ring.isForgotten(now)) this.#rings.delete(name)
    }
    return old
  }

  /** When the first was kept long enough; `undefined` where none is at hand. */
  nextOldMono(): number | undefined {
    const times = [...this.#rings.values()].flatMap(({ atHand }) => atHand.map(({ untilMono }) => untilMono))
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
