/**
 * Where somebody takes from at their own pace, without a fiber: what there is at once, and a wake-up for what comes next.
 *
 * There are thousands of followers, and much for each: a fiber for each wait would cost more than what is taken.
 */
import { type Array as Arr, Cause, Effect, type Fiber, FiberHandle, Pull, type Scope, Stream } from "effect"

/** What there is: some, nothing so far, nothing any more, or why there will be nothing. */
export type Taken<A, E> = Arr.NonEmptyReadonlyArray<A> | "nothing" | "over" | Cause.Cause<E>

export interface Source<A, E = never> {
  /** Takes what there is. After nothing, wait in the same breath: what comes first wakes. */
  readonly take: () => Taken<A, E>
  /** Calls `wake` once, when there may be something to take. What it returns calls that off. */
  readonly wait: (wake: () => void) => () => void
}

/** The same, with everything that is taken changed. */
export const map = <A, B, E>({ take, wait }: Source<A, E>, change: (one: A) => B): Source<B, E> => ({
  take: () => {
    const taken = take()
    if (taken === "nothing" || taken === "over" || Cause.isCause(taken)) return taken
    return taken.map(change) as unknown as Arr.NonEmptyReadonlyArray<B>
  },
  wait
})

/** What there is as soon as there is something, and done after all. */
export const pullOf = <A, E>({ take, wait }: Source<A, E>): Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E> =>
  Effect.callback((resume) => {
    let callOff = () => {}
    const look = () => {
      const taken = take()
      if (taken === "nothing") callOff = wait(look)
      else if (taken === "over") resume(Cause.done())
      else resume(Cause.isCause(taken) ? Effect.failCause(taken) : Effect.succeed(taken))
    }
    look()
    return Effect.sync(() => callOff())
  })

/** A stream to take from: here a fiber waits for what comes next. It ends with the scope. */
export const sourceOf = Effect.fnUntraced(function* <A, E>(
  stream: Stream.Stream<A, E>
): Effect.fn.Return<Source<A, E>, never, Scope.Scope> {
  const pull = yield* Stream.toPull(stream)
  const run = yield* FiberHandle.runtime(yield* FiberHandle.make<void>())<never>()
  let next: Taken<A, E> = "nothing"
  const arrived = (taken: Taken<A, E>, wake: () => void) =>
    Effect.sync(() => {
      next = taken
      wake()
    })
  return {
    take: () => {
      const taken = next
      next = "nothing"
      return taken
    },
    wait: (wake) => {
      const fiber: Fiber.Fiber<void> = run(
        Pull.matchEffect(pull, {
          onSuccess: (some) => arrived(some, wake),
          onFailure: (cause) => arrived(cause, wake),
          onDone: () => arrived("over", wake)
        })
      )
      return () => fiber.interruptUnsafe()
    }
  }
})
