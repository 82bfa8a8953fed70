/**
 * Malformed requests for every route of the route table: each is refused, none is a fault of the server's, and nothing is
 * stored of any. A route that is added to the table is tried by itself.
 */
import { Schema } from "effect"
import fc from "fast-check"
import { routeTable } from "../../api/http/route-table.ts"
import type { Row } from "../../api/http/row.ts"
import { broken, noJson, text } from "./malformed.ts"

export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

const accepts = (schema: Schema.Top, value: unknown) =>
  Schema.decodeUnknownExit(schema as Schema.Codec<unknown>)(value)._tag === "Success"

/** Text that may stand in an address, once it is encoded; a half of a pair of surrogates may not. */
const encoded = (part: string) => encodeURIComponent(part.toWellFormed())

/** A header's value has no controls. */
const headerText = text.map((value) => value.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 4_000))

const segments = text
  .map((value) => encoded(value).slice(0, 4_000))
  .filter((part) => part !== "" && !/^\.{1,2}$/.test(part))

const goodPath = ({ parts = {}, path }: Row<never>) =>
  path.replaceAll(/:(\w+)(\{[^}]*\})?/g, (_, name: string) => encoded(parts[name]?.example ?? "x"))

/** Requests of one route with something malformed about each. */
export const malformedFor = (row: Row<never>): fc.Arbitrary<Sent> => {
  const { body, method, parts = {}, path, query } = row
  const isRead = method === "GET"
  const good = goodPath(row)
  const sent = (over: Partial<Sent>): Sent => ({
    method,
    path: good,
    headers: {},
    ...(body === undefined || isRead
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body.example ?? {}) }),
    ...over
  })
  const json = { "content-type": "application/json" }

  const badBody =
    body === undefined || body.types !== undefined
      ? []
      : [
          broken(body.example ?? {})
            .filter((value) => !accepts(body.schema, value))
            .map((value) => sent({ headers: json, body: JSON.stringify(value) ?? "x" })),
          noJson
            .filter((raw) => !(body.optional === true && raw === ""))
            .filter((raw) => !isAccepted(body.schema, raw))
            .map((raw) => sent({ headers: json, body: raw })),
          headerText
            .filter((type) => !/json/i.test(type))
            .map((type) => sent({ headers: { "content-type": `x${type}` } }))
        ]

  /** Whether any text may be a name there: what is made up is then nobody's. */
  const isFree = Object.values(parts).every(({ schema }) => accepts(schema, "\0 no such name"))
  const badPath =
    Object.keys(parts).length === 0
      ? []
      : [
          fc
            .array(segments, { minLength: 8, maxLength: 8 })
            .map((values) => {
              const rest = values.values()
              return { values, path: path.replaceAll(/:(\w+)(\{[^}]*\})?/g, () => rest.next().value ?? "x") }
            })
            // What changes something is sent only where the address is none.
            .filter(
              ({ values }) =>
                isRead ||
                isFree ||
                Object.values(parts).some(({ schema }, at) => !accepts(schema, safely(values[at]!)))
            )
            .map(({ path }) => sent({ path }))
        ]

  const badQuery = isRead
    ? [
        fc
          .array(
            fc.tuple(fc.constantFrom(...Object.keys(query?.fields ?? {}), "x", "waitMs", "cursor"), text),
            {
              minLength: 1,
              maxLength: 3
            }
          )
          .map((pairs) =>
            sent({
              path: `${good}?${pairs
                .map(([name, value]) => `${name}=${encoded(value)}`)
                .join("&")
                .slice(0, 8_000)}`
            })
          )
      ]
    : []

  const badHeaders = isRead
    ? [
        fc
          .tuple(
            fc.constantFrom(
              "last-event-id",
              "if-none-match",
              "accept",
              "range",
              "traceparent",
              "x-request-id"
            ),
            headerText
          )
          .map(([name, value]) => sent({ headers: { [name]: value } }))
      ]
    : []

  const all = [...badBody, ...badPath, ...badQuery, ...badHeaders]
  return all.length === 0
    ? fc.constantFrom("PATCH", "PUT", "TRACE", "X").map((method) => sent({ method, headers: {}, body: "" }))
    : fc.oneof(...all)
}

const safely = (part: string) => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const isAccepted = (schema: Schema.Top, raw: string) => {
  try {
    return accepts(schema, JSON.parse(raw.replace(/^\uFEFF/, "")))
  } catch {
    return false
  }
}

export const rows = routeTable as unknown as ReadonlyArray<Row<never>>
