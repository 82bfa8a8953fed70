/**
 * A key as its holder has it, `troupe_<id>_<secret>`, and what proves it: decisions over plain values.
 *
 * A secret is 256 random bits, so it cannot be guessed from its proof, an HMAC with the system's salt over the id and the
 * secret. Whoever reads the store learns no key, and with `TROUPE_KEY_SECRET`, which is not in the store, whoever writes to
 * it can make none.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { sha256 } from "./digest.ts"
import type { AccessKey } from "./access.ts"

const prefix = "troupe"
const idLength = 12
const letters = "0123456789abcdefghjkmnpqrstvwxyz"

const hexOf = (bytes: number): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex")

/** 60 random bits in letters that nobody takes for others. */
export const newKeyId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(idLength))].map((byte) => letters[byte % 32]).join("")

export const newSecret = (): string => hexOf(32)

export const keyText = (id: string, secret: string): string => `${prefix}_${id}_${secret}`

/** Its parts; `undefined` for what is no key of ours. */
export const readKeyText = (text: string): { readonly id: string; readonly secret: string } | undefined => {
  const [, id, secret] = /^troupe_([0-9a-hjkmnp-tv-z]{12})_([0-9a-f]{64})$/.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

export const proofOf = (id: string, secret: string, salt: string): string =>
  createHmac("sha256", salt).update(`${id}.${secret}`).digest("hex")

/** Whether two proofs are the same, in a time that does not tell how far they are. */
export const isSameProof = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one, "hex"), Buffer.from(other, "hex")]
  return a.length === b.length && a.length > 0 && timingSafeEqual(a, b)
}

/** Why a key does not count now, or that it does. */
export const standingOf = (
  { expiresAt, revokedAt }: AccessKey,
  now: number
): "counts" | "revoked" | "expired" =>
  revokedAt !== undefined ? "revoked" : expiresAt !== undefined && expiresAt <= now ? "expired" : "counts"

/** Since when a key does not count; `undefined` while it does. */
export const endOf = ({ expiresAt, revokedAt }: AccessKey, now: number): number | undefined =>
  revokedAt ?? (expiresAt !== undefined && expiresAt <= now ? expiresAt : undefined)

/** Whether a proof is one of a key's, at a time. Every one of them is compared, whatever the first ones come to. */
export const isProved = ({ proofs }: AccessKey, proof: string, now: number): boolean =>
  proofs
    .map(({ mac, until }) => isSameProof(mac, proof) && (until === undefined || until > now))
    .includes(true)

/** A ticket as a browser shows it, and what it is kept by. */
export const newTicket = (): string => `ticket_${hexOf(32)}`
export const digestOfTicket = (ticket: string): string => sha256(ticket)
