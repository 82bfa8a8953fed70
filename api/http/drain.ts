/**
 * Says that this process goes away, in two steps: it is not ready, and does all that it did until others have heard of
 * that; then it refuses new tasks, streams end, and who waits for a result is answered.
 */
import { type Effect, Latch } from "effect"

export class Drain {
  readonly #begun = Latch.makeUnsafe(false)
  readonly #closing = Latch.makeUnsafe(false)

  /** From here on others should be asked. Who has not heard of it yet is still served: what it submits is stored like any other. */
  begin(): void {
    this.#begun.openUnsafe()
  }

  get begun(): boolean {
    return this.#begun.isOpen()
  }

  /** From here on nobody is waited for, and nothing new is taken. */
  close(): void {
    this.begin()
    this.#closing.openUnsafe()
  }

  get closed(): boolean {
    return this.#closing.isOpen()
  }

  /** Succeeds once nobody is waited for any more. */
  get closes(): Effect.Effect<void> {
    return this.#closing.await
  }
}
