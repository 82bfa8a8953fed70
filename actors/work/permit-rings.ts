/**
 * Where the permits of one puller are, and when more of a ring are worth asking for: decisions over plain values.
 *
 * A permit is at hand, rides in a turn that is on its way, or is with a run. A ring rests while its limits have nothing, or
 * after a call without an answer; a place of it that came free goes to the next run of the same ring, for a moment.
 */

/** How often rings are forgotten of which there is nothing to remember, in milliseconds. */
const forgetEveryMs = 1_000

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

/** What is known of all rings together, so that nobody has to go through them. */
class Totals {
  /** How many permits are at hand, or ride. */
  idle = 0
  /** How many rings are asked for. */
  asking = 0
  readonly atHand = new Set<Ring>()
  readonly toDefer = new Set<Ring>()
}

export class Ring {
  readonly name: string
  readonly #totals: Totals
  readonly #atHand: Array<Held> = []
  /** In turns that are on their way, those of the older turn first. */
  readonly #riding: Array<Held> = []
  /** How many were claimed of the turn whose answer is being told. */
  #claimed = 0
  /** How many of its runs have a permit. */
  runs = 0
  #isAsking = false
  /** Whether its permits take up places, as it was asked last. */
  hasPlaces = true
  /** Whether it got fewer than were wanted, and all that it got was claimed. */
  #isHungry = false
  #streakSinceMono = 0
  #restsUntilMono = 0
  /** Whether it rests because its limits have nothing, rather than because nobody answered. */
  #refused = false
  /** How many permits were given back, in part or unused, since it was asked last. */
  #returned = 0

  constructor(name = "", totals = new Totals()) {
    this.name = name
    this.#totals = totals
  }

  get isAsking(): boolean {
    return this.#isAsking
  }

  rests(now: number): boolean {
    return now < this.#restsUntilMono
  }

  isForgotten(now: number): boolean {
    return this.has + this.runs === 0 && !this.#isAsking && !this.rests(now)
  }

  /** It is named while it rests: the turn that was to defer it may have got lost. */
  named(): void {
    if (this.#refused) this.#totals.toDefer.add(this)
  }

  /** How many to ask for where so many should be there for what runs now, and `soon` for when what runs has ended. */
  wants(count: number, soon: number, now: number): number {
    this.#streakSinceMono = now
    this.#isHungry = false
    return (this.hasPlaces ? count : soon) - this.has
  }

  asked(hasPlaces: boolean): void {
    this.#isAsking = true
    this.#totals.asking += 1
    this.hasPlaces = hasPlaces
    this.#returned = 0
  }

  /** There is an answer, or none. */
  answered(): void {
    this.#isAsking = false
    this.#totals.asking -= 1
  }

  granted(permits: ReadonlyArray<string>, wanted: number, untilMono: number): void {
    this.#totals.idle += permits.length
    this.#has(permits.map((permit) => ({ permit, untilMono })))
    this.#isHungry ||= permits.length < wanted
  }

  #has(permits: ReadonlyArray<Held>): void {
    this.#atHand.push(...permits)
    if (this.#atHand.length > 0) this.#totals.atHand.add(this)
  }

  /** Those at hand ride from now on. Says how many they are. */
  ride(): number {
    const riding = this.#takeAtHand()
    this.#riding.push(...riding)
    return riding.length
  }

  #takeAtHand(): ReadonlyArray<Held> {
    this.#totals.atHand.delete(this)
    return this.#atHand.splice(0)
  }

  /** One that rode goes to a run that was claimed; `undefined` where none rode. */
  claimed(): string | undefined {
    const held = this.#riding.shift()
    if (held === undefined) return undefined
    this.#totals.idle -= 1
    this.#claimed += 1
    this.runs += 1
    return held.permit
  }

  /** Of so many that rode in the oldest turn those that were not claimed are at hand again, before newer ones. */
  turned(count: number): void {
    const left = this.#riding.splice(0, count - this.#claimed)
    this.#claimed = 0
    if (left.length === 0) return
    this.#isHungry = false
    this.#has([...left, ...this.#takeAtHand()])
  }

  /** Takes out those at hand that were kept long enough. */
  takeOld(now: number): ReadonlyArray<string> {
    const all = this.#takeAtHand()
    const old = all.filter(({ untilMono }) => untilMono <= now)
    this.#totals.idle -= old.length
    this.#has(all.filter(({ untilMono }) => untilMono > now))
    return old.map(({ permit }) => permit)
  }

  /** When the first at hand was kept long enough: the oldest lies first. */
  get nextOldMono(): number {
    return this.#atHand[0]?.untilMono ?? Infinity
  }

  /** How many are at hand, or ride. */
  get has(): number {
    return this.#atHand.length + this.#riding.length
  }

