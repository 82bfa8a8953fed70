/** Who a caller is to the API, and what it may do: so that a page offers nothing that would be refused. */
import { Effect } from "effect"
import { mayUse, scopes } from "../../../runtime/roles.ts"
import { callerOf } from "../caller.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"
import { CallerShape } from "../shapes/access.ts"

export const rows = {
  show: row({
    name: "getCaller",
    method: "GET",
    path: "/v1/caller",
    group: "Keys",
    summary: "Says who the caller is, and what it may do",
    // Every role may.
    needs: "follow",
    reach: "tenant",
    answers: { 200: { description: "The caller", schema: CallerShape } },
    problems: []
  })
}

export const caller = (serve: Serve) =>
  serve(rows.show, (c) =>
    Effect.sync(() => {
      const { key, role, tenant } = callerOf(c)
      const may = scopes.filter((scope) => mayUse(role, scope))
      return c.json({ tenant, role, may, ...(key === undefined ? {} : { key }) }, 200, {
        "cache-control": "no-store"
      })
    })
  )
