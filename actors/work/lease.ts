/**
 * What one incarnation knows of times: its own lease, Redis's clock, and whether it may judge the leases of others.
 *
 * All of it is told by answers to turns, on this process's monotonic clock: a process that stood still finds that its
 * lease is over, and a Redis whose clock was set does not.
 */
import type { Clock } from "effect"
import { clockJumpMs } from "../../runtime/turn.ts"

export interface LeaseOptions {
  readonly clock: Clock.Clock
  readonly leaseMs: number
  /** The store was out of reach just now: nobody is judged for a lease, as after an outage that was seen. */
  readonly afterOutage: boolean
}

export class Lease {
  readonly #clock: Clock.Clock
  readonly #leaseMs: number
  /** Who lives takes a turn in this time; one without an answer in it was out of reach. */
  readonly #quietMs: number
  readonly #afterOutage: boolean
  #lastAnswerMono: number | undefined
  /** Until then its claims are its own, as far as it knows. */
  #untilMono = Number.NEGATIVE_INFINITY
  /**
   * Until then no other worker's lease is judged: after an outage, or a jump of the clock, all seem to have run out. One
   * that has just begun cannot know whether the clock has just jumped, and lets all take a turn first.
   */
  #judgeFromMono = Number.POSITIVE_INFINITY
  /** Redis's Unix milliseconds less ours, at least and at most: an answer was made between its turn's start and its end. */
  #offset: { readonly least: number; readonly most: number } | undefined

  constructor({ afterOutage, clock, leaseMs }: LeaseOptions) {
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#quietMs = leaseMs / 2
    this.#afterOutage = afterOutage
  }

  /** Milliseconds on this process's monotonic clock. */
  readonly mono = (): number => Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6

  /** Unix milliseconds on Redis's clock at such a time; on ours while Redis's is not known. */
  readonly redisNow = (mono = this.mono()): number =>
    Math.round(this.#offset === undefined ? this.#clock.currentTimeMillisUnsafe() : this.#offset.least + mono)

  readonly isHeld = (): boolean => this.mono() < this.#untilMono

  /** What a turn says of times. */
  get said(): { readonly expectedNow: number; readonly judges: boolean } {
    const now = this.mono()
    return {
      expectedNow: this.#offset === undefined ? 0 : this.redisNow(),
      // The turn that ends an outage comes before others could renew theirs.
      judges: now >= this.#judgeFromMono && now - this.#lastAnswerMono! <= this.#quietMs
    }
  }

  /** A turn that was sent then, and had this time in its answer, has renewed the lease. */
  answered(sentMono: number, redisNow: number): void {
    const now = this.mono()
    this.#untilMono = Math.max(this.#untilMono, sentMono + this.#leaseMs)
    const last = this.#lastAnswerMono
    const wasOut = last === undefined ? this.#afterOutage : now - last > this.#quietMs
    const offset = { least: redisNow - now, most: redisNow - sentMono }
    // Others may not have renewed theirs yet on the clock as it is now.
    if (wasOut || this.#hasJumped(offset)) this.#judgeFromMono = now + this.#leaseMs
    else if (last === undefined) this.#judgeFromMono = now + this.#quietMs
    this.#offset = offset
    this.#lastAnswerMono = now
  }

  #hasJumped({ least, most }: { readonly least: number; readonly most: number }): boolean {
    const before = this.#offset
    return before !== undefined && (least > before.most + clockJumpMs || most < before.least - clockJumpMs)
  }
}
