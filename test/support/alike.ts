/** Two stores that do the same random commands and must show the same, each sequence under names that no other has. */
import { expect } from "bun:test"
import { Effect, Layer, Schema } from "effect"
import { forAllEffect } from "./property.ts"

export interface Comparison<Command, Services, E> {
  readonly stores: readonly [Layer.Layer<Services>, Layer.Layer<Services>]
  readonly command: Schema.Codec<Command, unknown>
  /** How many commands a sequence has at most; 10 at least. */
  readonly length: number
  /** How many sequences are tried. */
  readonly runs: number
  /** Does commands on one store, and gives all that can be seen of it; `run` is the number of the sequence. */
  readonly runOn: (commands: ReadonlyArray<Command>, run: number) => Effect.Effect<unknown, E, Services>
}

export const answerAlike = Effect.fnUntraced(function* <Command, Services, E>({
  command,
  length,
  runOn,
  runs,
  stores: [one, other]
}: Comparison<Command, Services, E>) {
  const ours = yield* Layer.build(Layer.fresh(one))
  const theirs = yield* Layer.build(Layer.fresh(other))
  let run = 0
  const alike = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
    run += 1
    const expected = yield* Effect.provideContext(runOn(commands, run), ours)
    const seen = yield* Effect.provideContext(runOn(commands, run), theirs)
    yield* Effect.try(() => expect(seen).toEqual(expected))
  })
  yield* forAllEffect(
    Schema.Array(command).check(Schema.isMinLength(10), Schema.isMaxLength(length)),
    alike,
    { runs }
  )
})
