/**
 * Mounts routes by their rows, and in no other way: what a row says is what is asked of a request, and an error that a
 * row does not name does not compile.
 */
import { Effect, type Schema } from "effect"
import type { Hono, MiddlewareHandler } from "hono"
import { type QueryRefused, reader, refuseField } from "../../actors/operate/fields.ts"
import type { ApiError } from "./problem.ts"
import { ParameterInvalid } from "./refusals.ts"
import { type ErrorTag, type ofQuery, type Parameters, readsQuery, type Row } from "./row.ts"
import type { ApiContext, ApiServices, Bindings, Respond, Variables } from "./run.ts"

export type App = Hono<{ Bindings: Bindings; Variables: Variables }>

/** What a route answers: the context of its request, and what was said after the `?`, checked. */
export type Answering<Tag extends ErrorTag, Query extends Parameters> = (
  c: ApiContext,
  query: Query["Type"]
) => Effect.Effect<
  Response,
  Extract<ApiError, { readonly _tag: Tag | (typeof ofQuery)[number] }>,
  ApiServices
>

/** Mounts one route. */
export type Serve = <Tag extends ErrorTag, Query extends Parameters>(
  row: Row<Tag, Query>,
  // Of the row alone: an answer that fails with more would otherwise say so for the row.
  answer: Answering<NoInfer<Tag>, NoInfer<Query>>
) => void

/** What is a number, or a yes or no, to whom it is said is one here; the rest stays as it was written. */
const valueOf = ({ ast }: Schema.Top, text: string): unknown => {
  if (ast._tag === "Number" && /^\d{1,15}$/.test(text)) return Number(text)
  if (ast._tag === "Boolean" && /^(0|1|true|false)$/.test(text)) return text === "1" || text === "true"
  return text
}

/** Why a parameter may not be empty: left out, as a filter or `dryRun`, it would make a request mean everything. */
const emptyOf = ({ ast }: Schema.Top) =>
  `is empty: say ${ast._tag === "Boolean" ? "true or false" : "something"}, or leave it out`

/** Reads what is said after the `?`. What is empty is refused, and what is said twice, as one of them would be lost. */
const queryReader = (schema: Parameters) => {
  const read = reader(schema)
  return Effect.fnUntraced(function* (c: ApiContext) {
    const said: Record<string, unknown> = {}
    for (const [name, [text = "", ...more]] of Object.entries(c.req.queries())) {
      if (more.length > 0) return yield* new ParameterInvalid({ parameter: name, reason: "is given twice" })
      const field = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined
      if (field !== undefined && text === "")
        return yield* new ParameterInvalid({ parameter: name, reason: emptyOf(field) })
      said[name] = field === undefined ? text : valueOf(field, text)
    }
    return yield* Effect.fromResult(read(said))
  })
}

/** What is said to an address that knows no parameters is refused. */
const refuseAny = (c: ApiContext): Effect.Effect<Parameters["Type"], QueryRefused> => {
  const [name] = Object.keys(c.req.queries())
  return name === undefined ? Effect.succeed({}) : Effect.fail(refuseField(name, "there is no such field"))
}

/** How many parts a path has. */
const partsOf = (path: string) => path.split("/").length - 1

/** Lets whoever comes later know which route it is, and where the app was mounted: links begin with that. */
const known =
  (row: Row): MiddlewareHandler<{ Variables: Variables }> =>
  async (c, next) => {
    c.set("row", row)
    const { path } = c.req
    const all = path.split("/")
    c.set("base", all.slice(0, all.length - partsOf(row.path)).join("/"))
    await next()
  }

/** `before` makes what stands before each route. */
export const serving =
  (app: App, respond: Respond, before: (row: Row) => ReadonlyArray<MiddlewareHandler>): Serve =>
  (row, answer) => {
    type Said = Parameters["Type"]
    const run = answer as unknown as (
      c: ApiContext,
      query: Said
    ) => Effect.Effect<Response, ApiError, ApiServices>
    const plain = row as unknown as Row
    const readQuery = plain.query === undefined ? refuseAny : queryReader(plain.query)
    app.on([row.method], [row.path], known(plain), ...before(plain), (c) =>
      respond(c, readsQuery(plain) ? Effect.flatMap(readQuery(c), (query) => run(c, query)) : run(c, {}))
    )
  }
