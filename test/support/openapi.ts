/** An OpenAPI document as a test uses it: its operations, and answers held against what it says of them. */
import Ajv2020, { type AnySchemaObject, type ValidateFunction } from "ajv/dist/2020"
import addFormats from "ajv-formats"

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: ReadonlyArray<{
    readonly name: string
    readonly in: "path" | "query" | "header"
    readonly required?: boolean
    readonly schema: AnySchemaObject
    readonly example?: string
  }>
  readonly requestBody?: {
    readonly required: boolean
    readonly content: Readonly<
      Record<string, { readonly schema: AnySchemaObject; readonly example?: unknown }>
    >
  }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly headers?: Readonly<Record<string, unknown>>
        readonly content?: Readonly<Record<string, { readonly schema: AnySchemaObject }>>
      }
    >
  >
  readonly security?: ReadonlyArray<unknown>
}

export interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, AnySchemaObject>> }
}

export interface Described extends Operation {
  readonly path: string
  readonly method: string
}

export const operationsOf = ({ paths }: Document): ReadonlyArray<Described> =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() }))
  )

/** The same schema, where an object has no field that it does not name: an answer that has more is not described. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== "object" || schema === null) return schema
  const made = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]))
  return "properties" in schema && "additionalProperties" in schema
    ? { ...made, additionalProperties: false }
    : made
}

/** Makes the check of values against the schemas of a document. */
export const validatorOf = (document: Document) => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats(ajv)
  const root = closed({ components: document.components }) as AnySchemaObject
  ajv.addSchema({ $id: "https://document.test/", ...root })
  const compiled = new Map<AnySchemaObject, ValidateFunction>()
  const pointed = (schema: AnySchemaObject): AnySchemaObject =>
    JSON.parse(
      JSON.stringify(closed(schema)).replaceAll('"#/components/', '"https://document.test/#/components/')
    ) as AnySchemaObject
  /** What is wrong with a value, in words. */
  return (schema: AnySchemaObject, value: unknown): ReadonlyArray<string> => {
    const check = compiled.get(schema) ?? ajv.compile(pointed(schema))
    compiled.set(schema, check)
    return check(value) ? [] : (check.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
  }
}

/** Values that none of the types of a schema takes. */
const strangers: ReadonlyArray<unknown> = [{ strange: true }, 17.5, "~ strange ~", [[]], true, null, -1]

/** Bodies that do not fit a schema: one of another type, one with an unknown field, and one bad value for each field. */
export const misfitsOf = (
  { requestBody }: Operation,
  faultsOf: (schema: AnySchemaObject, value: unknown) => ReadonlyArray<string>,
  schemas: Document["components"]["schemas"]
): ReadonlyArray<unknown> => {
  const content = requestBody?.content["application/json"]
  if (content === undefined) return []
  const { example, schema } = content
  const name = typeof schema["$ref"] === "string" ? schema["$ref"].split("/").at(-1)! : undefined
  const { properties = {} } = (name === undefined ? schema : schemas[name]) as AnySchemaObject
  const base = typeof example === "object" ? example : {}
  const fields = Object.entries(properties as Record<string, AnySchemaObject>).flatMap(([field, of]) =>
    strangers
      .filter((value) => faultsOf(of, value).length > 0)
      .slice(0, 2)
      .map((value) => ({ ...base, [field]: value }))
  )
  return [[], 17, "text", { ...base, nonsense: 1 }, ...fields]
}
