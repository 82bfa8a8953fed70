/**
 * The promise of a message that is to be sent, as a plain handler is given it: one that is refused counts even when nobody
 * waits for it, since a message that was lost without a word would be the worst end of all.
 */

/** Knows whether anybody has asked how it ends. */
export class Told extends Promise<void> {
  // What is made of it is a promise as any other.
  static override get [Symbol.species]() {
    return Promise
  }

  #isHeard = false

  static of(promise: Promise<void>): Told {
    const told = new Told((resolve, reject) => void promise.then(resolve, reject))
    void told.#quietly(() => {})
    return told
  }

  #quietly(onRefused: (reason: unknown) => void): Promise<void> {
    return super.then(() => {}, onRefused)
  }

  // Who asks for it is what is to be known.
  // oxlint-disable-next-line unicorn/no-thenable
  override then<A = void, B = never>(
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null
  ): Promise<A | B> {
    this.#isHeard = true
    return super.then(onFulfilled, onRejected)
  }

  /** Ends with it. Rejects when it was refused and nobody has heard so. */
  get unheard(): Promise<void> {
    return this.#quietly((reason) => {
      if (!this.#isHeard) throw reason
    })
  }
}
