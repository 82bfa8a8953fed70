/** Says that this process goes away: readiness says no, streams end, and who waits for a result is answered. */
import { type Effect, Latch } from "effect"

export class Drain {
  readonly #begun = Latch.makeUnsafe(false)

  begin(): void {
    this.#begun.openUnsafe()
  }

  get begun(): boolean {
    return this.#begun.isOpen()
  }

  /** Succeeds once it has begun. */
  get begins(): Effect.Effect<void> {
    return this.#begun.await
  }
}
