/** Reads a stream by hand, at the pace of the test. */
import { Effect, Stream } from "effect"

export const aReader = Effect.fnUntraced(function* <A, E, R>(stream: Stream.Stream<A, E, R>) {
  const pull = yield* Stream.toPull(stream)
  const held: Array<A> = []
  /** The next `count`, however long they take; what comes with them is kept for the next call. */
  const take = Effect.fnUntraced(function* (count: number) {
    while (held.length < count) held.push(...(yield* pull))
    return held.splice(0, count)
  })
  return { take, one: Effect.map(take(1), ([first]) => first!) }
})
