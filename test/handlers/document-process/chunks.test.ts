import { describe, expect, test } from "bun:test"
import { pageAt } from "../../../handlers/text/documents.ts"
import { chunk, chunkCharacters, overlapCharacters } from "../../../handlers/document-process/chunks.ts"

/** Sentences of about `length` characters, numbered so that each is unlike the others. */
const prose = (sentences: number, length = 80) =>
  Array.from({ length: sentences }, (_, at) => `Sentence ${at} ${"words ".repeat(length / 6)}end.`).join(" ")

const textsOf = (text: string) => chunk(text).map(({ end, start }) => text.slice(start, end))

describe("a text", () => {
  test("that fits is one chunk", () => {
    expect(chunk("A short text.\n\nOf two paragraphs.")).toEqual([{ index: 0, page: 1, start: 0, end: 33 }])
  })

  test("of nothing has no chunks", () => {
    expect(chunk(" \n\n ")).toEqual([])
  })

  test("is cut between paragraphs where that is possible", () => {
    const paragraph = prose(9)
    const chunks = textsOf([paragraph, paragraph, paragraph].join("\n\n"))
    expect(chunks.length).toBe(3)
    for (const each of chunks) expect(each.endsWith(paragraph)).toBe(true)
  })

  test("is cut between sentences where a paragraph is too long", () => {
    for (const each of textsOf(prose(100))) {
      expect(each).toMatch(/^Sentence \d+ /)
      expect(each).toMatch(/end\.$/)
    }
  })

  test("is cut between words where a sentence is too long", () => {
    for (const each of textsOf("wordy ".repeat(2_000).trim())) expect(each).toMatch(/^wordy( wordy)*$/)
  })

  test("is cut anywhere, but not inside a letter, where a word is too long", () => {
    const text = "😀".repeat(3_000)
    for (const each of textsOf(text)) expect(each.isWellFormed()).toBe(true)
  })

  test("leaves a heading to what it heads", () => {
    const chunks = textsOf(`${prose(14)}\n\nThe second part\n\n${prose(10)}`)
    expect(chunks[0]).not.toContain("The second part")
    expect(chunks[1]).toContain("The second part\n\nSentence 0")
  })
})

describe("the chunks of any text", () => {
  const texts: ReadonlyArray<readonly [what: string, text: string]> = [
    ["prose", prose(300)],
    [
      "paragraphs of all lengths",
      Array.from({ length: 60 }, (_, at) => prose(1 + ((at * 7) % 30))).join("\n\n")
    ],
    ["lines", Array.from({ length: 500 }, (_, at) => `- item ${at}`).join("\n")],
    ["one long word", "x".repeat(20_000)],
    ["headings only", Array.from({ length: 200 }, (_, at) => `Heading ${at}`).join("\n\n")],
    ["Chinese", "任务失败了需要重试。".repeat(900)]
  ]
  for (const [what, text] of texts) {
    test(`hold all of it, in order, none too long: ${what}`, () => {
      const chunks = chunk(text)
      let covered = 0
      for (const { end, index, start } of chunks) {
        expect(end - start).toBeLessThanOrEqual(chunkCharacters)
        expect(start).toBeLessThan(end)
        // Nothing but white space lies between what came before and this chunk.
        expect(text.slice(covered, Math.max(covered, start)).trim()).toBe("")
        if (index > 0) expect(covered - start).toBeLessThanOrEqual(overlapCharacters)
        expect(end).toBeGreaterThan(covered)
        covered = end
      }
      expect(text.slice(covered).trim()).toBe("")
      expect(chunks.map(({ index }) => index)).toEqual(chunks.map((_, at) => at))
    })
  }

  test("repeat the end of the one before, from the beginning of a sentence", () => {
    const text = prose(60)
    const [first, second] = chunk(text)
    expect(second!.start).toBeLessThan(first!.end)
    expect(text.slice(second!.start, first!.end)).toMatch(/^Sentence \d+ .*end\.$/)
  })
})

describe("the page of a chunk", () => {
  test("is the one it begins on", () => {
    const pages = [prose(20), prose(20), prose(20)]
    const text = pages.join("\n\n")
    const pageStarts = [0, pages[0]!.length + 2, 2 * (pages[0]!.length + 2)]
    for (const { page, start } of chunk(text, pageStarts)) {
      expect(start).toBeGreaterThanOrEqual(pageStarts[page - 1]!)
      if (page < 3) expect(start).toBeLessThan(pageStarts[page]!)
    }
  })

  test("skips pages without text", () => {
    expect([0, 4, 5, 9].map((at) => pageAt([0, 5, 5, 9], at))).toEqual([1, 1, 3, 4])
  })
})
