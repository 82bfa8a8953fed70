import { beforeAll, describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { stopWordsOf } from "../../../handlers/text-keywords/stop-words.ts"
import { tooSimilar } from "../../../handlers/text-keywords/similarity.ts"
import { type Keyword, yake } from "../../../handlers/text-keywords/yake.ts"
import { google, historias } from "./published.ts"

const none: ReadonlySet<string> = new Set()
const of = (text: string, over: Partial<Parameters<typeof yake>[1]> = {}) =>
  yake(text, { stopWords: none, top: 20, words: 3, similarity: 0.9, ...over })

/**
 * Compared with what the authors publish. Their program has a list of stop words of its own, so that the mean frequency
 * of the other words differs a little, and with it every score.
 */
describe("of the texts that the authors of YAKE publish", () => {
  type Published = typeof google | typeof historias
  const found = new Map<
    Published,
    { readonly best: ReadonlyArray<Keyword>; readonly all: ReadonlyArray<Keyword> }
  >()
  beforeAll(async () => {
    for (const example of [google, historias]) {
      const stopWords = await Effect.runPromise(stopWordsOf(example.language))
      found.set(example, {
        best: of(example.text, { stopWords }),
        all: of(example.text, { stopWords, top: 1_000, similarity: 1 })
      })
    }
  })
  /** By how much the scores of the published keywords differ, at most. */
  const furthest = (example: Published) =>
    Math.max(
      ...example.keywords.map(([keyword, published]) => {
        const { score } = found.get(example)!.all.find((each) => each.keyword === keyword)!
        return Math.abs(score / published - 1)
      })
    )
  /** The published keywords that are not among the 20 best, and by how many places the others have moved at most. */
  const compared = (example: Published) => {
    const best = found.get(example)!.best.map(({ keyword }) => keyword)
    const places = example.keywords.map(([keyword], at) => ({ keyword, at, now: best.indexOf(keyword) }))
    return {
      missing: places.filter(({ now }) => now === -1).map(({ keyword }) => keyword),
      moved: Math.max(...places.map(({ at, now }) => (now === -1 ? 0 : Math.abs(now - at))))
    }
  }

  test("the English one has the same 20 keywords, none more than one place away, with scores within 8 %", () => {
    expect(compared(google)).toEqual({ missing: [], moved: 1 })
    expect(furthest(google)).toBeLessThan(0.08)
  })

  test("the Portuguese one has 19 of the 20, none more than three places away, with scores within 24 %", () => {
    const { missing, moved } = compared(historias)
    expect(missing).toEqual(["ricardo campos investigador"])
    expect(moved).toBeLessThanOrEqual(3)
    expect(furthest(historias)).toBeLessThan(0.24)
  })
})

describe("the formulae", () => {
  test("give what they give by hand", () => {
    // Five words, each once, mean 1 and deviation 0. Alpha and beta stand in sentence 0 of 2, the others in sentence 1.
    const scores = new Map(
      of("Alpha beta. Gamma delta epsilon.", { words: 1 }).map((each) => [each.keyword, each.score])
    )
    const single = (neighbours: number, sentence: number) => {
      const relatedness = 1 + neighbours
      const position = Math.log(Math.log(3 + sentence))
      const score = (relatedness * position) / (0 + 1 / relatedness + 0.5 / relatedness)
      return score / (1 * (1 + score))
    }
    // One neighbour on one side: variety 1. Delta has one on each side.
    expect(scores.get("alpha")).toBeCloseTo(single(1, 0), 12)
    expect(scores.get("gamma")).toBeCloseTo(single(1, 1), 12)
    expect(scores.get("delta")).toBeCloseTo(single(2, 1), 12)
  })

  test("prefer what comes often, early, and with a capital inside a sentence", () => {
    const place = (text: string, keyword: string) =>
      of(text, { words: 1 }).findIndex((each) => each.keyword === keyword)
    expect(place("River stone. River cloud. River grass.", "river")).toBe(0)
    const birds = "Early bird. Later worm. Last soil."
    expect(place(birds, "bird")).toBeLessThan(place(birds, "soil"))
    const eaters = "Old people in Lisbon eat. Old people in boats eat."
    expect(place(eaters, "lisbon")).toBeLessThan(place(eaters, "boats"))
  })

  test("count a stop word within by how firmly it binds", () => {
    const stopWords = new Set(["of"])
    const bound = of("cup of coffee. cup of coffee. cup of coffee.", { stopWords })
    const loose = of("cup of coffee. side of coffee. cup of milk.", { stopWords })
    const score = (found: ReadonlyArray<Keyword>) =>
      found.find(({ keyword }) => keyword === "cup of coffee")?.score
    expect(score(bound)!).toBeLessThan(score(loose)!)
  })
})

describe("keywords", () => {
  test("have no number, no mixture of letters and digits, and no stop word at an end", () => {
    const stopWords = new Set(["the", "and"])
    const found = of("The pump and the well gave 4.1 litres in Q3 2024 and the valve the.", { stopWords })
    for (const { keyword } of found) {
      expect(keyword).not.toMatch(/\d|^the\b|\bthe$|^and\b|\band$/)
    }
    expect(found.map(({ keyword }) => keyword)).toContain("pump")
  })

  test("have no word of more than 100 characters, which is none", () => {
    const text = `Pumps drive ${"a".repeat(101)} water. Pumps drive ${"b".repeat(100)} up. ${"c".repeat(300_000)}`
    const keywords = of(text).map(({ keyword }) => keyword)
    expect(keywords).toContain("b".repeat(100))
    for (const each of keywords) expect(each).not.toMatch(/a{101}|c{101}/)
  })

  test("do not reach over punctuation", () => {
    expect(of("red, green blue").map(({ keyword }) => keyword)).not.toContain("red green")
  })

  test("have at most as many words as asked for, and are at most as many", () => {
    const found = of(google.text, { words: 2, top: 7 })
    expect(found.length).toBe(7)
    for (const { keyword } of found) expect(keyword.split(" ").length).toBeLessThanOrEqual(2)
  })

  test("are found in scripts that write no spaces", () => {
    expect(of("任务失败了需要重试。任务在队列中等待。").map(({ keyword }) => keyword)).toContain("任务")
  })

  test("of no words are none", () => {
    expect(of("… 123 --- 4.5 !")).toEqual([])
    expect(of("")).toEqual([])
  })

  test("of half a million characters take less than three seconds", () => {
    const text = `${google.text}\n`.repeat(250).slice(0, 500_000)
    const before = performance.now()
    expect(of(text).length).toBe(20)
    expect(performance.now() - before).toBeLessThan(3_000)
  })
})

describe("two keywords", () => {
  test("are one when they are more alike than asked for", () => {
    expect(tooSimilar("competition", "competitions", 0.9)).toBe(true)
    expect(tooSimilar("competition", "competitions", 0.95)).toBe(false)
    expect(tooSimilar("google", "kaggle", 0.9)).toBe(false)
    expect(tooSimilar("google", "google", 0.9)).toBe(true)
  })
})
