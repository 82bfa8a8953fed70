import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { pageAt } from "../../../handlers/text/documents.ts"
import {
  chunkByParts,
  chunkBySentences,
  chunkRecursively,
  type Cutting
} from "../../../handlers/document-process/chunks.ts"
import { sentences as sentencesOf } from "../../../handlers/text/sentences.ts"
import { loadTokens } from "../../../handlers/text/tokens.ts"

/** Sentences of about `length` characters, numbered so that each is unlike the others. */
const prose = (sentences: number, length = 80) =>
  Array.from({ length: sentences }, (_, at) => `Sentence ${at} ${"words ".repeat(length / 6)}end.`).join(" ")

const tokens = await Effect.runPromise(loadTokens)
const cutting: Cutting = { size: 400, overlap: 50, tokens }

const chunk = (text: string, pageStarts?: ReadonlyArray<number>) =>
  Array.from(chunkRecursively(text, cutting, pageStarts))
const textsOf = (text: string) => chunk(text).map(({ end, start }) => text.slice(start, end))

describe("a text", () => {
  test("that fits is one chunk", () => {
    expect(chunk("A short text.\n\nOf two paragraphs.")).toEqual([{ index: 0, page: 1, start: 0, end: 33 }])
  })

  test("of nothing has no chunks", () => {
    expect(chunk(" \n\n ")).toEqual([])
  })

  test("is cut between paragraphs where that is possible", () => {
    const paragraph = prose(15)
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

  test("leaves up to three headings together to what they head", () => {
    const headings = "Part two\n\nThe pumps\n\nHow they are kept"
    const chunks = textsOf(`${prose(14)}\n\n${headings}\n\n${prose(10)}`)
    expect(chunks[0]).not.toContain("Part two")
    expect(chunks[1]).toContain(`${headings}\n\nSentence 0`)
  })

  test("leaves a heading after a list to what it heads, and nothing of the list", () => {
    const list = Array.from({ length: 60 }, (_, at) => `pump ${at}, Berlin, kept well`).join("\n")
    const text = `${list}\n\nThe second part\n\n${prose(15)}`
    const [, second, third] = chunk(text)
    expect(text.slice(second!.start, second!.end)).toEndWith("pump 59, Berlin, kept well")
    expect(text.slice(second!.end, third!.end)).toStartWith("\n\nThe second part\n\nSentence 0")
  })

  test("leaves a heading where it is when it does not fit with what it heads", () => {
    const heading = `The ${"heavily used ".repeat(6)}pumps`
    const paragraph = prose(19)
    const chunks = textsOf([prose(3), heading, paragraph].join("\n\n"))
    expect(tokens(paragraph)).toBeWithin(340, 349)
    expect(chunks.length).toBe(2)
    expect(chunks[0]).toEndWith(heading)
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
    ["Chinese", "任务失败了需要重试。".repeat(900)],
    ["letters of many bytes", "😀🏳️‍🌈".repeat(2_000)],
    ["marks of a model", "<|endoftext|> ".repeat(500)]
  ]
  const ways = {
    recursive: chunkRecursively,
    sentences: chunkBySentences,
    parts: (text: string, how: Cutting) => {
      const spans = sentencesOf(text)
      // Parts of one sentence and of many.
      const parts = [spans.slice(0, 1), spans.slice(1, 4), spans.slice(4)].filter((part) => part.length > 0)
      return chunkByParts(
        text,
        parts.map((part) => ({ start: part[0]!.start, end: part.at(-1)!.end })),
        how
      )
    }
  }
  const sizes = [
    { size: 400, overlap: 50 },
    { size: 64, overlap: 32 },
    { size: 32, overlap: 0 }
  ]
  const cases = texts.flatMap(([what, text]) =>
    Object.entries(ways).flatMap(([way, cut]) =>
      sizes.map((sizes) => ({ what, text, way, cut, how: { ...sizes, tokens } }))
    )
  )
  for (const { cut, how, text, way, what } of cases) {
    test(`hold all of it, in order, none of more than ${how.size} tokens: ${what}, ${way}`, () => {
      const chunks = Array.from(cut(text, how))
      let covered = 0
      for (const { end, index, start } of chunks) {
        expect(tokens(text.slice(start, end))).toBeLessThanOrEqual(how.size)
        expect(start).toBeLessThan(end)
        // Nothing but white space lies between what came before and this chunk.
        expect(text.slice(covered, Math.max(covered, start)).trim()).toBe("")
        if (index > 0 && start < covered) {
          expect(tokens(text.slice(start, covered))).toBeLessThanOrEqual(how.overlap)
        }
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

describe("a text without ends of sentences is cut into no more chunks than its size asks for", () => {
  const many = (count: number, of: (at: number) => string, between = "\n") =>
    Array.from({ length: count }, (_, at) => of(at)).join(between)
  const speech = "so yeah i think we should look at the pump again because it stopped and "
  const texts: ReadonlyArray<readonly [what: string, text: string]> = [
    ["a transcript", speech.repeat(400).trim()],
    ["one word again and again", "word ".repeat(20_000).trim()],
    ["words with commas", "lorem ipsum, dolor sit amet, ".repeat(2_000).trim()],
    ["CSV", `id,city,product,qty\n${many(600, (at) => `${at},Berlin,pump model ${at % 7},${at * 3}`)}`],
    ["a log", many(600, (at) => `2026-11-23 10:00:${at % 60} INFO worker ${at % 5} handled request ${at}`)],
    ["a list", `Things\n\n${many(400, (at) => `- item number ${at} about pumps and wells`)}`],
    ["a list without marks", many(500, () => "the river runs through silent night and day")],
    ["short paragraphs", many(600, (at) => `Question or answer ${at} about the pump`, "\n\n")],
    [
      "headings in threes",
      many(200, (at) => (at % 4 === 0 ? `It runs for ${at} days.` : `About the pump ${at}`), "\n\n")
    ]
  ]
  const sizes = [
    { size: 400, overlap: 50 },
    { size: 100, overlap: 12 },
    { size: 32, overlap: 4 }
  ]
  for (const [what, text] of texts) {
    for (const { overlap, size } of sizes) {
      test(`${what}, of ${size} tokens`, () => {
        const asked = Math.ceil(tokens(text) / (size - overlap))
        for (const cut of [chunkRecursively, chunkBySentences]) {
          const chunks = Array.from(cut(text, { size, overlap, tokens }))
          expect(chunks.length).toBeLessThanOrEqual(1.5 * asked)
          expect(chunks[0]!.start).toBe(0)
          expect(chunks.at(-1)!.end).toBe(text.length)
          for (const [at, { start }] of chunks.slice(1).entries())
            expect(text.slice(chunks[at]!.end, start).trim()).toBe("")
        }
      })
    }
  }
})

describe("by sentences", () => {
  const textsBy = (text: string) =>
    Array.from(chunkBySentences(text, cutting), ({ end, start }) => text.slice(start, end))

  test("paragraphs end nothing", () => {
    const short = Array.from({ length: 40 }, (_, at) => prose(1 + (at % 3))).join("\n\n")
    expect(textsBy(short).length).toBeLessThan(textsOf(short).length + 1)
    for (const each of textsBy(short)) expect(each).toMatch(/^Sentence \d+ [^]*end\.$/)
  })
})

describe("by parts", () => {
  test("each part that fits is a chunk, with nothing of the one before", () => {
    const text = prose(30)
    const spans = sentencesOf(text)
    const parts = [spans.slice(0, 10), spans.slice(10, 12), spans.slice(12)].map((part) => ({
      start: part[0]!.start,
      end: part.at(-1)!.end
    }))
    const chunks = Array.from(chunkByParts(text, parts, cutting))
    expect(chunks.map(({ end, start }) => ({ start, end }))).toEqual(parts)
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
