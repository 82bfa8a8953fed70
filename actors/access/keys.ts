/**
 * Keys as their makers see them: made, listed, rotated, revoked. The one way in for the API and the command line.
 *
 * A key is told once, when it is made. A rotation keeps the id and gives another secret; the earlier one goes on for an
 * overlap, so that nobody who shows it is cut off. Revoking is for good, and everywhere within `Gate`'s bound.
 */
import { Clock, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import {
  Access,
  type AccessKey,
  accessKeysMax,
  accessKeysOfAllMax,
  Rate,
  type StoredKey
} from "../../runtime/access.ts"
import { keyText, newKeyId, newSecret, proofOf, standingOf } from "../../runtime/access-key.ts"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { Role } from "../../runtime/roles.ts"
import type { StoreError } from "../../runtime/store.ts"
import { TenantName, tenantDefault } from "../../runtime/tenant.ts"
import { type QueryRefused, reader, refuseField } from "../operate/fields.ts"
import { actsFor, type Caller } from "./caller.ts"

/** No key of the caller's has this id. */
export class KeyNotFound extends Schema.TaggedError<KeyNotFound>()("KeyNotFound", { id: Schema.String }) {
  override get message() {
    return `there is no key ${this.id}`
  }
}

/** The key does not count any more; make another one. */
export class KeyOver extends Schema.TaggedError<KeyOver>()("KeyOver", {
  id: Schema.String,
  why: Schema.Literals(["revoked", "expired"])
}) {
  override get message() {
    return `key ${this.id} is ${this.why}`
  }
}

/** As many keys count as may, of a tenant or of all. Revoked and expired ones do not. */
export class KeysFull extends Schema.TaggedError<KeysFull>()("KeysFull", {}) {
  override get message() {
    return `${accessKeysMax} keys of the tenant count already, or of all tenants ${accessKeysOfAllMax}`
  }
}

const daysMax = Duration.toMillis(Duration.days(3650))

export const NewKey = Schema.Struct({
  /** Default: the caller's. */
  tenant: Schema.optionalKey(TenantName),
  role: Role,
  /** What it is for: up to 128 characters, none of them a control character. */
  label: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[^\p{Cc}\p{Cs}]{1,128}$/u, {
        message: "not 1 to 128 characters without control characters"
      })
    )
  ),
  /** It ends so much later. Default: never. */
  expiresMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: daysMax }))),
  /** How many requests it may make in how long. Default: as many as it likes. */
  rate: Schema.optionalKey(Rate)
})
export type NewKey = typeof NewKey.Type
const readNewKey = reader(NewKey)

/** How long an earlier secret goes on when nobody says, and at most, in milliseconds. */
export const overlapDefaultMs = Duration.toMillis("1 day")
const overlapMaxMs = Duration.toMillis("30 days")

export const Rotation = Schema.Struct({
  overlapMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: overlapMaxMs })))
})
const readRotation = reader(Rotation)

/** A key without what proves it. */
export interface KeyView extends Omit<AccessKey, "proofs"> {
  readonly state: "counts" | "revoked" | "expired"
  /** Until when the secret before the last rotation goes on. */
  readonly overlapsUntil?: number
}

/** A key at the only time when it is told. */
export interface MadeKey {
  readonly id: string
  readonly key: Redacted.Redacted<string>
  readonly tenant: string
  readonly role: Role
  readonly overlapsUntil?: number
}

export type KeyError = QueryRefused | KeyNotFound | KeyOver | KeysFull | StoreError

export class KeyOperator extends Context.Service<
  KeyOperator,
  {
    /** Makes a key of the caller's tenant; an admin of the tenant `default` makes them for any. */
    readonly create: (
      by: Caller,
      given: unknown
    ) => Effect.Effect<MadeKey, QueryRefused | KeysFull | StoreError>
    /** Those of the caller's tenant; to an admin of the tenant `default`, all. */
    readonly list: (by: Caller) => Effect.Effect<ReadonlyArray<KeyView>, StoreError>
    readonly rotate: (by: Caller, id: string, given?: unknown) => Effect.Effect<MadeKey, KeyError>
    /** Ends a key for good. One that is revoked already stays so. */
    readonly revoke: (by: Caller, id: string) => Effect.Effect<KeyView, KeyNotFound | StoreError>
  }
>()("troupe/KeyOperator") {}

/** What proofs are made with: what is in the store, and what is in none. */
export const pepper = (salt: string, { keySecret }: Pick<SettingsShape, "keySecret">): string =>
  keySecret === undefined ? salt : `${salt}\n${Redacted.value(keySecret)}`