  /** Those of no run. */
  get idle(): ReadonlyArray<string> {
    return [...this.#atHand, ...this.#riding].map(({ permit }) => permit)
  }

  rest(untilMono: number, refused: boolean): void {
    this.#restsUntilMono = untilMono
    this.#refused = refused
    if (refused) this.#totals.toDefer.add(this)
    else this.#totals.toDefer.delete(this)
  }

  /** Runs of it have ended, and their places are free: how many to ask for, where more were wanted and no others have their turn. */
  freed(count: number, now: number): number | undefined {
    this.runs -= count
    const goesOn = this.hasPlaces && this.#isHungry && now - this.#streakSinceMono < streakMaxMs
    return goesOn ? count : undefined
  }

  returned(): void {
    this.#returned += 1
  }

  /** Its limits had nothing, and have again what was given back: how many to ask for; `undefined` where that is not so. */
  reopens(now: number): number | undefined {
    if (this.#returned === 0 || this.#isAsking || !this.#refused || !this.rests(now)) return undefined
    this.#restsUntilMono = 0
    return this.#returned
  }

  /** How long it is to be left alone, told once; `undefined` where there is nothing to tell. */
  defer(now: number): number | undefined {
    const isTold = this.#totals.toDefer.delete(this) && this.rests(now)
    return isTold ? Math.ceil(this.#restsUntilMono - now) : undefined
  }
}

export class Rings {
  /** The permits of runs, each with its ring. */
  readonly running = new Map<string, string>()
  readonly #rings = new Map<string, Ring>()
  readonly #totals = new Totals()
  /** Which of all claims of runs with limits was the last one of a ring, the oldest first. */
  readonly #lastClaims = new Map<string, number>()
  #claims = 0
  #forgotMono = 0

  of(name: string): Ring {
    const there = this.#rings.get(name)
    if (there !== undefined) return there
    const ring = new Ring(name, this.#totals)
    this.#rings.set(name, ring)
    return ring
  }

  /** Those at hand, for a turn; from now on they ride. */
  readonly have = (): ReadonlyArray<readonly [ring: string, count: number]> => {
    const last = ({ name }: Ring) => this.#lastClaims.get(name) ?? 0
    // A turn serves them in this order as far as there are places: none is behind the backlog of another one.
    return [...this.#totals.atHand]
      .sort((one, other) => last(one) - last(other))
      .map((ring) => [ring.name, ring.ride()] as const)
  }

  /** One that rode goes to a run that was claimed; `undefined` where none rode for the ring. */
  readonly claimed = (name: string): string | undefined => {
    const permit = this.#rings.get(name)?.claimed()
    if (permit === undefined) return undefined
    this.#lastClaims.delete(name)
    this.#lastClaims.set(name, ++this.#claims)
    if (this.#lastClaims.size > claimsMax) this.#lastClaims.delete(this.#lastClaims.keys().next().value!)
    this.running.set(permit, name)
    return permit
  }

  /** What rode in the oldest turn, and was not claimed, is at hand again. */
  turned(ridden: ReadonlyArray<readonly [ring: string, count: number]>): void {
    for (const [name, count] of ridden) this.of(name).turned(count)
  }

  deferred(now: number): ReadonlyArray<readonly [ring: string, afterMs: number]> {
    return [...this.#totals.toDefer].flatMap((ring) => {
      const afterMs = ring.defer(now)
      return afterMs === undefined ? [] : [[ring.name, afterMs] as const]
    })
  }

  get isAsking(): boolean {
    return this.#totals.asking > 0
  }

  /** How many are at hand, or ride. */
  get idleCount(): number {
    return this.#totals.idle
  }

  /** Those of no run. */
  idle(): ReadonlyArray<string> {
    return [...this.#rings.values()].flatMap(({ idle }) => idle)
  }

  /** Takes out what was kept long enough, each with its ring. */
  takeOld(now: number): ReadonlyArray<readonly [permit: string, ring: string]> {
    const old = [...this.#totals.atHand]
      .filter(({ nextOldMono }) => nextOldMono <= now)
      .flatMap((ring) => ring.takeOld(now).map((permit) => [permit, ring.name] as const))
    this.#forget(now)
    return old
  }

  #forget(now: number): void {
    if (now < this.#forgotMono + forgetEveryMs) return
    this.#forgotMono = now
    for (const [name, ring] of this.#rings) if (ring.isForgotten(now)) this.#rings.delete(name)
  }

  /** When the first was kept long enough; `undefined` where none is at hand. */
  nextOldMono(): number | undefined {
    let next = Infinity
    for (const { nextOldMono } of this.#totals.atHand) next = Math.min(next, nextOldMono)
    return next === Infinity ? undefined : next
  }
}
