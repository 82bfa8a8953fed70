/**
 * Reads what strangers ask: an object of known fields, with every fault told at once, and a field that is misspelt
 * with the nearest that is not. One that was silently left out would make a filter mean more than it says.
 */
import { DateTime, Option, Result, Schema, type SchemaAST } from "effect"
import { Fault, faultsOfIssues, pointer } from "../../runtime/handler.ts"
import { nearest } from "../../runtime/nearest.ts"

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
  Schema.makeFilter((text: string) => Option.isSome(DateTime.make(text)), {
    message: "not a time in ISO 8601, such as 2030-01-31T09:00:00Z"
  })
)

/** A time that was checked, in Unix milliseconds. */
export const millisOf = (time: string): number =>
  Option.match(DateTime.make(time), { onNone: () => Number.NaN, onSome: DateTime.toEpochMillis })

/** The names that an object at some place of the schema may have. */
const namesAt = (ast: SchemaAST.AST, path: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (ast._tag === "Union") return ast.types.flatMap((type) => namesAt(type, path))
  if (ast._tag !== "Objects") return []
  const [first, ...rest] = path
  return first === undefined
    ? ast.propertySignatures.map(({ name }) => String(name))
    : ast.propertySignatures.filter(({ name }) => name === first).flatMap(({ type }) => namesAt(type, rest))
}

/** What a schema says of a name that is not in it. */
const excess = "Expected no excess property"

const explain =
  (ast: SchemaAST.AST) =>
  (fault: Fault): Fault => {
    if (fault.message !== excess) return fault
    const path = fault.path.slice(1).split("/")
    const meant = nearest(path.at(-1)!, namesAt(ast, path.slice(0, -1)))
    const message = `there is no such field${meant === undefined ? "" : `; did you mean ${meant}?`}`
    return { path: fault.path, message }
  }

/** Makes the reader of what fits a schema. */
export const reader = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const { validate } = Schema.toStandardSchemaV1(schema, {
    parseOptions: { errors: "all", onExcessProperty: "error" }
  })["~standard"]
  return (given: unknown): Result.Result<S["Type"], QueryRefused> => {
    // The schema is synchronous, and so is its validation.
    const result = validate(given) as Awaited<ReturnType<typeof validate>>
    return result.issues === undefined
      ? Result.succeed(result.value)
      : Result.fail(new QueryRefused({ faults: faultsOfIssues(result.issues).map(explain(schema.ast)) }))
  }
}
