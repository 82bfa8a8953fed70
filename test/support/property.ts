/** Properties of all values of a schema, tried on some of them; a failure is shown with the smallest value that fails. */
import { Arbitrary, Effect, type Schema } from "effect"

/** `property` throws where it does not hold, as `expect` does. */
export const forAll = <S extends Schema.Constraint>(
  schema: S,
  property: (value: S["Type"]) => void,
  options?: Arbitrary.CheckOptions
): Effect.Effect<void> =>
  forAllEffect(
    schema,
    (value) => Effect.sync(() => property(value)).pipe(Effect.catchDefect(Effect.fail)),
    options
  )

/** The same for one that takes an effect to look at, and fails where it does not hold. */
export const forAllEffect = <S extends Schema.Constraint, E, R>(
  schema: S,
  property: (value: S["Type"]) => Effect.Effect<void, E, R>,
  options?: Arbitrary.CheckOptions
): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const check = (value: S["Type"]) => Effect.as(property(value), true)
    const result = yield* Arbitrary.checkEffect(Arbitrary.schema(schema), check, options)
    const failure = Arbitrary.formatCheckFailure(result)
    if (failure !== undefined) return yield* Effect.die(new Error(failure))
  })
