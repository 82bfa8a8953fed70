/**
 * Says that this process goes away, in two steps: it is not ready and refuses new tasks; then streams end, and who waits
 * for a result is answered.
 */
import { type Effect, Latch } from "effect"

export class Drain {
  readonly #begun = Latch.makeUnsafe(false)
  readonly #closing = Latch.makeUnsafe(false)

  /** From here on others should be asked. */
  begin(): void {
    this.#begun.openUnsafe()
  }

  get begun(): boolean {
    return this.#begun.isOpen()
  }

  /** From here on nobody is waited for. */
  close(): void {
    this.begin()
    this.#closing.openUnsafe()
  }

  /** Succeeds once nobody is waited for any more. */
  get closes(): Effect.Effect<void> {
    return this.#closing.await
  }
}
