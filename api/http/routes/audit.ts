/** What operators did: who, what, on what, when, and what came of it. */
import { Effect } from "effect"
import { auditPage, AuditQuery } from "../../../actors/access/audit.ts"
import { auditJson } from "../access-view.ts"
import { callerOf } from "../caller.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"
import { AuditList } from "../shapes/access.ts"

export const rows = {
  list: row({
    name: "listAudit",
    method: "GET",
    path: "/v1/audit",
    group: "Keys",
    summary: "Shows what operators did, the newest first",
    needs: "admin",
    reach: "tenant",
    query: AuditQuery,
    answers: { 200: { description: "A page of the log", schema: AuditList } },
    problems: ["StoreError"]
  })
}

export const audit = (serve: Serve) =>
  serve(
    rows.list,
    Effect.fnUntraced(function* (c, query) {
      const { entries, ...rest } = yield* auditPage(callerOf(c), query)
      return c.json({ entries: entries.map(auditJson), ...rest })
    })
  )
