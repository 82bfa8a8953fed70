/**
 * The tenant that an effect acts for: it reads, lists, cancels and streams its own tasks and nobody else's.
 *
 * It goes along with the fiber, so that whoever takes a caller in says it once. Who says nothing is the tenant
 * `default`, whose tasks, boxes and guards are stored without a word of it.
 */
import { Context, Schema } from "effect"

/** 1 to 63 of `a-z 0-9 _ -`, the first not a sign. */
export const TenantName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/u, { message: "a tenant is named by 1 to 63 of a-z 0-9 _ -" })
)

export const tenantDefault = "default"

export const Tenant = Context.Reference<string>("troupe/Tenant", { defaultValue: () => tenantDefault })

/** As it is stored: nothing for the tenant `default`. */
export const storedTenant = (tenant: string): string | undefined =>
  tenant === tenantDefault ? undefined : tenant

/** Whether something that is stored with this tenant is one's own. */
export const isOwn = (stored: string | undefined, tenant: string): boolean =>
  (stored ?? tenantDefault) === tenant
