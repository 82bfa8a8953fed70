import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { extractHtml } from "../../../handlers/document-process/html.ts"
import { said } from "../../../handlers/document-process/metadata.ts"
import { extractPdf } from "../../../handlers/document-process/pdf.ts"
import { extractMarkdown } from "../../../handlers/document-process/plain.ts"
import { makePdf } from "../../support/pdf.ts"

describe("what a document says of itself", () => {
  test("is read from a PDF", async () => {
    const bytes = await makePdf([[["Text."]], [["More."]]], {
      author: "Ada Lovelace",
      subject: "Wells",
      created: new Date("2024-03-31T08:00:00Z")
    })
    const { metadata } = await Effect.runPromise(extractPdf(bytes, () => Effect.void))
    expect(metadata).toMatchObject({
      ...{ author: "Ada Lovelace", subject: "Wells" },
      ...{ created: "2024-03-31T08:00:00.000Z", pageCount: 2 }
    })
  })

  test("is read from the head of an HTML page", async () => {
    const { metadata } = await Effect.runPromise(
      extractHtml(`<html><head><title>T</title>
        <meta name="Author" content=" Ada  Lovelace "><meta property="og:description" content="Of wells">
        <meta property="article:published_time" content="2024-03-31T10:00:00+02:00">
        <meta name="generator" content="Hugo 0.1"></head><body><p>Text.</p></body></html>`)
    )
    expect(metadata).toEqual({
      ...{ author: "Ada Lovelace", subject: "Of wells", producer: "Hugo 0.1" },
      created: "2024-03-31T08:00:00.000Z"
    })
  })

  test("is read from what stands before Markdown", () => {
    const front = '---\ntitle: "A"\nauthor: Ada Lovelace\ndescription: Of wells\ndate: 2024-03-31\n---\nText.'
    expect(extractMarkdown(front).metadata).toEqual({
      ...{ author: "Ada Lovelace", subject: "Of wells", created: "2024-03-31T00:00:00.000Z" }
    })
    expect(extractMarkdown("Text.").metadata).toEqual({})
  })
})

describe("of what it says is kept", () => {
  test("no more than a short text", () => {
    expect(said({ author: "x".repeat(9_999) }).author!.length).toBe(500)
    expect(said({ author: " a\n b\u0000 ", subject: "  ", producer: 7 })).toEqual({ author: "a b" })
    expect(said({ author: `${"x".repeat(499)}😀` }).author).toBe("x".repeat(499))
  })

  test("a time that is one, as ISO 8601 in UTC", () => {
    const created = (value: string) => said({ created: value }).created
    expect(created("D:20240331100000+02'00'")).toBe("2024-03-31T08:00:00.000Z")
    expect(created("D:20240331")).toBe("2024-03-31T00:00:00.000Z")
    expect(created("D:20240331080000Z")).toBe("2024-03-31T08:00:00.000Z")
    expect(created("2024-03")).toBe("2024-03-01T00:00:00.000Z")
    expect(created("2024-03-31T08:00:00")).toBe("2024-03-31T08:00:00.000Z")
    for (const none of ["yesterday", "D:20249999", "2024-31-03", "0"]) expect(created(none)).toBeUndefined()
  })

  test("a number of pages that is one", () => {
    expect(said({ pageCount: "12" })).toEqual({ pageCount: 12 })
    for (const pageCount of ["x", 0, -1, 1.5]) expect(said({ pageCount })).toEqual({})
  })
})
