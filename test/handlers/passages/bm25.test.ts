import { describe, expect, test } from "bun:test"
import { bm25 } from "../../../handlers/passages/bm25.ts"

const rows = (...passages: ReadonlyArray<string>) => passages.map((passage) => passage.split(" "))

/** Numbers of the passages that share a word with the question, the best first. */
const order = (question: string, ...passages: ReadonlyArray<string>) => {
  const { scores } = bm25(question.split(" "), rows(...passages))
  return scores.flatMap((score, at) => (score > 0 ? [at] : [])).sort((a, b) => scores[b]! - scores[a]!)
}

describe("BM25", () => {
  test("is the formula it cites", () => {
    // Two passages of four and two terms; "a" is twice in the first: idf = ln(1 + (2 - 1 + 0.5) / (1 + 0.5)) = ln 2.
    const { scores, weights } = bm25(["a"], rows("a a b c", "b c"))
    const length = 1 - 0.75 + (0.75 * 4) / 3
    expect(weights.get("a")).toBeCloseTo(Math.LN2, 12)
    expect(scores[0]).toBeCloseTo((Math.LN2 * 2 * 2.2) / (2 + 1.2 * length), 12)
    expect(scores[1]).toBe(0)
  })

  test("prefers rare words to common ones", () => {
    expect(order("rare common", "common x", "rare x", "common y", "common z")[0]).toBe(1)
  })

  test("prefers a passage that has all words to one that repeats some", () => {
    expect(order("lease worker", "lease lease lease x", "lease worker x y", "z z z z")[0]).toBe(1)
  })

  test("prefers the shorter of two passages that have the same words", () => {
    expect(order("lease", "lease a b c d e f g", "lease a", "x y z")).toEqual([1, 0])
  })

  test("counts a word of the question once, and none that no passage has", () => {
    const once = bm25(["a", "zzz"], rows("a b", "b c")).scores
    expect(bm25(["a", "a", "zzz"], rows("a b", "b c")).scores).toEqual(once)
  })

  test("finds nothing in no passages, for no words, or in empty passages", () => {
    expect(bm25(["a"], []).scores).toEqual([])
    expect(bm25([], rows("a b")).scores).toEqual([0])
    expect(bm25(["a"], [[], []]).scores).toEqual([0, 0])
  })
})
