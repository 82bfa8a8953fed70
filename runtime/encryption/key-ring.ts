/**
 * Seals texts so that only a holder of the key can read them, and only for the place they were sealed for.
 *
 * AES-256-GCM. The place (a task's id and what the text is of it) is authenticated with the text, so that a sealed text
 * which was copied to another task does not open. The nonce is made from the text and the place by a key of its own: what
 * is sealed twice is the same twice, so that a script finds what it wrote before, and two texts share a nonce by an
 * accident of 96 bits only. A sealed text names its key: `~<name>.<base64url of nonce, ciphertext and tag>`.
 */
import { Redacted, Result, Schema } from "effect"
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto"

/**
 * A stored payload cannot be read: its key is not in `TROUPE_ENCRYPTION_KEYS`, or another one goes by its name there.
 * Nothing is lost: put the key back, and what is stored is read again.
 */
export class PayloadUnreadable extends Schema.TaggedError<PayloadUnreadable>()("PayloadUnreadable", {
  key: Schema.String,
  reason: Schema.Literals(["absent", "mismatch"])
}) {
  override get message() {
    return this.reason === "absent"
      ? `key "${this.key}" is not in TROUPE_ENCRYPTION_KEYS`
      : `key "${this.key}" of TROUPE_ENCRYPTION_KEYS does not open it: it is another key of that name, or what is stored was changed`
  }
}

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

interface Key {
  readonly name: string
  readonly sealing: Buffer
  readonly noncing: Buffer
  readonly filing: Buffer
}

export interface KeyRing {
  /** Seals with the first key. */
  readonly seal: (place: string, text: string) => string
  readonly open: (place: string, sealed: string) => Result.Result<string, PayloadUnreadable>
  /** What one file is sealed with: made of its salt, by the key of a name, or else by the first. */
  readonly fileKey: (
    salt: Uint8Array,
    name?: string
  ) => Result.Result<{ readonly name: string; readonly secret: Buffer }, PayloadUnreadable>
}

const derived = (secret: Buffer, use: string, salt: string | Uint8Array = "") =>
  Buffer.from(hkdfSync("sha256", secret, salt, use, keyBytes))

const makeKeyRing = (keys: ReadonlyArray<Key>): KeyRing => {
  const [first] = keys
  const byName = new Map(keys.map((key) => [key.name, key]))
  return {
    seal: (place, text) => {
      const { name, noncing, sealing } = first!
      const nonce = createHmac("sha256", noncing).update(`${place}\0${text}`).digest().subarray(0, nonceBytes)
      const cipher = createCipheriv("aes-256-gcm", sealing, nonce)
      cipher.setAAD(Buffer.from(place))
      const body = cipher.update(text, "utf8")
      const end = cipher.final()
      return `~${name}.${Buffer.concat([nonce, body, end, cipher.getAuthTag()]).toString("base64url")}`
    },
    open: (place, sealed) => {
      const dot = sealed.indexOf(".")
      const name = sealed.slice(1, dot)
      const key = byName.get(name)
      if (key === undefined) return Result.fail(new PayloadUnreadable({ key: name, reason: "absent" }))
      const bytes = Buffer.from(sealed.slice(dot + 1), "base64url")
      try {
        const decipher = createDecipheriv("aes-256-gcm", key.sealing, bytes.subarray(0, nonceBytes))
        decipher.setAAD(Buffer.from(place))
        decipher.setAuthTag(bytes.subarray(-tagBytes))
        const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, "utf8")
        return Result.succeed(text + decipher.final("utf8"))
      } catch {
        return Result.fail(new PayloadUnreadable({ key: name, reason: "mismatch" }))
      }
    },
    fileKey: (salt, name = first!.name) => {
      const key = byName.get(name)
      return key === undefined
        ? Result.fail(new PayloadUnreadable({ key: name, reason: "absent" }))
        : Result.succeed({ name, secret: derived(key.filing, "troupe file", salt) })
    }
  }
}

const sealed = /^~[a-z0-9][a-z0-9_-]{0,15}\.[A-Za-z0-9_-]+$/

/** Whether a text is one that was sealed. */
export const isSealed = (text: string): boolean => text[0] === "~" && sealed.test(text)

const keyName = /^[a-z0-9][a-z0-9_-]{0,15}$/

/**
 * Keys as the setting has them, `name:<base64 of 32 bytes>` with commas between them: the first one seals, all of them
 * open. What is wrong is told without any part of a key.
 */
export const readKeyRing = (value: string): Result.Result<Redacted.Redacted<KeyRing>, string> => {
  const keys: Array<Key> = []
  for (const [at, part] of value.split(",").entries()) {
    const [name = "", text = "", ...rest] = part.trim().split(":")
    const secret = Buffer.from(text, "base64")
    if (!keyName.test(name) || rest.length > 0) {
      return Result.fail(
        `key ${at + 1} is not name:key, as in 2026:$(openssl rand -base64 ${keyBytes}); a name is 1 to 16 of a-z 0-9 _ -`
      )
    }
    if (secret.length !== keyBytes || !/^[A-Za-z0-9+/]{43}=?$/.test(text)) {
      return Result.fail(
        `key "${name}" is not the base64 of ${keyBytes} bytes: openssl rand -base64 ${keyBytes}`
      )
    }
    if (keys.some((key) => key.name === name)) return Result.fail(`key "${name}" is named twice`)
    keys.push({
      name,
      sealing: derived(secret, "troupe payloads"),
      noncing: derived(secret, "troupe nonces"),
      filing: derived(secret, "troupe files")
    })
  }
  return Result.succeed(Redacted.make(makeKeyRing(keys)))
}
