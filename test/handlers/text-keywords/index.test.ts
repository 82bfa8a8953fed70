import { describe, expect } from "bun:test"
import { Effect, Result } from "effect"
import { textKeywords } from "../../../handlers/text-keywords/index.ts"
import { markdownIn } from "../../support/documents.ts"
import { it } from "../../support/effect.ts"
import { settings, temporaryFolder } from "../../support/folder.ts"
import { runHandler } from "../../support/recording.ts"
import { google, historias } from "./published.ts"

const found = (input: Parameters<typeof runHandler<{}, {}>>[1] & object, files?: string) =>
  Effect.gen(function* () {
    const at = files ?? (yield* temporaryFolder)
    return yield* Effect.provide(runHandler(textKeywords, input as never), settings({ files: at }))
  })

describe("keywords of a text", () => {
  it.live("come with scores, the best first, and the language it was found to be in", () =>
    Effect.gen(function* () {
      const { keywords, language } = yield* found({ text: google.text, top: 5 })
      expect(language).toBe("en")
      expect(keywords.map(({ keyword }) => keyword).slice(0, 3)).toEqual([
        "google",
        "kaggle",
        "ceo anthony goldbloom"
      ])
      const scores = keywords.map(({ score }) => score)
      expect(scores).toEqual(scores.toSorted((a, b) => a - b))
      expect(keywords.length).toBe(5)
    })
  )

  it.live("use the stop words of its language", () =>
    Effect.gen(function* () {
      const { keywords, language } = yield* found({ text: historias.text })
      expect(language).toBe("pt")
      expect(keywords[0]!.keyword).toBe("conta-me histórias")
    })
  )

  it.live("take the caller's word for the language, and go without stop words where there is no list", () =>
    Effect.gen(function* () {
      const { keywords, language } = yield* found({ text: "the cat the hat the mat", language: "tlh" })
      expect(language).toBe("tlh")
      expect(keywords.map(({ keyword }) => keyword)).toContain("the")
      const english = yield* found({ text: "the cat the hat the mat", language: "en-GB" })
      expect(english.keywords.map(({ keyword }) => keyword)).not.toContain("the")
    })
  )

  it.live("of nothing are none", () =>
    Effect.gen(function* () {
      expect(yield* found({ text: "" })).toEqual({ keywords: [] })
    })
  )
})

describe("keywords of a processed document", () => {
  it.live("are those of its text", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const { document } = yield* markdownIn(files, `# News\n\n${google.text}`)
      const { keywords } = yield* found({ document, top: 3 }, files)
      expect(keywords.map(({ keyword }) => keyword)).toContain("google")
    })
  )

  it.live("are refused where there is none with the id", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(found({ document: "0".repeat(32) }))
      expect(refused).toMatchObject({ name: "UnknownDocument" })
    })
  )
})

describe("an input", () => {
  const faults = (input: unknown) => {
    const checked = textKeywords.readInput(input)
    return checked instanceof Promise || Result.isSuccess(checked) ? [] : checked.failure.faults
  }

  it.live("is a text or a document, and what is wrong is told with its path", () =>
    Effect.sync(() => {
      for (const input of [{}, { text: "a", document: "0".repeat(32) }]) {
        expect(faults(input)).toMatchObject([{ message: expect.stringContaining("either text or document") }])
      }
      expect(faults({ text: "a", top: 0 })[0]).toMatchObject({ path: "/top" })
      expect(faults({ text: "a", words: 6 })[0]).toMatchObject({ path: "/words" })
      expect(faults({ text: "a", similarity: 2 })[0]).toMatchObject({ path: "/similarity" })
      expect(faults({ document: "x" })[0]).toMatchObject({ path: "/document" })
      expect(faults({ text: "a", language: "?" })[0]).toMatchObject({ path: "/language" })
    })
  )
})
