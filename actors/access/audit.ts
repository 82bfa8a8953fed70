/** What operators did: noted as it is done, and read; an admin of the tenant `default` sees what all tenants did. */
import { Cause, Clock, Effect, Exit, Result, Schema } from "effect"
import { hostname, userInfo } from "node:os"
import { Access, type AuditEntry, auditMax, type StoredAudit } from "../../runtime/access.ts"
import type { StoreError } from "../../runtime/store.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
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

/** Whoever does something by hand on this machine, as the log has it. */
const hands = () => {
  try {
    return `cli:${userInfo().username}@${hostname()}`
  } catch {
    // No user has this number.
    return `cli:${process.pid}@${hostname()}`
  }
}

/** Does something that is to be noted, and notes what came of it. What cannot be noted was done nevertheless. */
export const noting = <A, E, R>(
  what: string,
  on: string,
  effect: Effect.Effect<A, E, R>,
  tenant: string = tenantDefault
): Effect.Effect<A, E, R | Access> =>
  Effect.onExit(effect, (exit) =>
    Effect.gen(function* () {
      const entry: AuditEntry = {
        at: yield* Clock.currentTimeMillis,
        tenant,
        who: hands(),
        role: "admin",
        what,
        on,
        outcome: Exit.isSuccess(exit) ? "done" : outcomeOf(exit.cause)
      }
      yield* Access.use((access) => access.note(entry))
    }).pipe(Effect.catchCause((cause) => Effect.logWarning("what was done could not be noted", cause)))
  )

const outcomeOf = <E>(cause: Cause.Cause<E>): string => {
  const error: unknown = Cause.squash(cause)
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "failed"
}
