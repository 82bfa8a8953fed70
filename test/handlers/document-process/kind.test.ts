import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { type Claimed, recognise } from "../../../handlers/document-process/kind.ts"
import { it } from "../../support/effect.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const kindOf = (claimed: Claimed) => Effect.map(recognise(claimed), ({ kind }) => kind)
const textOf = (claimed: Claimed) =>
  Effect.map(recognise(claimed), (found) => ("text" in found ? found.text : ""))

describe("bytes are", () => {
  const cases: ReadonlyArray<readonly [what: string, claimed: Claimed, kind: string]> = [
    [
      "a PDF by their header, whatever they are called",
      { bytes: bytes("%PDF-1.7"), type: "text/plain" },
      "pdf"
    ],
    ["a PDF when something stands before its header", { bytes: bytes(`${" ".repeat(500)}%PDF-1.7`) }, "pdf"],
    [
      "HTML by how they begin",
      { bytes: bytes("\n<!-- x --><!DOCTYPE html><p>hi"), type: "text/plain" },
      "html"
    ],
    [
      "HTML when they are declared so",
      { bytes: bytes("<p>hi</p>"), type: "text/html; charset=utf-8" },
      "html"
    ],
    ["HTML by the ending of their name", { bytes: bytes("<p>hi</p>"), name: "page.HTM" }, "html"],
    ["XHTML", { bytes: bytes('<?xml version="1.0"?>\n<html xmlns="x"><body/></html>') }, "html"],
    ["Markdown by the ending of their name", { bytes: bytes("Some *text*"), name: "notes.md" }, "markdown"],
    [
      "Markdown when they are declared so",
      { bytes: bytes("Some *text*"), type: "text/markdown" },
      "markdown"
    ],
    ["Markdown when they begin with a heading", { bytes: bytes("# Title\n\ntext") }, "markdown"],
    ["text otherwise", { bytes: bytes("Just text."), type: "application/octet-stream" }, "text"],
    ["text when they speak of HTML", { bytes: bytes("The tag <html> begins a page.") }, "text"]
  ]
  for (const [what, claimed, kind] of cases) {
    it.live(what, () => Effect.map(kindOf(claimed), (found) => expect<string>(found).toBe(kind)))
  }
})

describe("bytes are refused", () => {
  const cases: ReadonlyArray<readonly [what: string, claimed: Claimed, type: string, message: string]> = [
    [
      "when they are called a PDF and are not",
      { bytes: bytes("<html>Sorry"), type: "application/pdf" },
      "DamagedDocument",
      "PDF"
    ],
    [
      "when their name says PDF and they are not",
      { bytes: bytes("hello"), name: "a.pdf" },
      "DamagedDocument",
      "PDF"
    ],
    [
      "when they are called a Word document and are a damaged archive",
      { bytes: bytes("PK\u0003\u0004rest"), name: "a.docx" },
      "DamagedDocument",
      "archive"
    ],
    [
      "when they are called a Word document and are text",
      { bytes: bytes("hello"), name: "a.docx" },
      "DamagedDocument",
      "does not begin as one"
    ],
    ["when they are an archive", { bytes: bytes("PK\u0003\u0004rest") }, "UnsupportedType", "ZIP"],
    [
      "when they are an old Word document",
      { bytes: new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0, 0]), name: "a.doc" },
      "UnsupportedType",
      "old Office"
    ],
    [
      "when Office has encrypted them",
      {
        bytes: Buffer.concat([
          Buffer.from([0xd0, 0xcf, 0x11, 0xe0]),
          Buffer.from("EncryptedPackage", "utf16le")
        ]),
        name: "a.docx"
      },
      "EncryptedDocument",
      "password"
    ],
    [
      "when they are an image",
      { bytes: new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1]), type: "text/plain" },
      "UnsupportedType",
      "PNG"
    ],
    [
      "when they are binary",
      { bytes: new Uint8Array([1, 2, 3, 0, 200, 5]), name: "a.txt" },
      "UnsupportedType",
      "not text"
    ],
    [
      "when they are binary and called UTF-16",
      { bytes: new Uint8Array([1, 2, 3, 0, 0, 0]), type: "text/plain; charset=utf-16le" },
      "UnsupportedType",
      "not text"
    ],
    [
      "when they are in an encoding that has to be known to be read, and is not",
      { bytes: bytes("~{<:Ky2;NpJ)HK!#~}"), type: "text/plain; charset=hz-gb-2312" },
      "UnsupportedType",
      "not text"
    ]
  ]
  for (const [what, claimed, type, message] of cases) {
    it.live(what, () =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(recognise(claimed))
        expect(refused).toMatchObject({ name: type })
        expect(refused.message).toContain(message)
      })
    )
  }
})

