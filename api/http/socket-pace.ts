/** How fast the client of one web socket may say something, and when it has said too much too often. */

/** How many frames are worked on at once, how many may come in a second, and in one go. */
export const inFlightMax = 64
export const framesPerSecond = 100
const framesAtOnce = 200

/** How many refused frames, less those that were not, are enough. */
const refusalsMax = 200

export class SocketPace {
  #frames = framesAtOnce
  #at = performance.now()
  #refusals = 0

  /** What becomes of one more frame, while so many are worked on: it is answered, it is refused, or that was enough. */
  next(working: number): "go on" | "refuse" | "close" {
    const now = performance.now()
    const since = ((now - this.#at) / 1_000) * framesPerSecond
    this.#frames = Math.min(framesAtOnce, this.#frames + since) - 1
    this.#at = now
    if (this.#frames >= 0 && working < inFlightMax) {
      this.#refusals = Math.max(0, this.#refusals - 1)
      return "go on"
    }
    this.#frames = Math.max(this.#frames, 0)
    this.#refusals += 1
    return this.#refusals > refusalsMax ? "close" : "refuse"
  }
}
