/**
 * Reads a ZIP archive that nobody vouches for: what is in it, and parts of it, never more than is allowed.
 *
 * The directory at the archive's end says what each part unpacks to. Nothing is believed of it: a part is unpacked
 * into no more room than it says, and all parts together into no more than the caller allows. So what claims to be small
 * and is not is found out before it has filled the memory.
 */
import { Effect } from "effect"
import * as zlib from "node:zlib"
import { refuse } from "../refusal/refuse.ts"

export interface Entry {
  readonly name: string
  /** In bytes, as the directory says. */
  readonly packed: number
  readonly unpacked: number
  readonly encrypted: boolean
  readonly method: number
  /** Where what comes before its bytes begins. */
  readonly at: number
}

/** What is in the archive; undefined when it has no directory, or one that does not hold together. */
export const directoryOf = (bytes: Uint8Array): ReadonlyArray<Entry> | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = endOf(view)
  if (end === undefined) return undefined
  const count = view.getUint16(end + 10, true)
  const entries: Array<Entry> = []
  let at = view.getUint32(end + 16, true)
  for (let index = 0; index < count; index++) {
    if (at + headerBytes > end || view.getUint32(at, true) !== headerMark) return undefined
    const nameBytes = view.getUint16(at + 28, true)
    const next = at + headerBytes + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
    entries.push({
      name: utf8.decode(bytes.subarray(at + headerBytes, at + headerBytes + nameBytes)),
      packed: view.getUint32(at + 20, true),
      unpacked: view.getUint32(at + 24, true),
      encrypted: (view.getUint16(at + 8, true) & 1) === 1,
      method: view.getUint16(at + 10, true),
      at: view.getUint32(at + 42, true)
    })
    at = next
  }
  return entries
}

/**
 * Unpacks the parts that are wanted. Fails with `DocumentTooLarge` when they have more than `bytesMax` together, with
 * `EncryptedDocument` and with `DamagedDocument`.
 */
export const unpack = Effect.fnUntraced(function* (
  bytes: Uint8Array,
  entries: ReadonlyArray<Entry>,
  bytesMax: number
) {
  const said = entries.reduce((sum, { unpacked }) => sum + unpacked, 0)
  if (said > bytesMax) {
    return yield* refuse(
      "DocumentTooLarge",
      `it unpacks to ${said} bytes; at most ${bytesMax} can be processed`
    )
  }
  const parts = new Map<string, Uint8Array>()
  for (const entry of entries) {
    if (entry.encrypted) {
      return yield* refuse("EncryptedDocument", "it opens only with a password; send a copy without one")
    }
    const part = unpacked(bytes, entry)
    if (part === "larger") {
      return yield* refuse(
        "DocumentTooLarge",
        `its part ${entry.name} says that it unpacks to ${entry.unpacked} bytes, and is larger`
      )
    }
    if (part === "damaged") {
      return yield* refuse("DamagedDocument", `its part ${entry.name} cannot be unpacked`)
    }
    parts.set(entry.name, part)
  }
  return parts
})

const endMark = 0x06054b50
const endBytes = 22
const headerMark = 0x02014b50
const headerBytes = 46
const localMark = 0x04034b50
const localBytes = 30
const commentBytesMax = 65_535

const stored = 0
const deflated = 8

const utf8 = new TextDecoder()

/** Where the directory's end begins: before a comment, whose length it says. The last mark counts, as for other readers. */
const endOf = (view: DataView): number | undefined => {
  const last = view.byteLength - endBytes
  for (let at = last; at >= Math.max(0, last - commentBytesMax); at--) {
    if (view.getUint32(at, true) === endMark) {
      return at + endBytes + view.getUint16(at + 20, true) <= view.byteLength ? at : undefined
    }
  }
  return undefined
}

const unpacked = (bytes: Uint8Array, entry: Entry): Uint8Array | "damaged" | "larger" => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (entry.at + localBytes > bytes.length || view.getUint32(entry.at, true) !== localMark) return "damaged"
  const from =
    entry.at + localBytes + view.getUint16(entry.at + 26, true) + view.getUint16(entry.at + 28, true)
  const packed = bytes.subarray(from, from + entry.packed)
  if (packed.length < entry.packed) return "damaged"
  if (entry.method === stored) return packed.length === entry.unpacked ? packed : "damaged"
  if (entry.method !== deflated) return "damaged"
  try {
    const part = zlib.inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.unpacked) })
    return part.length === entry.unpacked ? part : "damaged"
  } catch (thrown) {
    return thrown instanceof RangeError || (thrown as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
      ? "larger"
      : "damaged"
  }
}