describe("text is decoded", () => {
  const utf16 = new Uint8Array(Buffer.from("\ufeffGrüße", "utf16le"))
  const latin1 = new Uint8Array(Buffer.from("Grüße", "latin1"))
  const cyrillic = new Uint8Array([0x8f, 0xe0, 0xa8])
  /** "日本" between the marks that say that two bytes are a letter, and that one is again. */
  const japanese = new Uint8Array([0x1b, 0x24, 0x42, 0x46, 0x7c, 0x4b, 0x5c, 0x1b, 0x28, 0x42, 0x21])
  const unmarked16 = (text: string) => new Uint8Array(Buffer.from(text, "utf16le"))
  const declared = (charset: string) => `text/plain; charset=${charset}`
  const cases: ReadonlyArray<readonly [what: string, claimed: Claimed, text: string]> = [
    ["as UTF-8", { bytes: bytes("Grüße") }, "Grüße"],
    ["as UTF-8 with a mark", { bytes: new Uint8Array([0xef, 0xbb, 0xbf, ...bytes("Grüße")]) }, "Grüße"],
    [
      "as UTF-8 even when something else is declared",
      { bytes: bytes("ü"), type: "text/plain; charset=latin1" },
      "ü"
    ],
    ["as UTF-16 with a mark", { bytes: utf16 }, "Grüße"],
    ["as what was declared", { bytes: cyrillic, type: "text/plain; charset=ibm866" }, "При"],
    ["as Windows-1252 when nothing was declared", { bytes: latin1 }, "Grüße"],
    [
      "as Windows-1252 when what was declared is unknown",
      { bytes: latin1, type: "text/plain; charset=x-new" },
      "Grüße"
    ],
    [
      "as ISO-2022-JP when that is declared, although its bytes are UTF-8, too",
      { bytes: japanese, type: declared("iso-2022-jp") },
      "日本!"
    ],
    [
      "as ASCII when an encoding is declared that says by signs what is not ASCII, and none is there",
      { bytes: bytes("The pump."), type: declared("hz-gb-2312") },
      "The pump."
    ],
    [
      "as UTF-8 when ISO-2022-JP is declared and cannot be",
      { bytes: bytes("Grüße"), type: declared("ISO-2022-JP") },
      "Grüße"
    ],
    [
      "as UTF-16 without a mark when that is declared",
      { bytes: unmarked16("The pump."), type: declared("utf-16le") },
      "The pump."
    ],
    [
      "as UTF-16 without a mark when that is declared, in letters of other scripts",
      { bytes: unmarked16("北京是中国的首都。"), type: declared("UTF-16") },
      "北京是中国的首都。"
    ],
    [
      "as UTF-8 when UTF-16 is declared and no byte is zero",
      { bytes: bytes("The pump is.Grüße."), type: declared("utf-16le") },
      "The pump is.Grüße."
    ],
    [
      "as UTF-8 when UTF-16 is declared of an odd number of bytes",
      { bytes: bytes("The pump."), type: declared("utf-16le") },
      "The pump."
    ]
  ]
  for (const [what, claimed, text] of cases) {
    it.live(what, () => Effect.map(textOf(claimed), (decoded) => expect(decoded).toBe(text)))
  }

  it.live("as the page says of itself", () =>
    Effect.gen(function* () {
      const page = Buffer.concat([Buffer.from('<html><meta charset="iso-8859-15"><p>'), Buffer.from([0xa4])])
      expect(yield* textOf({ bytes: new Uint8Array(page) })).toEndWith("€")
      const shifting = Buffer.concat([Buffer.from('<html><meta charset="iso-2022-jp"><p>'), japanese])
      expect(yield* textOf({ bytes: new Uint8Array(shifting) })).toEndWith("<p>日本!")
    })
  )
})
