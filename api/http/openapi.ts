/**
 * The OpenAPI 3.1 document, made of the route table: its schemas are those that requests are checked with, and that
 * answers are typed by. There is no second description.
 */
import { JsonSchema, type Schema, SchemaRepresentation } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import { contentType, type ErrorTag, general, type Kind, kinds } from "./problem.ts"
import {
  type AnswerHeader,
  type Answered,
  ofQuery,
  type Parts,
  readsQuery,
  type Row,
  type Taken
} from "./row.ts"
import { ProblemShape } from "./shapes/task.ts"

type Json = JsonSchema.JsonSchema

const headerTexts: { readonly [name in AnswerHeader]: string } = {
  location: "Where it is to be found",
  "retry-after": "In how many seconds to ask again",
  etag: "Names what the answer says: send it as If-None-Match, and 304 says that it still does"
}

/** What a request may come to before its route is asked. */
const ofKeys = ["NotLetIn", "NotAllowed", "TooFast", "StoreError"] as const

/**
 * Schemas of one side, said together: what has a name is said once, under it. What is taken refuses fields that it does not
 * know; what is given may have more of them one day.
 */
const said = (schemas: ReadonlyArray<Schema.Top>, onExcessProperty: "error" | "ignore") => {
  const asts = [...new Set(schemas.map(({ ast }) => ast))]
  const [first, ...rest] = asts
  const { definitions, schemas: made } = JsonSchema.toMultiDocumentOpenApi3_1(
    SchemaRepresentation.toJsonSchemaMultiDocument(
      SchemaRepresentation.toRepresentations([first!, ...rest]),
      { onExcessProperty }
    )
  )
  const of = (schema: Schema.Top): Json => made[asts.indexOf(schema.ast)]!
  return { definitions, of }
}

type SchemaOf = (schema: Schema.Top) => Json

const takenBy = ({ body, headers = {}, parts = {}, query }: Row): ReadonlyArray<Schema.Top> => [
  ...(body === undefined ? [] : [body.schema]),
  ...Object.values({ ...headers, ...parts }).map(({ schema }) => schema),
  ...Object.values(query?.fields ?? {})
]

const answersOf = ({ answers }: Row): ReadonlyArray<readonly [string, Answered]> =>
  Object.entries(answers as Readonly<Record<string, Answered>>)

const givenBy = (row: Row) =>
  answersOf(row).flatMap(([, { schema }]) => (schema === undefined ? [] : [schema]))

const namedParts = (of: SchemaOf, parts: Parts, where: "path" | "header") =>
  Object.entries(parts).map(([name, { example, schema }]) => ({
    name,
    in: where,
    ...(where === "path" ? { required: true } : {}),
    schema: of(schema),
    example
  }))

const parametersOf = (of: SchemaOf, { headers = {}, parts = {}, query }: Row) => [
  ...namedParts(of, parts, "path"),
  ...Object.entries(query?.fields ?? {}).map(([name, schema]) => ({ name, in: "query", schema: of(schema) })),
  ...namedParts(of, headers, "header")
]

const bodyOf = (of: SchemaOf, { example, optional, schema, types = ["application/json"] }: Taken) => ({
  required: optional !== true,
  content: Object.fromEntries(
    types.map((type) => [type, { schema: of(schema), ...(example === undefined ? {} : { example }) }])
  )
})

const answerOf = (of: SchemaOf, answered: Answered, more: ReadonlyArray<AnswerHeader>) => {
  const { description, headers = [], schema, type = "application/json" } = answered
  const names = [...headers, ...more]
  return {
    description,
    ...(names.length === 0
      ? {}
      : {
          headers: Object.fromEntries(
            names.map((name) => [name, { description: headerTexts[name], schema: { type: "string" } }])
          )
        }),
    ...(schema === undefined ? {} : { content: { [type]: { schema: of(schema) } } })
  }
}

/** The problems that a route may answer, by their status. */
export const problemsOf = (row: Row): ReadonlyMap<number, ReadonlyArray<Kind>> => {
  const tags: ReadonlyArray<ErrorTag> = [
    ...row.problems,
    ...(row.needs === "nothing" ? [] : ofKeys),
    ...(readsQuery(row) ? ofQuery : [])
  ]
  const all: ReadonlyArray<Kind> = [...new Set(tags)].map((tag) => kinds[tag])
  return Map.groupBy([...all, general.internal], ({ status }) => status)
}

const problemAnswer = (problem: Json, kinds: ReadonlyArray<Kind>) => {
  const types = [...new Set(kinds.flatMap(({ types }) => types))]
  return {
    description: types.map((type) => `\`${type}\``).join(", "),
    content: {
      [contentType]: { schema: { allOf: [problem, { properties: { type: { enum: types } } }] } }
    }
  }
}

/** As OpenAPI writes a path. */
export const templateOf = (path: string) => path.replace(/:([A-Za-z]+)/g, "{$1}")

const operationOf = (row: Row, taken: SchemaOf, given: SchemaOf) => {
  const responses: ReadonlyArray<readonly [string, object]> = [
    ...answersOf(row).map(([status, answered]) => {
      const more = row.conditional === true && status === "200" ? (["etag"] as const) : []
      return [status, answerOf(given, answered, more)] as const
    }),
    ...(row.conditional === true ? ([["304", { description: "It still says what it said" }]] as const) : []),
    ...[...problemsOf(row)].map(
      ([status, kinds]) => [String(status), problemAnswer(given(ProblemShape), kinds)] as const
    )
  ]
  return {
    operationId: row.name,
    tags: [row.group],
    summary: row.summary,
    description:
      row.needs === "nothing"
        ? "Asks for no key."
        : `Asks for a key that may \`${row.needs}\`. ${row.reach === "tenant" ? "It sees the key's tenant only." : "It sees the whole system."}`,
    ...(row.needs === "nothing" ? { security: [] } : {}),
    parameters: parametersOf(taken, row),
    ...(row.body === undefined ? {} : { requestBody: bodyOf(taken, row.body) }),
    responses: Object.fromEntries(responses)
  }
}

/** The document of some routes, for an app whose addresses begin with `base`. */
export const documentOf = (rows: ReadonlyArray<Row>, base = "") => {
  const taken = said(rows.flatMap(takenBy), "error")
  const given = said([ProblemShape, ...rows.flatMap(givenBy)], "ignore")
  const paths: Record<string, Record<string, object>> = {}
  for (const row of rows) {
    const path = (paths[templateOf(row.path)] ??= {})
    path[row.method.toLowerCase()] = operationOf(row, taken.of, given.of)
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Troupe",
      version: packageJson.version,
      description: packageJson.description,
      license: { name: packageJson.license, identifier: packageJson.license }
    },
    servers: [{ url: base === "" ? "/" : base }],
    security: [{ key: [] }],
    tags: [...new Set(rows.map(({ group }) => group))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { ...given.definitions, ...taken.definitions },
      securitySchemes: {
        key: {
          type: "http",
          scheme: "bearer",
          description: "A key of `troupe keys create`. While there is none, nobody is asked for one."
        }
      }
    }
  }
}
