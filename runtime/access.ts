/**
 * What is stored of who may do what: the keys that callers show, their tickets, how fast they may go, and what operators
 * have done.
 *
 * No key is stored, only what proves one (`runtime/access-key.ts`). A key that was revoked or has expired stays
 * a while as a note that it was one, and the salt for good: a system that has had a key never opens to everybody again. There are two layers, Redis and memory; one suite holds
 * both to what is written here.
 */
import { Context, type Effect, Schema } from "effect"
import { Role } from "./roles.ts"
import type { StoreError } from "./store.ts"
import type { Partition } from "./task.ts"
import { TenantName } from "./tenant.ts"

/** Where all of it lies: no queue's name begins with a sign. */
export const accessPartition: Partition = "_access.0"

/** How many keys of one tenant may count at a time. */
export const accessKeysMax = 1_000

/** How many keys of all tenants may count at a time; and how many there may be, those that ended included. */
export const accessKeysOfAllMax = 10_000

/** How long a key is there after it was revoked or has expired, where there is room, in milliseconds. */
export const endedKeptMs = 30 * 86_400_000

/** How many entries of the audit log are kept, of all tenants together. */
export const auditMax = 100_000

/** How long an entry of the audit log is kept at most, in milliseconds. */
export const auditKeptMs = 365 * 86_400_000

/** So many requests in so long; as many may come at once. */
export const Rate = Schema.Struct({
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  perMs: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400_000 }))
})
export type Rate = typeof Rate.Type

/** What proves a secret, and until when it does; for ever where nothing is said. */
const Proof = Schema.Struct({ mac: Schema.String, until: Schema.optionalKey(Schema.Int) })

/** A key as it is stored. Times in Unix milliseconds. */
export const AccessKey = Schema.Struct({
  id: Schema.String,
  tenant: TenantName,
  role: Role,
  /** What it is for, as its maker says. */
  label: Schema.optionalKey(Schema.String),
  /** The newest first. */
  proofs: Schema.Array(Proof),
  rate: Schema.optionalKey(Rate),
  createdAt: Schema.Int,
  rotatedAt: Schema.optionalKey(Schema.Int),
  expiresAt: Schema.optionalKey(Schema.Int),
  revokedAt: Schema.optionalKey(Schema.Int)
})
export type AccessKey = typeof AccessKey.Type

const json = Schema.fromJsonString(AccessKey)
/** A text of ours always parses. */
export const decodeKey = Schema.decodeUnknownSync(json)
export const encodeKey = Schema.encodeSync(json)

/** A key with the text it was read as. */
export interface StoredKey {
  readonly key: AccessKey
  readonly text: string
}

/** Something that somebody has done to what is everybody's, or has tried to do. */
export interface AuditEntry {
  /** Unix milliseconds. */
  readonly at: number
  readonly tenant: string
  /** The key's id, or whose hands it was: `cli:<user>@<host>`. */
  readonly who: string
  readonly role: Role
  /** As in `pauseQueue`. */
  readonly what: string
  /** What it was done to: the path of its address. */
  readonly on: string
  /** `done`, or why not: the type of the problem. */
  readonly outcome: string
  /** As in the request's log line and in its answer. */
  readonly request?: string
}

/** An entry as it is read, under the id it lies at. */
export type StoredAudit = AuditEntry & { readonly id: string }

/** What is left of a rate. */
export interface Allowance {
  readonly allowed: boolean
  readonly remaining: number
  /** How long until there is one more, and until all of it is there again, in milliseconds. */
  readonly retryAfterMs: number
  readonly resetAfterMs: number
}

export class Access extends Context.Service<
  Access,
  {
    /** A key by its id; whether there ever was any; and what proofs are made with, where there was. */
    readonly find: (
      id: string
    ) => Effect.Effect<
      { readonly found: StoredKey | undefined; readonly any: boolean; readonly salt: string },
      StoreError
    >
    /** All of them, those too that ended and are still there, the oldest first. */
    readonly keys: Effect.Effect<ReadonlyArray<StoredKey>, StoreError>
    /**
     * Puts a key in the place of what was read, `undefined` for nothing. `salt` becomes the system's where it has none yet.
     * Repeatable: what is there already counts as changed. For a new one those go that ended `endedKeptMs` ago, and where
     * there are `accessKeysOfAllMax` in all those that ended first. "full": of its tenant `accessKeysMax` count, or of all
     * `accessKeysOfAllMax`; nothing was written.
     */
    readonly change: (
      from: string | undefined,
      to: AccessKey,
      salt: string
    ) => Effect.Effect<"changed" | "conflict" | "full", StoreError>

    /** Keeps a text under a digest for so long, or until it is taken. */
    readonly putTicket: (digest: string, text: string, forMs: number) => Effect.Effect<void, StoreError>
    /** Takes it: of many who ask, one gets it. */
    readonly takeTicket: (digest: string) => Effect.Effect<string | undefined, StoreError>

    /** Uses one of a key's requests, if there is one. */
    readonly spend: (id: string, rate: Rate) => Effect.Effect<Allowance, StoreError>

    /**
     * Keeps an entry, for `auditKeptMs` at most. Where there are `auditMax`, the oldest goes of the tenant that has the most:
     * whatever one notes, of those who have less none goes.
     */
    readonly note: (entry: AuditEntry) => Effect.Effect<void, StoreError>
    /** Up to `most` entries older than one, which may be gone itself; the newest first. */
    readonly noted: (
      before: string | undefined,
      most: number
    ) => Effect.Effect<ReadonlyArray<StoredAudit>, StoreError>
  }
>()("troupe/Access") {}
