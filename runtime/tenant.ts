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

/**
 * An id as it shows whose it may be: the first random letter of its ULID is below `G` for most of the tenant `default`,
 * and never for others. So whoever asks for an id of the tenant `default` need not look whether it is one.
 */
const markAt = 10
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** The same ULID, marked as that of a tenant; as it was for the tenant `default`. */
export const ulidOfTenant = (ulid: string, tenant: string | undefined): string =>
  tenant === undefined
    ? ulid
    : ulid.slice(0, markAt) + letters[letters.indexOf(ulid[markAt]!) | 16] + ulid.slice(markAt + 1)

/** Whether a ULID may be of another tenant than `default`. */
export const mayBeOfOthers = (ulid: string): boolean => ulid[markAt]! >= "G"
