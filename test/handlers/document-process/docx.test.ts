import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { docxBytesMax, extractDocx } from "../../../handlers/document-process/docx.ts"
import { recognise } from "../../../handlers/document-process/kind.ts"
import { makeDocx } from "../../support/docx.ts"
import { it } from "../../support/effect.ts"
import { makeZip } from "../../support/zip.ts"

describe("a Word document", () => {
  it.live("is known by what is in it, whatever it is called", () =>
    Effect.gen(function* () {
      expect((yield* recognise({ bytes: makeDocx([["Text."]]), name: "a.txt" })).kind).toBe("docx")
    })
  )

  it.live("is read with its pages, headings, and what it says of itself", () =>
    Effect.gen(function* () {
      const bytes = makeDocx([["# Wells", "The pump stood still."], ["Second page, 4 < 5 & done."]], {
        title: "Water <report>",
        author: "Ada Lovelace",
        created: "2024-03-31T08:00:00Z",
        language: "en-GB"
      })
      expect(yield* extractDocx(bytes)).toEqual({
        pages: ["Wells\n\nThe pump stood still.", "Second page, 4 < 5 & done."],
        title: "Water <report>",
        language: "en-GB",
        metadata: {
          author: "Ada Lovelace",
          created: "2024-03-31T08:00:00.000Z",
          producer: "Test & Co",
          pageCount: 2
        }
      })
    })
  )

  it.live("is read by its parts of XML alone, whatever else these name", () =>
    Effect.gen(function* () {
      const relation = (type: string, target: string) =>
        `<Relationship Id="${type}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/${type}" Target="${target}"/>`
      const huge = new Uint8Array(300_000_000)
      const bytes = makeDocx([["Text."]], {
        more: [
          {
            name: "word/_rels/document.xml.rels",
            text: `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${relation("styles", "styles.bin")}</Relationships>`
          },
          { name: "word/styles.bin", bytes: huge },
          { name: "mammoth/style-map", bytes: huge }
        ]
      })
      const before = process.memoryUsage().rss
      expect((yield* extractDocx(bytes)).pages).toEqual(["Text."])
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    })
  )

  it.live("that says nothing of itself has no title and no author", () =>
    Effect.gen(function* () {
      const { language, metadata, title } = yield* extractDocx(makeDocx([["Text."]]))
      expect({ language, title, author: metadata?.author }).toEqual({
        language: undefined,
        title: undefined,
        author: undefined
      })
    })
  )
})

describe("a Word document is refused", () => {
  const refused = (bytes: Uint8Array) => Effect.flip(extractDocx(bytes))

  it.live("when it says that it unpacks to more than is read", () =>
    Effect.gen(function* () {
      const bytes = makeDocx([["Text."]], {
        more: [{ name: "word/styles.xml", bytes: new Uint8Array(docxBytesMax + 1) }]
      })
      expect(bytes.length).toBeLessThan(100_000)
      expect(yield* refused(bytes)).toMatchObject({ name: "DocumentTooLarge" })
    })
  )

  it.live("when it unpacks to more than it says, before that has filled the memory", () =>
    Effect.gen(function* () {
      const bytes = makeDocx([["Text."]], {
        more: [{ name: "word/styles.xml", bytes: new Uint8Array(400_000_000), says: 1_000 }]
      })
      const before = process.memoryUsage().rss
      expect(yield* refused(bytes)).toMatchObject({
        name: "DocumentTooLarge",
        message: expect.stringContaining("word/styles.xml")
      })
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    })
  )

  it.live("when a part of it is damaged, or shorter than it says", () =>
    Effect.gen(function* () {
      const short = makeDocx([["Text."]], { more: [{ name: "word/styles.xml", text: "<a/>", says: 900 }] })
      expect(yield* refused(short)).toMatchObject({ name: "DamagedDocument" })
      const cut = makeDocx([["Text."]])
      cut.set([1, 2, 3, 4, 5, 6, 7, 8], cut.indexOf(0x3c) > 0 ? 60 : 50)
      expect(yield* refused(cut)).toMatchObject({ name: "DamagedDocument" })
    })
  )

  it.live("when its text is no XML", () =>
    Effect.gen(function* () {
      const bytes = makeZip([{ name: "word/document.xml", text: "not xml" }])
      expect(yield* refused(bytes)).toMatchObject({ name: "DamagedDocument" })
    })
  )

  it.live("when a part of it is encrypted", () =>
    Effect.gen(function* () {
      const bytes = makeZip([{ name: "word/document.xml", text: "<a/>", encrypted: true }])
      expect(yield* refused(bytes)).toMatchObject({ name: "EncryptedDocument" })
    })
  )

  it.live("when it holds something else, which is named", () =>
    Effect.gen(function* () {
      const workbook = makeZip([{ name: "xl/workbook.xml", text: "<a/>" }])
      const refused = yield* Effect.flip(recognise({ bytes: workbook }))
      expect(refused).toMatchObject({ name: "UnsupportedType" })
      expect(refused.message).toContain("an Excel workbook")
    })
  )
})
