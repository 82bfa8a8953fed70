/** What operators do is noted as it is done, in the audit log and in the log of the process. */
import { Clock, Effect } from "effect"
import { Access, type AuditEntry } from "../../runtime/access.ts"
import type { Role } from "../../runtime/roles.ts"
import type { Caller } from "./caller.ts"
import type { Row } from "./row.ts"

/** What changes what others see, and what is done by people who look after others' tasks, is noted. */
export const isNoted = (
  { method, name, needs }: Pick<Row, "method" | "name" | "needs">,
  role: Role
): boolean =>
  method !== "GET" &&
  (needs === "operate" || needs === "admin" || (name.startsWith("cancel") && role !== "submit"))

/** Notes what somebody has done. What cannot be noted was done nevertheless. */
export const note = (
  { key = "anyone", role, tenant }: Caller,
  done: Pick<AuditEntry, "what" | "on" | "outcome" | "request">
): Effect.Effect<void, never, Access> =>
  Effect.gen(function* () {
    const said = { tenant, who: key, role, ...done }
    yield* Effect.logInfo("audit").pipe(Effect.annotateLogs(said))
    const at = yield* Clock.currentTimeMillis
    yield* Access.use((access) => access.note({ at, ...said }))
  }).pipe(Effect.catchCause((cause) => Effect.logError("what an operator did could not be noted", cause)))
