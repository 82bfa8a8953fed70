/**
 * Tells those who were let in for long that what they were let in by counts no more. Those of one key are looked after
 * together: there may be thousands.
 */
import { type Context, Effect, type Fiber } from "effect"
import type { Caller } from "../../actors/access/caller.ts"
import { Gate } from "../../actors/access/gate.ts"

interface Watched {
  readonly leaves: Set<() => void>
  readonly fiber: Fiber.Fiber<void>
}

export class LettingIn {
  readonly #context: Context.Context<Gate>
  readonly #watched = new Map<string, Watched>()

  constructor(context: Context.Context<Gate>) {
    this.#context = context
  }

  /** How many keys are looked after. */
  get size(): number {
    return this.#watched.size
  }

  /** Calls `leave` once the caller's key counts no more, until what this returns is called. */
  watch(caller: Caller, leave: () => void): () => void {
    const key = caller.key ?? ""
    const there = this.#watched.get(key) ?? this.#begin(key, caller)
    there.leaves.add(leave)
    return () => {
      if (!there.leaves.delete(leave) || there.leaves.size > 0 || this.#watched.get(key) !== there) return
      this.#watched.delete(key)
      there.fiber.interruptUnsafe()
    }
  }

  #begin(key: string, caller: Caller): Watched {
    const leaves = new Set<() => void>()
    const over = Effect.sync(() => {
      for (const leave of [...leaves]) leave()
    })
    const fiber = Effect.runForkWith(this.#context)(
      Gate.use((gate) => gate.whileLetIn(caller)).pipe(
        Effect.catch(() => over),
        Effect.asVoid
      )
    )
    const watched = { leaves, fiber }
    this.#watched.set(key, watched)
    return watched
  }
}
