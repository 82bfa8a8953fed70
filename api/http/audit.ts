/** What operators do is noted as it is done, in the audit log and in the log of the process. */
import { Clock, Effect } from "effect"
import { Access, type AuditEntry } from "../../runtime/access.ts"
import type { Role } from "../../runtime/roles.ts"
import type { Caller } from "./caller.ts"
import { kinds } from "./problem.ts"
import type { Row } from "./row.ts"

/** What submitters do to tasks of their own, and operators to those of others. */
const ofTasks = /^(?:cancel|reschedule)/

/** What changes what others see, and what is done by people who look after others' tasks, is noted. */
export const isNoted = (
  { method, name, needs }: Pick<Row, "method" | "name" | "needs">,
  role: Role
): boolean =>
  method !== "GET" && (needs === "operate" || needs === "admin" || (ofTasks.test(name) && role !== "submit"))

/** How often it is noted that a key may not do something: whoever is refused is not to fill the log. */
const refusals = { count: 1, perMs: 60_000 } as const

/** How much of an address is noted, in characters: it may be as long as a request's head, and the log keeps many. */
const onMax = 1_024

/** Notes what somebody has done. What cannot be noted was done nevertheless. */
export const note = (
  { key = "anyone", role, tenant }: Caller,
  done: Pick<AuditEntry, "what" | "on" | "outcome" | "request">
): Effect.Effect<void, never, Access> =>
  Effect.gen(function* () {
    const on = done.on.length > onMax ? `${done.on.slice(0, onMax)}…` : done.on
    const said = { tenant, who: key, role, ...done, on }
    yield* Effect.logInfo("audit").pipe(Effect.annotateLogs(said))
    const at = yield* Clock.currentTimeMillis
    const access = yield* Access
    if (done.outcome === kinds.NotAllowed.types[0]) {
      const { allowed } = yield* access.spend(`refused:${key}:${done.what}`, refusals)
      if (!allowed) return
    }
    yield* access.note({ at, ...said })
  }).pipe(Effect.catchCause((cause) => Effect.logError("what an operator did could not be noted", cause)))
