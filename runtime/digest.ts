/**
 * Digests of texts, the same in every process and under every JavaScript runtime: a client under Node finds by them what
 * a worker under Bun has stored.
 */
import { createHash } from "node:crypto"

/** In hexadecimal digits. */
export const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex")

/** In hexadecimal digits. */
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** Its 32 bytes. */
export const sha256Bytes = (text: string): Buffer => createHash("sha256").update(text).digest()

/** A whole number below 2 to the 32nd, spread evenly. */
export const spread = (text: string): number => createHash("sha1").update(text).digest().readUInt32BE(0)
