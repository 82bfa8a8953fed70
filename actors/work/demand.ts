/**
 * How many tasks the turns of one puller ask for: its demand, over plain values.
 *
 * While the lanes give all that is asked for, two turns may claim at once. Once they give less, none claims until something
 * wakes the puller; then one looks first. What turns on their way have asked for takes up room, and so does what was handed
 * over and not heard of yet.
 *
 * Limited tasks need permits before a turn can claim them. Where they wait, half of the places that come free are kept from
 * the lanes until the permits are there, or refused: else a backlog in the lanes would take up every place before that.
 */
import type { Turn } from "../../runtime/turn.ts"
import { sharesOf } from "./share.ts"

/** How many tasks one turn claims at most. A script over these stays under 5 ms. */
const claimMax = 250

export interface DemandOptions {
  /** How many run at once. */
  readonly places: number
  /** How many tasks take up a place now. */
  readonly held: () => number
  /** How many were handed over without being heard of. */
  readonly owed: () => number
  /** Whether every answer will find all places free, as it seems. */
  readonly isSwift: () => boolean
}

export class Demand {
  readonly #options: DemandOptions
  #claimers: 0 | 1 | 2 = 1
  /** How many turns on their way claim, and how many tasks these have asked for. */
  #claiming = 0
  #reserved = 0
  #claimed = 0
  /** How many limited tasks wait for permits that are worth asking for, how many places are kept for them, and who gets one alone. */
  #limited = 0
  #kept = 0
  #keepsOne = false
  /** Whether others than limited tasks were given to the last turn that had room for some. */
  #othersWait = false
  #closed = false

  constructor(options: DemandOptions) {
    this.#options = options
  }

  /** Places for which nothing has been asked yet. */
  get free(): number {
    const { held, owed, places } = this.#options
    return places - held() - this.#reserved - owed()
  }

  /** Whether it claims no more. */
  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether the lanes gave less than was asked for, and nothing has woken it since. */
  get isSated(): boolean {
    return this.#claimers === 0
  }

  /** Whether a turn on its way claims. */
  get isClaiming(): boolean {
    return this.#claiming > 0
  }

  /** Whether a turn may be taken to claim. */
  get mayClaim(): boolean {
    return this.#claiming < this.#claimers && this.next(false) > 0
  }

  /** How many tasks the next turn asks for; `withPermits` when it has permits of limits, which are for free places alone. */
  next(withPermits: boolean): number {
    if (this.#closed) return 0
    const { isSwift, owed, places } = this.#options
    // Swift runs leave all places free for every answer; otherwise the turns on their way share them.
    const room = !withPermits && isSwift() ? places - owed() : Math.min(this.free, Math.ceil(places / 2))
    return Math.max(0, Math.min(room, claimMax) - (withPermits ? 0 : this.#kept))
  }

  /** Whether places are kept for limited tasks. */
  get keeps(): boolean {
    return this.#kept > 0
  }

  /** So many limited tasks wait, for which permits are asked for as soon as there are places. */
  limited(waiting: number): void {
    this.#limited = waiting
  }

  /** A turn leaves without permits: it leaves a share of the places to those that wait for some. */
  keep(): void {
    if (this.#limited === 0 || this.#kept > 0 || !this.#othersWait) return
    const room = this.next(false)
    if (room === 0) return
    this.#keepsOne = !this.#keepsOne
    this.#kept = Math.min(this.#limited, Math.floor((room + (this.#keepsOne ? 1 : 0)) / 2))
  }

  /** The permits are there, or will not be. */
  keptEnough(): void {
    this.#kept = 0
  }

  /** A turn that asks for so many is on its way; then it has an answer, or none. */
  asked(want: number): void {
    this.#reserved += want
    if (want > 0) this.#claiming += 1
  }

  answered(want: number): void {
    this.#reserved -= want
    if (want > 0) this.#claiming -= 1
  }

  /** So many were given to a turn that asked for some, and so many of these were limited. */
  gave(want: number, count: number, limited = 0): void {
    if (want > 0) this.#claimers = count === want ? 2 : 0
    // Where limited tasks took all of it, nobody knows.
    if (want > limited) this.#othersWait = count > limited
  }

  /** So many more tasks were claimed, or handed over. */
  took(count: number): void {
    this.#claimed += count
  }

  /** Which of so many claims go to the lower lanes first. */
  shares(want: number): Turn["share"] {
    return sharesOf(this.#claimed, want)
  }

  /** Something may wait in the lanes. */
  wake(): void {
    this.#claimers = 1
  }

  /** Claims no more. */
  close(): void {
    this.#closed = true
  }
}
