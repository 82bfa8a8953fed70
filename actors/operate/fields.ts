/**
 * Reads what strangers ask: an object of known fields, with every fault told at once, and a field that is misspelt
 * with the nearest that is not. One that was silently left out would make a filter mean more than it says.
 */
import { Result, Schema } from "effect"
import { Fault, pointer } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"
import { readTime, timeExpected } from "../../runtime/time.ts"

/** What was asked does not fit. Nothing was done; `faults` says what to mend, and where. */
export class QueryRefused extends Schema.TaggedError<QueryRefused>()("QueryRefused", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path.slice(1) || "it"}: ${message}`).join("; ")
  }
}

export const refuseField = (field: string, message: string) =>
  new QueryRefused({ faults: [{ path: pointer([field]), message }] })

/** A time as people and programs write it, in ISO 8601. */
export const Time = Schema.String.check(
  Schema.makeFilter((text: string) => readTime(text) !== undefined, { message: timeExpected })
)

/** A time that was checked, in Unix milliseconds. */
export const millisOf = (time: string): number => readTime(time) ?? Number.NaN

/** Makes the reader of what fits a schema. */
export const reader = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const read = readerOf(schema, "field")
  return (given: unknown): Result.Result<S["Type"], QueryRefused> =>
    Result.mapError(read(given), (faults) => new QueryRefused({ faults }))
}
