/**
 * Sends to the client of a web socket as fast as it reads.
 *
 * A client that does not keep up is not sent more: what it follows waits in the store, not here. If it goes on like that it
 * is cut off, and comes back with the last id of each task.
 */
import { Effect, Latch } from "effect"
import type { Wire } from "./wire.ts"

export class SocketWriter {
  #wire: Wire | undefined
  readonly #writable = Latch.makeUnsafe(true)
  /** Since when its client has not kept up, on our monotonic clock. */
  #blockedAt: number | undefined
  #over = false

  get isOver(): boolean {
    return this.#over
  }

  get isBlocked(): boolean {
    return this.#blockedAt !== undefined
  }

  /** For how long its client has not read, in milliseconds. */
  blockedFor(now: number): number {
    return this.#blockedAt === undefined ? 0 : now - this.#blockedAt
  }

  opened(wire: Wire): void {
    this.#wire = wire
  }

  /** What was sent has been read. */
  drained(): void {
    this.#blockedAt = undefined
    this.#writable.openUnsafe()
  }

  ping(): void {
    this.#wire?.ping()
  }

  close(code: number, reason: string): void {
    this.#wire?.close(code, reason)
  }

  /** What its client has not read is let go of. */
  cut(): void {
    this.#wire?.terminate()
  }

  /** Nothing is sent any more, and nobody waits to send. */
  end(): void {
    this.#over = true
    this.#writable.openUnsafe()
  }

  /** Sends a text once the client has read what was sent before. */
  say(text: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#over || this.#wire === undefined) return Effect.void
      if (this.#blockedAt !== undefined) return Effect.andThen(this.#writable.await, this.say(text))
      const sent = this.#wire.send(text)
      if (sent === 0) this.cut()
      else if (sent < 0) {
        this.#blockedAt = performance.now()
        this.#writable.closeUnsafe()
      }
      return Effect.void
    })
  }

  /** Sends a text that a client who does not keep up is not to wait for. */
  sayIfRead(text: string): void {
    if (!this.isBlocked) this.#wire?.send(text)
  }
}
