/** Whether a value fits a schema: what a check says of it, and how every fault it has is named. */
import { Result, Schema, type StandardSchema } from "effect"

// What a definition takes stands in both directions (it is given out and handed in), which only `any` can stand for.
// oxlint-disable-next-line typescript/no-explicit-any
export type Whatever = any

type Standard = StandardSchema.StandardSchemaV1<Whatever, unknown>
export type EffectSchema = Schema.Codec<unknown, unknown>

/** What may stand for a schema: any Standard Schema, or a schema of `effect` that needs no services. */
export type AnySchema = Standard | EffectSchema

/** Whether it may be: code without types gives what it likes. */
export const isSchema = (value: unknown): value is AnySchema =>
  Schema.isSchema(value) ||
  ((typeof value === "object" || typeof value === "function") && value !== null && "~standard" in value)

/** One fault of a value: where, as a JSON pointer (RFC 6901; empty for the whole), and what is wrong. */
export const Fault = Schema.Struct({ path: Schema.String, message: Schema.String })
export type Fault = typeof Fault.Type

/** The value does not fit the schema. `faults` lists every fault, each with its path. */
export class Misfit extends Schema.TaggedError<Misfit>()("Misfit", { faults: Schema.Array(Fault) }) {
  override get message() {
    return this.faults.map((fault) => `${fault.path || "/"}: ${fault.message}`).join("; ")
  }
}

/** A path as a JSON pointer. */
export const pointer = (
  path: ReadonlyArray<PropertyKey | StandardSchema.StandardSchemaV1.PathSegment> | undefined
) =>
  (path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("")

/** The faults that a Standard Schema found. */
export const faultsOfIssues = (
  issues: ReadonlyArray<StandardSchema.StandardSchemaV1.Issue>
): ReadonlyArray<Fault> => issues.map(({ message, path }) => ({ path: pointer(path), message }))

/** What a check says: the value as the schema gives it out, or every fault. A promise only where the schema is async. */
export type Checked = Result.Result<unknown, Misfit> | Promise<Result.Result<unknown, Misfit>>

/** Makes the check of a schema; `standard` says how a schema of `effect` is read. */
export const check = (
  schema: AnySchema | undefined,
  standard: (schema: EffectSchema) => Standard
): ((value: unknown) => Checked) => {
  if (schema === undefined) return Result.succeed
  const { validate } = ("~standard" in schema ? schema : standard(schema))["~standard"]
  const settle = (result: StandardSchema.StandardSchemaV1.Result<unknown>): Result.Result<unknown, Misfit> =>
    result.issues === undefined
      ? Result.succeed(result.value)
      : Result.fail(new Misfit({ faults: faultsOfIssues(result.issues) }))
  return (value) => {
    const result = validate(value)
    return result instanceof Promise ? result.then(settle) : settle(result)
  }
}
