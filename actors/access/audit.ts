/** What operators did, as it is read; an admin of the tenant `default` sees what all tenants did. */
import { Effect, Result, Schema } from "effect"
import { Access, auditMax, type StoredAudit } from "../../runtime/access.ts"
import type { StoreError } from "../../runtime/store.ts"
import { type QueryRefused, reader, refuseField } from "../operate/fields.ts"
import { actsFor, type Caller } from "./caller.ts"

const pageMax = 1_000
const pageDefault = 100

export const AuditQuery = Schema.Struct({
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))),
  cursor: Schema.optionalKey(Schema.String)
})
const readQuery = reader(AuditQuery)

export interface AuditPage {
  readonly entries: ReadonlyArray<StoredAudit>
  /** Where the next page begins; absent on the last one. */
  readonly next?: string
}

/** A page of the audit log, the newest first. */
export const auditPage = Effect.fn("Audit.page")(function* (
  by: Caller,
  query: unknown
): Effect.fn.Return<AuditPage, QueryRefused | StoreError, Access> {
  const { cursor, limit = pageDefault } = yield* Effect.fromResult(readQuery(query))
  if (cursor !== undefined && !/^\d{1,16}-\d{1,16}$/.test(cursor)) {
    return yield* Effect.fromResult(Result.fail(refuseField("cursor", "not the `next` of a page")))
  }
  const access = yield* Access
  const entries: Array<StoredAudit> = []
  let before = cursor
  // However little of the log is this tenant's, a page says what there is of it.
  for (let looked = 0; looked < auditMax; looked += pageMax) {
    const some = yield* access.noted(before, pageMax)
    for (const entry of some) {
      if (!actsFor(by, entry.tenant)) continue
      if (entries.length === limit) return { entries, next: entries.at(-1)!.id }
      entries.push(entry)
    }
    if (some.length < pageMax) break
    before = some.at(-1)!.id
  }
  return { entries }
})
