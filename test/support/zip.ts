/** ZIP archives made for tests, also such as no honest program writes. */
import * as zlib from "node:zlib"

export interface ZipPart {
  readonly name: string
  readonly text?: string
  readonly bytes?: Uint8Array
  /** What it says that it unpacks to, in bytes. Default: the truth. */
  readonly says?: number
  readonly encrypted?: boolean
}

export const makeZip = (parts: ReadonlyArray<ZipPart>): Uint8Array => {
  const locals: Array<Buffer> = []
  const headers: Array<Buffer> = []
  let at = 0
  for (const { bytes, encrypted = false, name, says, text } of parts) {
    const content = bytes ?? Buffer.from(text ?? "")
    const packed = zlib.deflateRawSync(content)
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(encrypted ? 1 : 0, 2)
    fields.writeUInt16LE(8, 4)
    fields.writeUInt32LE(Bun.hash.crc32(content), 10)
    fields.writeUInt32LE(packed.length, 14)
    fields.writeUInt32LE(says ?? content.length, 18)
    fields.writeUInt16LE(name.length, 22)
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), fields, Buffer.from(name), packed])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(at, 10)
    headers.push(Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000"), fields, rest, Buffer.from(name)]))
    locals.push(local)
    at += local.length
  }
  const directory = Buffer.concat(headers)
  const end = Buffer.alloc(22)
  end.write("PK\u0005\u0006", "latin1")
  end.writeUInt16LE(parts.length, 8)
  end.writeUInt16LE(parts.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return new Uint8Array(Buffer.concat([...locals, directory, end]))
}
