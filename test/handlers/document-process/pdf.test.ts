import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { extractPdf, type PageRead } from "../../../handlers/document-process/pdf.ts"
import { it } from "../../support/effect.ts"
import { makePdf } from "../../support/pdf.ts"

const extract = (bytes: Uint8Array) => extractPdf(bytes, () => Effect.void)
const pdf = (...args: Parameters<typeof makePdf>) => Effect.promise(() => makePdf(...args))

describe("a PDF", () => {
  it.live("is read page by page, each told of before the next is read", () =>
    Effect.gen(function* () {
      const bytes = yield* pdf([[["One."]], [["Two, longer."]], [["Three."]]], { title: "Counting" })
      const reads: Array<PageRead> = []
      const { pages, title } = yield* extractPdf(bytes, (read) => Effect.sync(() => void reads.push(read)))
      expect(pages).toEqual(["One.", "Two, longer.", "Three."])
      expect(title).toBe("Counting")
      expect(reads).toEqual([
        { page: 1, pages: 3, characters: 4 },
        { page: 2, pages: 3, characters: 12 },
        { page: 3, pages: 3, characters: 6 }
      ])
    })
  )

  it.live("has paragraphs where its lines are further apart", () =>
    Effect.gen(function* () {
      const { pages } = yield* extract(
        yield* pdf([
          [
            ["A first paragraph that goes over", "two lines, with a hyphen-", "ated word."],
            ["A second one", "of two lines."],
            ["- an item", "- another"]
          ]
        ])
      )
      expect(pages[0]).toBe(
        "A first paragraph that goes over two lines, with a hyphenated word.\n\nA second one of two lines.\n\n- an item\n- another"
      )
    })
  )

  it.live("does not take over a title that a program made up", () =>
    Effect.gen(function* () {
      for (const title of ["Microsoft Word - report.docx", "untitled", "draft.indd"]) {
        expect((yield* extract(yield* pdf([[["Text."]]], { title }))).title).toBeUndefined()
      }
    })
  )

  it.live("that opens only with a password is refused as encrypted", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(extract(yield* pdf([[["Secret."]]], { password: "open" })))
      expect(refused).toMatchObject({ name: "EncryptedDocument" })
    })
  )

  it.live("that is cut off, garbled or empty is refused as damaged", () =>
    Effect.gen(function* () {
      const whole = yield* pdf([[["Text."]]])
      const garbled = whole.slice().fill(0x41, 100, whole.length - 100)
      for (const bytes of [
        whole.slice(0, whole.length / 2),
        garbled,
        new TextEncoder().encode("%PDF-1.7\n")
      ]) {
        expect(yield* Effect.flip(extract(bytes))).toMatchObject({ name: "DamagedDocument" })
      }
    })
  )

  it.live("leaves the bytes it was given as they were", () =>
    Effect.gen(function* () {
      const bytes = yield* pdf([[["Text."]]])
      const before = bytes.slice()
      yield* extract(bytes)
      expect(Buffer.compare(bytes, before)).toBe(0)
    })
  )
})
