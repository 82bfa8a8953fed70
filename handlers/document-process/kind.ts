/**
 * What kind of document some bytes are.
 *
 * The bytes decide. What their sender declared, or the ending of a name, only tells kinds of text apart: a program that
 * calls itself a PDF is refused, and a page that calls itself plain text is still a page. Text is decoded here too,
 * because whether bytes are text is known by decoding them.
 */
import { Effect } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"
import { directoryOf } from "./archive.ts"

export type Kind = "pdf" | "docx" | "html" | "markdown" | "text"

export const mediaTypes = {
  pdf: "application/pdf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  html: "text/html",
  markdown: "text/markdown",
  text: "text/plain"
} as const satisfies Record<Kind, string>

/** Bytes, and what is claimed of them. */
export interface Claimed {
  readonly bytes: Uint8Array
  /** The media type that was declared, with parameters. */
  readonly type?: string | undefined
  /** The name of the file, or the last part of its address. */
  readonly name?: string | undefined
}

/** Kinds of text. */
type Textual = Exclude<Kind, "pdf" | "docx">

/** What the bytes are; text decoded. */
export type Recognised =
  | { readonly kind: "pdf"; readonly bytes: Uint8Array }
  | { readonly kind: "docx"; readonly bytes: Uint8Array }
  | { readonly kind: Textual; readonly text: string }

/** Fails with `UnsupportedType`, `DamagedDocument` or `EncryptedDocument` when the bytes are none of the kinds. */
export const recognise = Effect.fnUntraced(function* (claimed: Claimed): Effect.fn.Return<Recognised, Fatal> {
  const { bytes } = claimed
  if (latin1.decode(bytes.subarray(0, headerWithin)).includes("%PDF-")) return { kind: "pdf", bytes }
  const declared = declaredKind(claimed)
  if (declared === "pdf") {
    return yield* refuse("DamagedDocument", "it is called a PDF and does not begin as one")
  }
  if (begins(bytes, zip)) return yield* recogniseArchive(claimed, declared)
  if (begins(bytes, compound) && includes(bytes, encryptedPackage)) {
    return yield* refuse("EncryptedDocument", "it opens only with a password; send a copy without one")
  }
  if (declared === "docx" && bytes.length > 0) {
    return yield* refuse("DamagedDocument", "it is called a Word document (DOCX) and does not begin as one")
  }
  const format = formats.find(({ magic }) => begins(bytes, magic))
  const text = format === undefined ? decode(bytes, charsetOf(claimed)) : undefined
  if (text === undefined) {
    const what = format?.name ?? "not text in any encoding that is known"
    return yield* refuse(
      "UnsupportedType",
      `PDF, DOCX, HTML, Markdown and plain text can be processed; this is ${what}`
    )
  }
  return { kind: kindOfText(text, declared), text }
})

const begins = (bytes: Uint8Array, magic: ReadonlyArray<number>) =>
  magic.every((byte, at) => bytes[at] === byte)

const includes = (bytes: Uint8Array, text: Buffer) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text)

const zip = [0x50, 0x4b, 0x03, 0x04]
const compound = [0xd0, 0xcf, 0x11, 0xe0]

/** The stream in which Office keeps a document that it has encrypted. */
const encryptedPackage = Buffer.from("EncryptedPackage", "utf16le")

/** Some bytes may come before a PDF's header; readers look for it in the first 1 024. */
const headerWithin = 1_024

const latin1 = new TextDecoder("latin1")

/** Formats that are often sent by mistake, to be named in the refusal. */
const formats: ReadonlyArray<{ readonly name: string; readonly magic: ReadonlyArray<number> }> = [
  { name: "an old Office document", magic: compound },
  { name: "a gzip archive", magic: [0x1f, 0x8b] },
  { name: "a PNG image", magic: [0x89, 0x50, 0x4e, 0x47] },
  { name: "a JPEG image", magic: [0xff, 0xd8, 0xff] },
  { name: "a GIF image", magic: [0x47, 0x49, 0x46, 0x38] },
  { name: "RTF", magic: [0x7b, 0x5c, 0x72, 0x74, 0x66] },
  { name: "PostScript", magic: [0x25, 0x21, 0x50, 0x53] },
  { name: "a program", magic: [0x7f, 0x45, 0x4c, 0x46] }
]

/** Which kind of archive it is, by a part that each of that kind has. */
const archives: ReadonlyArray<readonly [part: RegExp, name: string]> = [
  [/^xl\/workbook\./, "an Excel workbook"],
  [/^ppt\/presentation\./, "a PowerPoint presentation"],
  [/^META-INF\/container\.xml$/, "an EPUB book"],
  [/^META-INF\/manifest\.xml$/, "an OpenDocument file"]
]

