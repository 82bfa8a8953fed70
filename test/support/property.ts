/** Properties of all values of a schema, tried on some of them; a failure is shown with the smallest value that fails. */
import { Arbitrary, Effect, type Schema } from "effect"

/** `property` throws where it does not hold, as `expect` does. */
export const forAll = <S extends Schema.Constraint>(
  schema: S,
  property: (value: S["Type"]) => void,
  options?: Arbitrary.CheckOptions
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const check = (value: S["Type"]) =>
      Effect.sync(() => {
        property(value)
        return true
      }).pipe(Effect.catchDefect(Effect.fail))
    const result = yield* Arbitrary.checkEffect(Arbitrary.schema(schema), check, options)
    const failure = Arbitrary.formatCheckFailure(result)
    if (failure !== undefined) return yield* Effect.die(new Error(failure))
  })
