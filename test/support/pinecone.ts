/** A server on this machine that answers as Pinecone's API documents it, with an index of some dimensions. */
import { Effect } from "effect"
import { localServer } from "./network.ts"

type Value = string | number | boolean
type Fields = Readonly<Record<string, Value>>

interface Vector {
  readonly id: string
  readonly values: ReadonlyArray<number>
  readonly metadata?: Fields
}

interface Body {
  readonly namespace?: string
  readonly vectors?: ReadonlyArray<Vector>
  readonly vector?: ReadonlyArray<number>
  readonly topK?: number
  readonly filter?: Condition
  readonly ids?: ReadonlyArray<string>
  readonly deleteAll?: boolean
}

type Condition = { readonly [field: string]: unknown }

const passes = (condition: Condition, fields: Fields): boolean =>
  Object.entries(condition).every(([field, test]) => {
    if (field === "$and") return (test as ReadonlyArray<Condition>).every((one) => passes(one, fields))
    const value = fields[field]
    return Object.entries(test as Record<string, unknown>).every(([operator, with_]) => {
      if (operator === "$in") return (with_ as ReadonlyArray<Value>).some((one) => one === value)
      if (typeof value !== "number" || typeof with_ !== "number") return false
      return { $gt: value > with_, $gte: value >= with_, $lt: value < with_, $lte: value <= with_ }[operator]
    })
  })

const cosine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) =>
  a.reduce((sum, one, at) => sum + one * b[at]!, 0) / (Math.hypot(...a) * Math.hypot(...b))

const refused = (status: number, message: string, headers: Record<string, string> = {}) =>
  Response.json({ code: 3, message, details: [] }, { status, headers })

/** `fail` decides on each request by its path and number, from 0. */
export const pineconeServer = (
  dimension: number,
  fail: (path: string, request: number) => Response | undefined = () => undefined
) =>
  Effect.gen(function* () {
    const namespaces = new Map<string, Map<string, Vector>>()
    const asked: Array<{ readonly path: string; readonly version: string | null; readonly vectors: number }> =
      []
    const { port } = yield* localServer(async (request) => {
      const { pathname } = new URL(request.url)
      const body = (await request.json()) as Body
      const failure = fail(pathname, asked.length)
      asked.push({
        path: pathname,
        version: request.headers.get("x-pinecone-api-version"),
        vectors: body.vectors?.length ?? 0
      })
      if (request.headers.get("api-key") !== "pc-1") return refused(401, "Invalid API Key")
      if (failure !== undefined) return failure
      const there = namespaces.get(body.namespace ?? "") ?? new Map<string, Vector>()
      switch (pathname) {
        case "/describe_index_stats":
          return Response.json({
            dimension,
            metric: "cosine",
            namespaces: Object.fromEntries(
              [...namespaces].map(([name, { size }]) => [name, { vectorCount: size }])
            )
          })
        case "/vectors/upsert": {
          const vectors = body.vectors ?? []
          if (vectors.length > 1_000) return refused(400, "too many vectors in one request")
          const wrong = vectors.find(({ values }) => values.length !== dimension)
          if (wrong !== undefined) {
            return refused(
              400,
              `Vector dimension ${wrong.values.length} does not match the dimension of the index ${dimension}`
            )
          }
          const bad = vectors.find(({ metadata }) => JSON.stringify(metadata ?? {}).includes("\\u0000"))
          if (bad !== undefined) return refused(400, `metadata of ${bad.id} is invalid`)
          namespaces.set(body.namespace ?? "", there)
          for (const vector of vectors) there.set(vector.id, vector)
          return Response.json({ upsertedCount: vectors.length })
        }
        case "/query": {
          const matches = [...there.values()]
            .filter(({ metadata = {} }) => body.filter === undefined || passes(body.filter, metadata))
            .map(({ id, metadata, values }) => ({ id, score: cosine(values, body.vector!), metadata }))
            .toSorted((a, b) => b.score - a.score)
            .slice(0, body.topK)
          return Response.json({ matches, namespace: body.namespace, usage: { readUnits: 1 } })
        }
        case "/vectors/delete": {
          if (body.deleteAll === true) namespaces.delete(body.namespace ?? "")
          for (const id of body.ids ?? []) there.delete(id)
          if (body.filter !== undefined) {
            for (const { id, metadata = {} } of [...there.values()])
              if (passes(body.filter, metadata)) there.delete(id)
          }
          return Response.json({})
        }
        default:
          return refused(404, "not found")
      }
    })
    return { asked, namespaces, url: `http://127.0.0.1:${port}` }
  })
