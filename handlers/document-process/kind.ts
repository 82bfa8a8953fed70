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

export type Kind = "pdf" | "html" | "markdown" | "text"

export const mediaTypes = {
  pdf: "application/pdf",
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

/** What the bytes are; a PDF as bytes, all others as text. */
export type Recognised =
  | { readonly kind: "pdf"; readonly bytes: Uint8Array }
  | { readonly kind: Exclude<Kind, "pdf">; readonly text: string }

/** Fails with `UnsupportedType` or `DamagedDocument` when the bytes are none of the kinds. */
export const recognise = Effect.fnUntraced(function* (claimed: Claimed): Effect.fn.Return<Recognised, Fatal> {
  const { bytes } = claimed
  if (latin1.decode(bytes.subarray(0, headerWithin)).includes("%PDF-")) return { kind: "pdf", bytes }
  const declared = declaredKind(claimed)
  if (declared === "pdf") {
    return yield* refuse("DamagedDocument", "it is called a PDF and does not begin as one")
  }
  const format = formats.find(({ magic }) => magic.every((byte, at) => bytes[at] === byte))
  const text = format === undefined ? decode(bytes, charsetOf(claimed)) : undefined
  if (text === undefined) {
    const what = format?.name ?? "not text in any encoding that is known"
    return yield* refuse(
      "UnsupportedType",
      `PDF, HTML, Markdown and plain text can be processed; this is ${what}`
    )
  }
  return { kind: kindOfText(text, declared), text }
})

/** Some bytes may come before a PDF's header; readers look for it in the first 1 024. */
const headerWithin = 1_024

const latin1 = new TextDecoder("latin1")

/** Formats that are often sent by mistake, to be named in the refusal. */
const formats: ReadonlyArray<{ readonly name: string; readonly magic: ReadonlyArray<number> }> = [
  { name: "a ZIP archive or an Office document", magic: [0x50, 0x4b, 0x03, 0x04] },
  { name: "an old Office document", magic: [0xd0, 0xcf, 0x11, 0xe0] },
  { name: "a gzip archive", magic: [0x1f, 0x8b] },
  { name: "a PNG image", magic: [0x89, 0x50, 0x4e, 0x47] },
  { name: "a JPEG image", magic: [0xff, 0xd8, 0xff] },
  { name: "a GIF image", magic: [0x47, 0x49, 0x46, 0x38] },
  { name: "RTF", magic: [0x7b, 0x5c, 0x72, 0x74, 0x66] },
  { name: "PostScript", magic: [0x25, 0x21, 0x50, 0x53] },
  { name: "a program", magic: [0x7f, 0x45, 0x4c, 0x46] }
]

// ---------------------------------------------------------------------------------------------------------
// Kinds of text
// ---------------------------------------------------------------------------------------------------------

const endings: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/\.pdf$/i, "pdf"],
  [/\.x?html?$/i, "html"],
  [/\.(md|markdown|mdown|mkd)$/i, "markdown"],
  [/\.(txt|text|log)$/i, "text"]
]

const declaredTypes: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/^application\/(x-)?pdf\b/i, "pdf"],
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

const kindOfText = (text: string, declared: Kind | undefined): Exclude<Kind, "pdf"> => {
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

/** A mark at the beginning decides; else UTF-8 if it is valid, what was declared, the encoding of old web pages. */
const decode = (bytes: Uint8Array, charset: string | undefined): string | undefined => {
  const mark = marks.find(({ bytes: [first, second] }) => bytes[0] === first && bytes[1] === second)
  const labels = mark === undefined ? ["utf-8", charset ?? "windows-1252", "windows-1252"] : [mark.label]
  for (const label of labels) {
    const text = decodeAs(bytes, label)
    // No text has a NUL. What has one is binary, or in an encoding that nobody declared.
    if (text !== undefined) return text.includes("\0") ? undefined : text
  }
  return undefined
}

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
