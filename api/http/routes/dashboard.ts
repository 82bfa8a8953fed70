/**
 * The dashboard: a page that shows the system and operates it, by what this API offers everybody. The page itself holds no
 * data and asks for no key; what it asks for does.
 */
import { Effect, Schema } from "effect"
import { FileNotFound } from "../../../runtime/files.ts"
import { type Dashboard, dashboardFiles, policy } from "../dashboard/page.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"
import type { ApiContext } from "../run.ts"

const group = "The dashboard"
const needs = "nothing"
const reach = "cluster"

const answers = { 200: { description: "The page", schema: Schema.String, type: "text/html" } }

export const rows = {
  page: row({
    name: "getDashboard",
    method: "GET",
    path: "/dashboard",
    group,
    summary: "A page to look at the system, and to operate it",
    needs,
    reach,
    conditional: true,
    answers,
    problems: []
  }),
  below: row({
    name: "getDashboardBelow",
    method: "GET",
    path: "/dashboard/",
    group,
    summary: "The same page: a slash too many is no reason to refuse it",
    needs,
    reach,
    conditional: true,
    answers,
    problems: []
  }),
  asset: row({
    name: "getDashboardFile",
    method: "GET",
    path: "/dashboard/:file",
    group,
    summary: "What the page is made of",
    needs,
    reach,
    parts: { file: { schema: Schema.String, example: "main.js" } },
    conditional: true,
    answers: { 200: { description: "A script, a style or a picture", schema: Schema.String, type: "*/*" } },
    problems: ["FileNotFound"]
  })
}

const files: Effect.Effect<Dashboard> = Effect.promise(dashboardFiles)

export const dashboard = (serve: Serve) => {
  const page = (htmlOf: (dashboard: Dashboard) => string) => (c: ApiContext) =>
    Effect.map(files, (dashboard) => c.html(htmlOf(dashboard), 200, { "content-security-policy": policy }))

  serve(
    rows.page,
    page(({ page }) => page)
  )
  serve(
    rows.below,
    page(({ pageBelow }) => pageBelow)
  )
  serve(
    rows.asset,
    Effect.fnUntraced(function* (c) {
      const { assets } = yield* files
      const name = c.req.param("file") ?? ""
      const asset = assets.get(name)
      if (asset === undefined) return yield* new FileNotFound({ id: name })
      return c.body(asset.text, 200, { "content-type": asset.type })
    })
  )
}
