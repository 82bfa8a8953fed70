/** What is waited for of plain state: each wait ends when whoever has changed that state looks, and finds that it holds. */
import { Effect } from "effect"

export class Conditions {
  readonly #waiters = new Set<{ readonly holds: () => boolean; readonly resume: () => void }>()

  /** Succeeds at the first look at which it holds. `asked` is called when the wait begins, to have it looked at. */
  until(holds: () => boolean, asked: () => void): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const waiter = { holds, resume: () => resume(Effect.void) }
      this.#waiters.add(waiter)
      asked()
      return Effect.sync(() => this.#waiters.delete(waiter))
    })
  }

  /** To be called when something has changed. */
  look(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.holds()) continue
      this.#waiters.delete(waiter)
      waiter.resume()
    }
  }
}
