/**
 * What a search or a delete is narrowed to, said in one small language whatever the store.
 *
 * `{year: {gte: 2020, lt: 2025}, language: "en", kind: {in: ["pdf", "html"]}}`: every field must fit. A value of another
 * type never fits, nor does a field that is not there; only numbers have ranges. `fits` is what all stores agree on.
 */
import { Schema } from "effect"

/** A text as every store can hold it: without NUL, and without half of a surrogate pair. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "")

/** What a field of metadata may be. */
export const Value = Schema.Union([
  Schema.String.check(
    Schema.isMaxLength(4_096),
    Schema.makeFilter(
      (text) => text === storable(text) || "must hold no NUL character and no half of a surrogate pair"
    )
  ),
  Schema.Finite,
  Schema.Boolean
])
export type Value = typeof Value.Type

export type Metadata = { readonly [field: string]: Value }

/** Names that every store can write in its own language. */
const fieldName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/u

/** A record leaves out the keys that do not fit, of which nobody would hear. */
const misnamed = (record: object): string | undefined => {
  const name = Object.keys(record).find((one) => !fieldName.test(one))
  return name === undefined
    ? undefined
    : `a field is named by 1 to 64 of A-Z a-z 0-9 _, the first no digit, which ${JSON.stringify(name)} is not`
}

const fieldsMax = 64
const metadataCharactersMax = 16_384

export const Metadata = Schema.Record(Schema.String, Value).check(
  Schema.makeFilter((metadata) =>
    Object.keys(metadata).length > fieldsMax
      ? `must not have more than ${fieldsMax} fields`
      : JSON.stringify(metadata).length > metadataCharactersMax
        ? `must not have more than ${metadataCharactersMax} characters of JSON`
        : (misnamed(metadata) ?? true)
  )
)

const alternativesMax = 1_000

const operators = {
  eq: Schema.optionalKey(Value),
  in: Schema.optionalKey(
    Schema.Array(Value).check(Schema.isMinLength(1), Schema.isMaxLength(alternativesMax))
  ),
  gt: Schema.optionalKey(Schema.Finite),
  gte: Schema.optionalKey(Schema.Finite),
  lt: Schema.optionalKey(Schema.Finite),
  lte: Schema.optionalKey(Schema.Finite)
}

/** Others are kept while it is read, so that they are refused rather than left out. */
const Condition = Schema.StructWithRest(Schema.Struct(operators), [
  Schema.Record(Schema.String, Schema.Unknown)
]).check(
  Schema.makeFilter((condition) => {
    const names = Object.keys(condition)
    const known = Object.keys(operators).join(", ")
    const unknown = names.find((name) => !Object.hasOwn(operators, name))
    return unknown === undefined
      ? names.length > 0 || `give one of ${known}`
      : `there is no ${JSON.stringify(unknown)}; give one of ${known}`
  })
)

/** Every field must fit. */
export const Filter = Schema.Record(Schema.String, Schema.Union([Value, Condition])).check(
  Schema.makeFilter((filter) =>
    Object.keys(filter).length === 0 ? "must name a field" : (misnamed(filter) ?? true)
  )
)
export type Filter = typeof Filter.Type

/** One field's test. */
export type Test =
  | { readonly field: string; readonly is: "in"; readonly values: ReadonlyArray<Value> }
  | { readonly field: string; readonly is: "gt" | "gte" | "lt" | "lte"; readonly number: number }

/** A filter as the tests that all must pass. */
export const testsOf = (filter: Filter): ReadonlyArray<Test> =>
  Object.entries(filter).flatMap(([field, condition]): ReadonlyArray<Test> => {
    if (typeof condition !== "object") return [{ field, is: "in", values: [condition] }]
    return [
      ...(condition.eq === undefined ? [] : [{ field, is: "in", values: [condition.eq] } as const]),
      ...(condition.in === undefined ? [] : [{ field, is: "in", values: condition.in } as const]),
      ...(["gt", "gte", "lt", "lte"] as const).flatMap((is) => {
        const number = condition[is]
        return number === undefined ? [] : [{ field, is, number }]
      })
    ]
  })

export const fits = (filter: Filter, metadata: Metadata): boolean =>
  testsOf(filter).every((test) => {
    const value = Object.hasOwn(metadata, test.field) ? metadata[test.field] : undefined
    if (test.is === "in") return test.values.some((one) => one === value)
    if (typeof value !== "number") return false
    switch (test.is) {
      case "gt":
        return value > test.number
      case "gte":
        return value >= test.number
      case "lt":
        return value < test.number
      case "lte":
        return value <= test.number
    }
  })
