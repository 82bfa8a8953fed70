/**
 * Seals bytes that come in pieces, however many: of a file that is written or read no more than a piece is in memory.
 *
 * A sealed file begins with a mark, the name of its key and a salt, from which a key of its own is made. What follows are
 * pieces of 64 KiB, each sealed with AES-256-GCM; its nonce is its number and whether it is the last, and the file's place is
 * authenticated with it. So no piece can be changed, moved, left out or cut off, and a file opens in its place alone. What
 * does not begin with the mark was written without a key, and is as it is. Bytes that begin with it themselves, and are not
 * sealed, are written behind a mark that names no key.
 */
import { Result } from "effect"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { type KeyRing, PayloadUnreadable } from "./key-ring.ts"

/** As that of PNG: no text begins so, and whatever changes ends of lines breaks it. */
const mark = Buffer.from("\x89TRS\r\n\x1a\n", "latin1")

/** Stands before what begins with the mark and is not sealed. */
const plainHead = Buffer.concat([mark, Buffer.from([0])])
const saltBytes = 16
const tagBytes = 16

/** How many bytes are sealed at once. */
export const pieceBytes = 64 * 1024
const sealedBytes = pieceBytes + tagBytes

const aadOf = (place: string) => Buffer.from(`file ${place}`)

const nonceOf = (number: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(number, 7)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

export interface Sealer {
  /** What stands before the first piece. */
  readonly head: Uint8Array
  /** The pieces that are whole now that more has come. */
  readonly add: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
  /** The last piece, which may be empty. */
  readonly end: () => Uint8Array
}

/** Seals a file that is to lie at a place, with the first key. */
export const sealPieces = (ring: KeyRing, place: string): Sealer => {
  const salt = randomBytes(saltBytes)
  const { name, secret } = Result.getOrThrow(ring.fileKey(salt))
  const aad = aadOf(place)
  // Of its own, because who gives bytes may use their memory again.
  const piece = Buffer.alloc(pieceBytes)
  let filled = 0
  let number = 0
  const seal = (isLast: boolean): Uint8Array => {
    const cipher = createCipheriv("aes-256-gcm", secret, nonceOf(number++, isLast)).setAAD(aad)
    return Buffer.concat([cipher.update(piece.subarray(0, filled)), cipher.final(), cipher.getAuthTag()])
  }
  return {
    head: Buffer.concat([mark, Buffer.from([name.length]), Buffer.from(name), salt]),
    add: (bytes) => {
      const sealed: Array<Uint8Array> = []
      for (let at = 0; at < bytes.byteLength;) {
        // Only now is it known not to be the last.
        if (filled === pieceBytes) {
          sealed.push(seal(false))
          filled = 0
        }
        const taken = bytes.subarray(at, at + pieceBytes - filled)
        piece.set(taken, filled)
        filled += taken.byteLength
        at += taken.byteLength
      }
      return sealed
    },
    end: () => seal(true)
  }
}

/** Writes a file that is not sealed, so that nothing in it is taken for the head of one that is. */
export const plainPieces = (): Sealer => {
  /** Too few to tell; `undefined` once it is told. */
  let left: Uint8Array | undefined = new Uint8Array(0)
  return {
    head: new Uint8Array(0),
    add: (bytes) => {
      if (left === undefined) return [bytes]
      const begun: Uint8Array = left.byteLength === 0 ? bytes : Buffer.concat([left, bytes])
      const isTold = begun.byteLength >= mark.length
      // Who gave the bytes may use their memory again.
      left = isTold ? undefined : Buffer.from(begun)
      if (!isTold) return []
      return mark.equals(begun.subarray(0, mark.length)) ? [plainHead, begun] : [begun]
    },
    end: () => left ?? new Uint8Array(0)
  }
}

type Opened = Result.Result<ReadonlyArray<Uint8Array>, PayloadUnreadable>

export interface Opener {
  /** What can be told now that more has come. */
  readonly add: (bytes: Uint8Array) => Opened
  /** The rest, once all has come. */
  readonly end: () => Opened
}

interface Head {
  /** Absent where the file is not sealed. */
  readonly key?: { readonly name: string; readonly salt: Buffer }
  readonly bytes: number
}

/** The head of a file, `undefined` while more of it must come. */
const readHead = (bytes: Buffer): Head | undefined => {
  const begun = Math.min(bytes.length, mark.length)
  if (bytes.compare(mark, 0, begun, 0, begun) !== 0) return { bytes: 0 }
  if (bytes[mark.length] === 0) return { bytes: plainHead.length }
  const nameAt = mark.length + 1
  const saltAt = nameAt + (bytes[mark.length] ?? 0)
  if (bytes.length < nameAt || bytes.length < saltAt + saltBytes) return undefined
  return {
    key: {
      name: bytes.toString("latin1", nameAt, saltAt),
      salt: bytes.subarray(saltAt, saltAt + saltBytes)
    },
    bytes: saltAt + saltBytes
  }
}

/** Opens a file that lies at a place. Without a ring only one that is not sealed. */
export const openPieces = (ring: KeyRing | undefined, place: string): Opener => {
  const aad = aadOf(place)
  let left: Buffer = Buffer.alloc(0)
  let file: { readonly name: string; readonly secret: Buffer } | "plain" | undefined
  let number = 0

  const begin = (isAll: boolean): Result.Result<void, PayloadUnreadable> => {
    const head = readHead(left)
    if (head === undefined && isAll && left.length >= mark.length) {
      return Result.fail(new PayloadUnreadable({ key: "", reason: "mismatch" }))
    }
    if (head === undefined && !isAll) return Result.void
    left = left.subarray(head?.bytes ?? 0)
    if (head?.key === undefined) {
      file = "plain"
      return Result.void
    }
    const { name, salt } = head.key
    const found =
      ring === undefined
        ? Result.fail(new PayloadUnreadable({ key: name, reason: "absent" }))
        : ring.fileKey(salt, name)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    file = found.success
    return Result.void
  }

  const open = (sealed: Buffer, isLast: boolean): Result.Result<Uint8Array, PayloadUnreadable> => {
    const { name, secret } = file as { readonly name: string; readonly secret: Buffer }
    try {
      const decipher = createDecipheriv("aes-256-gcm", secret, nonceOf(number++, isLast))
        .setAAD(aad)
        .setAuthTag(sealed.subarray(-tagBytes))
      return Result.succeed(Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]))
    } catch {
      return Result.fail(new PayloadUnreadable({ key: name, reason: "mismatch" }))
    }
  }

  /** What is there, but for what may be the last piece. */
  const take = (isAll: boolean): Opened => {
    if (file === undefined) {
      const begun = begin(isAll)
      if (Result.isFailure(begun)) return Result.fail(begun.failure)
      if (file === undefined) return Result.succeed([])
    }
    if (file === "plain") {
      const given = left
      left = Buffer.alloc(0)
      return Result.succeed(given.length === 0 ? [] : [given])
    }
    const opened: Array<Uint8Array> = []
    for (; left.length > sealedBytes; left = left.subarray(sealedBytes)) {
      const piece = open(left.subarray(0, sealedBytes), false)
      if (Result.isFailure(piece)) return Result.fail(piece.failure)
      opened.push(piece.success)
    }
    if (!isAll) return Result.succeed(opened)
    return Result.map(open(left, true), (last) => [...opened, last])
  }

  return {
    add: (bytes) => {
      left = left.length === 0 ? Buffer.from(bytes) : Buffer.concat([left, bytes])
      return take(false)
    },
    end: () => take(true)
  }
}
