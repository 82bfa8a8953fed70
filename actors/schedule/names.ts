/**
 * What a schedule is kept by: its id, and for another tenant than `default` that tenant before it. No id begins with a
 * tilde, and all of them sort before it.
 */
const ofTenants = "~"

/** What the kept names of a tenant's schedules begin with; `undefined` is the tenant `default`. */
export const prefixOf = (tenant: string | undefined): string =>
  tenant === undefined ? "" : `${ofTenants}${tenant}/`

export const keptName = (id: string, tenant: string | undefined): string => prefixOf(tenant) + id

/** The id of one that is kept by a name; `undefined` where it is not this tenant's. */
export const idOfKept = (name: string, tenant: string | undefined): string | undefined => {
  const prefix = prefixOf(tenant)
  return name.startsWith(prefix) && (tenant !== undefined || !name.startsWith(ofTenants))
    ? name.slice(prefix.length)
    : undefined
}
