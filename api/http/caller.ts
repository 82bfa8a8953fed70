/**
 * Who makes a request: `c.get("caller")` in every route under `/v1`.
 *
 * While there is no key in the store everybody who reaches the API is `anyone`, an admin of the tenant `default`; the
 * server then listens on this machine only.
 */
import type { Context } from "hono"
import { anyone, type Caller } from "../../actors/access/caller.ts"

export type { Caller } from "../../actors/access/caller.ts"

/** The caller of a request; `anyone` on an app that nobody guards. */
export const callerOf = (c: Context): Caller => (c.get("caller") as Caller | undefined) ?? anyone
