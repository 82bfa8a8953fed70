/** Keys and what operators did, as the API and the command line show them. */
import { Redacted } from "effect"
import type { KeyView, MadeKey } from "../../actors/access/keys.ts"
import type { StoredAudit } from "../../runtime/access.ts"

const iso = (millis: number) => new Date(millis).toISOString()

export const keyJson = ({ createdAt, expiresAt, overlapsUntil, revokedAt, rotatedAt, ...key }: KeyView) => ({
  ...key,
  createdAt: iso(createdAt),
  ...(rotatedAt === undefined ? {} : { rotatedAt: iso(rotatedAt) }),
  ...(overlapsUntil === undefined ? {} : { overlapsUntil: iso(overlapsUntil) }),
  ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
  ...(revokedAt === undefined ? {} : { revokedAt: iso(revokedAt) })
})

/** The only time a key is told. */
export const madeKeyJson = ({ id, key, overlapsUntil, role, tenant }: MadeKey) => ({
  id,
  key: Redacted.value(key),
  tenant,
  role,
  ...(overlapsUntil === undefined ? {} : { overlapsUntil: iso(overlapsUntil) })
})

export const auditJson = ({ at, ...entry }: StoredAudit) => ({ ...entry, at: iso(at) })
