/**
 * Reads objects of known fields: every fault is told at once, and a name that is not known with the nearest that is. One
 * that was silently left out would make what is asked mean more, or less, than it says.
 */
import { Result, Schema, type SchemaAST } from "effect"
import { type Fault, faultsOfIssues } from "./handler.ts"
import { nearest } from "./nearest.ts"

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

/** Makes the reader of what fits a schema, which must be synchronous; `noun` is what a name stands for. */
export const readerOf = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  noun: "field" | "option"
): ((given: unknown) => Result.Result<S["Type"], ReadonlyArray<Fault>>) => {
  const { validate } = Schema.toStandardSchemaV1(schema, {
    parseOptions: { errors: "all", onExcessProperty: "error" }
  })["~standard"]
  const explain = (fault: Fault): Fault => {
    if (fault.message !== excess) return fault
    const path = fault.path.slice(1).split("/")
    const meant = nearest(path.at(-1)!, namesAt(schema.ast, path.slice(0, -1)))
    const message = `there is no such ${noun}${meant === undefined ? "" : `; did you mean ${meant}?`}`
    return { path: fault.path, message }
  }
  return (given) => {
    // The schema is synchronous, and so is its validation.
    const result = validate(given) as Awaited<ReturnType<typeof validate>>
    return result.issues === undefined
      ? Result.succeed(result.value)
      : Result.fail(faultsOfIssues(result.issues).map(explain))
  }
}
