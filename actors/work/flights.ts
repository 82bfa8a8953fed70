/** Effects on their way beside each other: what follows from the end of each is called, unless all were closed before. */
import { Effect, type Exit, Fiber } from "effect"

export interface Flights {
  /** Starts one. `then` hears what became of it. */
  readonly fly: <A, E>(
    effect: Effect.Effect<A, E>,
    then: (exit: Exit.Exit<A, E>) => void
  ) => Fiber.Fiber<A, E>
  /** Starts one that goes on when the others are closed. */
  readonly send: (effect: Effect.Effect<void>) => void
  readonly isClosed: () => boolean
  /** Interrupts all that are on their way, and waits for their ends. */
  readonly close: Effect.Effect<void>
}

export const openFlights: Effect.Effect<Flights> = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const flying = new Set<Fiber.Fiber<unknown, unknown>>()
  let closed = false
  return {
    fly: (effect, then) => {
      const fiber = run(effect)
      flying.add(fiber)
      fiber.addObserver((exit) => {
        flying.delete(fiber)
        if (!closed) then(exit)
      })
      return fiber
    },
    send: (effect) => void run(effect),
    isClosed: () => closed,
    close: Effect.suspend(() => {
      closed = true
      return Fiber.interruptAll(flying)
    })
  }
})
