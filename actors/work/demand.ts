/**
 * How many tasks the turns of one puller ask for: its demand, over plain values.
 *
 * While the lanes give all that is asked for, two turns may claim at once. Once they give less, none claims until something
 * wakes the puller; then one looks first. What turns on their way have asked for takes up room, and so does what was handed
 * over and not heard of yet.
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
    return Math.max(0, Math.min(room, claimMax))
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

  /** The lanes gave so many to a turn that asked for some. */
  gave(want: number, count: number): void {
    if (want > 0) this.#claimers = count === want ? 2 : 0
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
