/**
 * Where a list goes on, as callers see it: sealed for their tenant. What lies under it may name a task of another tenant,
 * after which to go on. While there never was a key there is no salt to seal with, and nobody to hide it from.
 */
import { Effect, Result } from "effect"
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { type QueryRefused, refuseField } from "../../actors/operate/fields.ts"
import { Access } from "../../runtime/access.ts"
import type { StoreError } from "../../runtime/store.ts"
import { Tenant } from "../../runtime/tenant.ts"

const nonceBytes = 12
const tagBytes = 16

const keyOf = (salt: string) => Buffer.from(hkdfSync("sha256", salt, "", "troupe cursors", 32))

export const sealCursor = (cursor: string, tenant: string, salt: string): string => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", keyOf(salt), nonce).setAAD(Buffer.from(tenant))
  return Buffer.concat([nonce, cipher.update(cursor, "utf8"), cipher.final(), cipher.getAuthTag()]).toString(
    "base64url"
  )
}

export const openCursor = (
  sealed: string,
  tenant: string,
  salt: string
): Result.Result<string, QueryRefused> => {
  const bytes = Buffer.from(sealed, "base64url")
  try {
    const decipher = createDecipheriv("aes-256-gcm", keyOf(salt), bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(tenant))
      .setAuthTag(bytes.subarray(-tagBytes))
    const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
    return Result.succeed(Buffer.concat([text, decipher.final()]).toString())
  } catch {
    return Result.fail(refuseField("cursor", "not the `next` of a page"))
  }
}

/** A page of a list whose cursors are sealed. */
export const sealedPage = Effect.fnUntraced(function* <
  Query extends { readonly cursor?: string },
  Page extends { readonly next?: string },
  E,
  R
>(
  query: Query,
  list: (query: Query) => Effect.Effect<Page, E, R>
): Effect.fn.Return<Page, E | QueryRefused | StoreError, R | Access> {
  const tenant = yield* Tenant
  const { salt } = yield* Access.use((access) => access.find("none"))
  if (salt === "") return yield* list(query)
  const from =
    query.cursor === undefined
      ? query
      : { ...query, cursor: yield* Effect.fromResult(openCursor(query.cursor, tenant, salt)) }
  const page = yield* list(from)
  return page.next === undefined ? page : { ...page, next: sealCursor(page.next, tenant, salt) }
})
