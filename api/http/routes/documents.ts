/** The description of the API, for programs and for people. Nothing of it is fetched from elsewhere. */
import { Effect, Schema } from "effect"
import { docsOf } from "../docs-page.ts"
import type { Serve } from "../mount.ts"
import { documentOf } from "../openapi.ts"
import { type ErrorTag, type Row, row } from "../row.ts"
import { baseOf } from "../view.ts"

const group = "This description"
const needs = "nothing"
const reach = "cluster"

export const rows = {
  document: row({
    name: "getOpenApi",
    method: "GET",
    path: "/openapi.json",
    group,
    summary: "This document",
    needs,
    reach,
    conditional: true,
    answers: { 200: { description: "OpenAPI 3.1", schema: Schema.Record(Schema.String, Schema.Unknown) } },
    problems: []
  }),
  page: row({
    name: "getDocs",
    method: "GET",
    path: "/docs",
    group,
    summary: "This document as a page, to read and to try",
    needs,
    reach,
    conditional: true,
    answers: { 200: { description: "The page", schema: Schema.String, type: "text/html" } },
    problems: []
  })
}

/** Kept for each place where the app is mounted; that is one, but for a place with parameters. */
const placesMax = 16

const keeping = <A>(make: (base: string) => A) => {
  const kept = new Map<string, A>()
  return (base: string): A => {
    const there = kept.get(base)
    if (there !== undefined) return there
    if (kept.size >= placesMax) kept.clear()
    const made = make(base)
    kept.set(base, made)
    return made
  }
}

/** `table` is every route there is. */
export const documents = (serve: Serve, table: () => ReadonlyArray<Row<ErrorTag>>) => {
  const document = keeping((base) => documentOf(table(), base))
  const page = keeping((base) => docsOf(document(base)))

  serve(rows.document, (c) => Effect.sync(() => c.json(document(baseOf(c)))))
  serve(
    rows.page,
    Effect.fnUntraced(function* (c) {
      const { html, policy } = yield* Effect.promise(() => page(baseOf(c)))
      return c.html(html, 200, { "content-security-policy": policy })
    })
  )
}
