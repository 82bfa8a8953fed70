/** Who asks: the tenant that it is about, what may be done, and by which key. */
import type { Role } from "../../runtime/roles.ts"
import { tenantDefault } from "../../runtime/tenant.ts"

export interface Caller {
  readonly tenant: string
  readonly role: Role
  /** The id of the key that was shown; absent where none is needed. */
  readonly key?: string
}

/** Everybody who reaches a system that has never had a key. */
export const anyone: Caller = { tenant: tenantDefault, role: "admin" }

/** Whether it may act for a tenant: for its own one, and for any as an admin of the tenant `default`. */
export const actsFor = ({ role, tenant }: Caller, other: string): boolean =>
  tenant === other || (tenant === tenantDefault && role === "admin")