const recogniseArchive = Effect.fnUntraced(function* ({ bytes }: Claimed, declared: Kind | undefined) {
  const names = directoryOf(bytes)?.map(({ name }) => name)
  if (names?.includes("word/document.xml") === true) return { kind: "docx", bytes } as const
  if (declared === "docx") {
    return yield* refuse(
      "DamagedDocument",
      names === undefined
        ? "it is called a Word document (DOCX), and the archive that one is, is damaged"
        : "it is called a Word document (DOCX) and holds none"
    )
  }
  const [, what] = archives.find(([part]) => names?.some((name) => part.test(name))) ?? []
  return yield* refuse(
    "UnsupportedType",
    `PDF, DOCX, HTML, Markdown and plain text can be processed; this is ${what ?? "a ZIP archive"}`
  )
})

// ---------------------------------------------------------------------------------------------------------
// Kinds of text
// ---------------------------------------------------------------------------------------------------------

const endings: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/\.pdf$/i, "pdf"],
  [/\.docx$/i, "docx"],
  [/\.x?html?$/i, "html"],
  [/\.(md|markdown|mdown|mkd)$/i, "markdown"],
  [/\.(txt|text|log)$/i, "text"]
]

const declaredTypes: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/^application\/(x-)?pdf\b/i, "pdf"],
  [/^application\/vnd\.openxmlformats-officedocument\.wordprocessingml\.document\b/i, "docx"],
  [/^(text\/html|application\/xhtml\+xml)\b/i, "html"],
  [/^text\/(x-)?markdown\b/i, "markdown"]
]

/** `text/plain` claims nothing: servers say it of everything they do not know. */
const declaredKind = ({ name = "", type = "" }: Claimed): Kind | undefined =>
  (
    declaredTypes.find(([pattern]) => pattern.test(type)) ?? endings.find(([pattern]) => pattern.test(name))
  )?.[1]

/** How much of a text is looked at to tell its kind, in UTF-16 units. */
const lookedAt = 2_000

const kindOfText = (text: string, declared: Kind | undefined): Textual => {
  const head = text
    .slice(0, lookedAt)
    .replace(/<!--[^]*?-->/g, "")
    .trimStart()
  if (/^(<\?xml[^>]{0,200}>\s*)?<(!doctype html|html|head|body)[\s>]/i.test(head)) return "html"
  if (declared === "html" || declared === "markdown" || declared === "text") return declared
  return /^#{1,6} \S/.test(head) ? "markdown" : "text"
}

// ---------------------------------------------------------------------------------------------------------
// Encodings
// ---------------------------------------------------------------------------------------------------------

const charsetOf = ({ bytes, type = "" }: Claimed) =>
  /charset\s*=\s*["']?([\w.:-]{1,40})/i.exec(type)?.[1] ??
  /<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{1,40})/i.exec(latin1.decode(bytes.subarray(0, 1024)))?.[1]

/**
 * A mark at the beginning decides, then a declared encoding that says by signs what its bytes mean; else it is UTF-8 if it
 * can be, what was declared, the encoding of old web pages.
 */
const decode = (bytes: Uint8Array, charset = "windows-1252"): string | undefined => {
  const mark = marks.find(({ bytes: [first, second] }) => bytes[0] === first && bytes[1] === second)
  const labels =
    mark !== undefined
      ? [mark.label]
      : isShifting(bytes, charset)
        ? [charset]
        : ["utf-8", charset, "windows-1252"]
  for (const label of labels) {
    const text = decodeAs(bytes, label)
    // No text has a NUL. What has one is binary, or in another encoding: ASCII in UTF-16 is UTF-8 with NULs.
    if (text !== undefined && !text.includes("\0")) return text
  }
  return undefined
}

/** Whether signs of ASCII say in it what the next bytes mean, as is declared: as UTF-8 it would be valid, and garbage. */
const isShifting = (bytes: Uint8Array, charset: string) =>
  /^(?:cs)?iso-?2022|^hz/i.test(charset) && shifts.some((sign) => latin1.decode(bytes).includes(sign))

/** Shift out, escape, and what HZ writes instead. */
const shifts = ["\u000e", "\u001b", "~{"]

const marks = [
  { bytes: [0xff, 0xfe], label: "utf-16le" },
  { bytes: [0xfe, 0xff], label: "utf-16be" }
] as const

const decodeAs = (bytes: Uint8Array, label: string): string | undefined => {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes)
  } catch {
    // Either the label is unknown or the bytes are not in that encoding: the next one is tried.
    return undefined
  }
}
