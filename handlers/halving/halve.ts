/**
 * What is done for many items at once, and may fail for the sake of one: the items are halved until the bad ones stand
 * alone, and the others are done.
 *
 * One bad item among `n` costs about `2 log2 n` calls more. Where more than `badMax` are bad, the fault is hardly theirs,
 * and the whole fails with what the last one failed with.
 */
import { Effect, Result } from "effect"

const badMaxDefault = 100

/**
 * The outcome of each item, in their order. `run` gives as many as there were items. An error that `isOnes` says may be
 * one item's is looked into; any other fails the whole.
 */
export const halve = <A, B, E, R>(
  items: ReadonlyArray<A>,
  run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>,
  isOnes: (error: E) => boolean,
  badMax: number = badMaxDefault
): Effect.Effect<ReadonlyArray<Result.Result<B, E>>, E, R> => {
  let bad = 0
  const of = (part: ReadonlyArray<A>): Effect.Effect<ReadonlyArray<Result.Result<B, E>>, E, R> =>
    Effect.matchEffect(run(part), {
      onSuccess: (done) => Effect.succeed(done.map((one) => Result.succeed(one))),
      onFailure: (error) => {
        if (!isOnes(error)) return Effect.fail(error)
        if (part.length === 1)
          return ++bad > badMax ? Effect.fail(error) : Effect.succeed([Result.fail(error)])
        const middle = part.length >>> 1
        return Effect.zipWith(
          of(part.slice(0, middle)),
          Effect.suspend(() => of(part.slice(middle))),
          (left, right) => [...left, ...right]
        )
      }
    })
  return items.length === 0 ? Effect.succeed([]) : of(items)
}