const viewOf = ({ proofs, ...key }: AccessKey, now: number): KeyView => {
  const until = proofs.find((proof) => proof.until !== undefined && proof.until > now)?.until
  return {
    ...key,
    state: standingOf({ ...key, proofs }, now),
    ...(until === undefined ? {} : { overlapsUntil: until })
  }
}

const make = Effect.gen(function* () {
  const access = yield* Access
  const settings = yield* Settings

  const find = Effect.fnUntraced(function* (
    by: Caller,
    id: string
  ): Effect.fn.Return<{ readonly stored: StoredKey; readonly salt: string }, KeyNotFound | StoreError> {
    const { found, salt } = yield* access.find(id)
    if (found === undefined || !actsFor(by, found.key.tenant)) return yield* new KeyNotFound({ id })
    return { stored: found, salt }
  })

  /** Changes a key, from what it is now however often somebody else is quicker. */
  const change = Effect.fnUntraced(function* <E>(
    by: Caller,
    id: string,
    to: (key: AccessKey, salt: string) => Effect.Effect<AccessKey, E>
  ): Effect.fn.Return<AccessKey, E | KeyNotFound | StoreError> {
    for (;;) {
      const { salt, stored } = yield* find(by, id)
      const next = yield* to(stored.key, salt)
      if ((yield* access.change(stored.text, next, salt)) === "changed") return next
    }
  })

  const create: KeyOperator["Service"]["create"] = Effect.fn("Keys.create")(function* (by, given) {
    const { expiresMs, label, rate, role, tenant = by.tenant } = yield* Effect.fromResult(readNewKey(given))
    if (!actsFor(by, tenant)) {
      return yield* refuseField("tenant", `only an admin of the tenant ${tenantDefault} makes keys of others`)
    }
    const now = yield* Clock.currentTimeMillis
    const id = newKeyId()
    const secret = newSecret()
    // The first key brings the salt. Of two that are first at once one finds the other's.
    for (;;) {
      const { salt: there } = yield* access.find(id)
      const salt = there === "" ? newSecret() : there
      const key: AccessKey = {
        id,
        tenant,
        role,
        ...(label === undefined ? {} : { label }),
        proofs: [{ mac: proofOf(id, secret, pepper(salt, settings)) }],
        ...(rate === undefined ? {} : { rate }),
        createdAt: now,
        ...(expiresMs === undefined ? {} : { expiresAt: now + expiresMs })
      }
      const before = yield* access.find(id)
      const changed = yield* access.change(before.found?.text, key, salt)
      if (changed === "full") return yield* new KeysFull()
      const after = yield* access.find(id)
      if (changed === "changed" && after.salt === salt) {
        return { id, key: Redacted.make(keyText(id, secret)), tenant, role }
      }
    }
  })

  const list: KeyOperator["Service"]["list"] = Effect.fn("Keys.list")(function* (by) {
    const now = yield* Clock.currentTimeMillis
    const all = yield* access.keys
    return all.filter(({ key }) => actsFor(by, key.tenant)).map(({ key }) => viewOf(key, now))
  })

  const rotate: KeyOperator["Service"]["rotate"] = Effect.fn("Keys.rotate")(function* (by, id, given = {}) {
    const { overlapMs = overlapDefaultMs } = yield* Effect.fromResult(readRotation(given))
    const now = yield* Clock.currentTimeMillis
    const secret = newSecret()
    const until = now + overlapMs
    const key = yield* change(by, id, (key, salt) => {
      const why = standingOf(key, now)
      if (why !== "counts") return Effect.fail(new KeyOver({ id, why }))
      const earlier = key.proofs
        .filter((proof) => proof.until === undefined || proof.until > now)
        .map((proof) => ({ ...proof, until: Math.min(proof.until ?? until, until) }))
      return Effect.succeed({
        ...key,
        rotatedAt: now,
        proofs: [
          { mac: proofOf(id, secret, pepper(salt, settings)) },
          ...(overlapMs === 0 ? [] : earlier)
        ].slice(0, proofsMax)
      })
    })
    return {
      id,
      key: Redacted.make(keyText(id, secret)),
      tenant: key.tenant,
      role: key.role,
      ...(overlapMs === 0 ? {} : { overlapsUntil: until })
    }
  })

  const revoke: KeyOperator["Service"]["revoke"] = Effect.fn("Keys.revoke")(function* (by, id) {
    const now = yield* Clock.currentTimeMillis
    // What proves it goes too: nothing can be made of it any more.
    const key = yield* change(by, id, (key) =>
      Effect.succeed(key.revokedAt === undefined ? { ...key, proofs: [], revokedAt: now } : key)
    )
    return viewOf(key, now)
  })

  return KeyOperator.of({ create, list, rotate, revoke })
})

/** How many secrets of a key go on at once. */
const proofsMax = 4

/** Give it the store of access and the settings. */
export const layer = Layer.effect(KeyOperator, make)
