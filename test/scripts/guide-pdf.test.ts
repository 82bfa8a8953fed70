import { describe, expect, test } from "bun:test"
import * as path from "node:path"
import { guidePdf } from "../../scripts/guide-pdf.ts"
import { readChapter } from "../../scripts/guide/markdown.ts"

describe("the guide as a PDF", () => {
  test("is the one that its text gives: else run bun scripts/guide-pdf.ts", async () => {
    const committed = await Bun.file(path.resolve(import.meta.dir, "../../docs/guide.pdf")).bytes()
    expect(Buffer.compare(await guidePdf(), committed)).toBe(0)
  })
})

describe("a chapter", () => {
  test("is read into its blocks", () => {
    const text =
      "# Title\n\nA `b` c.\n\n## Part\n\n- one\n- two\n\n1. first\n\n```\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    expect(readChapter(text)).toEqual({
      title: "Title",
      blocks: [
        {
          kind: "paragraph",
          runs: [
            { text: "A ", code: false },
            { text: "b", code: true },
            { text: " c.", code: false }
          ]
        },
        { kind: "section", title: "Part" },
        {
          kind: "list",
          items: [
            { mark: "•", runs: [{ text: "one", code: false }] },
            { mark: "•", runs: [{ text: "two", code: false }] }
          ]
        },
        { kind: "list", items: [{ mark: "1.", runs: [{ text: "first", code: false }] }] },
        { kind: "code", lines: ["x = 1"] },
        {
          kind: "table",
          rows: [
            [[{ text: "a", code: false }], [{ text: "b", code: false }]],
            [[{ text: "1", code: false }], [{ text: "2", code: false }]]
          ]
        }
      ]
    })
  })

  test("with what the guide does not use is an error", () => {
    expect(() => readChapter("No title")).toThrow("begins with its title")
    expect(() => readChapter("# Title\n\n> a quotation")).toThrow("does not use")
    expect(() => readChapter("# Title\n\n### too deep")).toThrow("does not use")
  })
})
