/**
 * What one puller holds: runs, at most as many as it has places. Nothing is prefetched: it claims what can start when the
 * answer is here, and what cannot is handed back at once, so that nothing waits behind it.
 *
 * Where runs end in the tick that started them, every answer finds all places free. Then each turn on its way may ask for
 * all of them; otherwise they share them. A tick that computes for long is no such tick: others could have run its tasks.
 */
import { counter } from "../../runtime/telemetry/instruments.ts"
import { type Claim, crashesSuspect } from "../../runtime/turn.ts"
import { crashesOf } from "../../runtime/record.ts"
import type { Entry } from "../../runtime/task.ts"
import type { Books } from "./books.ts"
import type { Runs, Stop } from "./runs.ts"
import { releaseOf, type Settled } from "./settled.ts"

/** So many ticks in a row must have ended all that they started, each within so many milliseconds. */
const ticksMin = 4
const tickMaxMs = 10

const crowded = counter("troupe_claims_crowded_total")

export interface HoldingsOptions {
  /** How many run at once. */
  readonly places: number
  readonly runs: Pick<Runs, "size" | "has" | "entries" | "start" | "interrupt">
  readonly books: Pick<Books, "claimed" | "started">
  readonly mono: () => number
  readonly holdsLease: () => boolean
  /** Something is to be said of what was not started. */
  readonly onRelease: (one: Settled) => void
}

interface Arrived {
  readonly claim: Claim
  /** The permit of its limits, where it needs one. */
  readonly permit: string | undefined
}

export class Holdings {
  readonly #options: HoldingsOptions
  /** What came with answers of this tick and found no place yet. */
  #arrived: Array<Arrived> = []
  #suspect: Entry | undefined
  /** When the first was started in this tick, and how many ticks in a row have soon ended what they started. */
  #startedMono: number | undefined
  #ticks = 0
  #closed = false

  constructor(options: HoldingsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#options.runs.size() + this.#arrived.length
  }

  readonly has = (entry: Entry): boolean =>
    this.#options.runs.has(entry) || this.#arrived.some(({ claim }) => claim.entry === entry)

  entries(): ReadonlyArray<Entry> {
    return [...this.#options.runs.entries(), ...this.#arrived.map(({ claim }) => claim.entry)]
  }

  /** Whether it holds a task that workers died with. */
  get hasSuspect(): boolean {
    return this.#suspect !== undefined && this.has(this.#suspect)
  }

  /** Whether every answer will find all places free, as it seems. */
  get isSwift(): boolean {
    return this.#ticks >= ticksMin
  }

  accept(claims: ReadonlyArray<Claim>): void {
    for (const claim of claims) {
      if (crashesOf(claim.record) >= crashesSuspect) this.#suspect = claim.entry
      this.#arrived.push({ claim, permit: this.#options.books.claimed(claim) })
    }
    this.#start()
  }

  /** A tick is over: what still finds no place is handed back. */
  ticked(): void {
    const { mono, runs } = this.#options
    if (this.#startedMono !== undefined) {
      const swift = runs.size() === 0 && mono() - this.#startedMono <= tickMaxMs
      this.#ticks = swift ? this.#ticks + 1 : 0
      this.#startedMono = undefined
    }
    if (this.#arrived.length === 0) return
    this.#start()
    const left = this.#arrived.splice(0)
    if (left.length > 0) crowded(left.length)
    for (const { claim } of left) this.#options.onRelease(releaseOf(claim.entry))
  }

  /** From now on nothing starts. */
  close(): void {
    this.#closed = true
  }

  /** Ends one early; one that has not started never will. */
  stop(entry: Entry, why: Stop): void {
    if (this.#arrived.length > 0) this.#arrived = this.#arrived.filter(({ claim }) => claim.entry !== entry)
    this.#options.runs.interrupt(entry, why)
  }

  /** Ends without a word all that is not among these. */
  keep(held: ReadonlySet<Entry>): void {
    for (const entry of this.entries()) if (!held.has(entry)) this.stop(entry, "lost")
  }

  /** Starts what has a place. */
  #start(): void {
    const { books, holdsLease, mono, places, runs } = this.#options
    if (this.#closed || !holdsLease()) return
    const now = mono()
    for (const { claim, permit } of this.#arrived.splice(0, Math.max(0, places - runs.size()))) {
      this.#startedMono ??= now
      books.started()
      runs.start(claim, now, permit)
    }
  }
}
