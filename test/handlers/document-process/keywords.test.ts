import { describe, expect, test } from "bun:test"
import { keywords, keywordsMax } from "../../../handlers/document-process/keywords.ts"

describe("keywords", () => {
  const text =
    `Dead letters are tasks that failed. A dead letter keeps its input. Operators read dead letters, and
    retry a dead letter when its cause is gone. Queues and queues again: a queue holds tasks.`.repeat(2)

  test("are what a text says often, phrases before their words", () => {
    const [first] = keywords(text)
    expect(first).toBe("dead letters")
    expect(keywords(text)).not.toContain("letter")
    expect(keywords(text).some((word) => word.startsWith("queue"))).toBe(true)
  })

  test("hold no stop words, and are not too many", () => {
    const many = Array.from(
      { length: 100 },
      (_, at) => `thing${String.fromCharCode(97 + (at % 26))}x the and of. `
    ).join("")
    expect(keywords(many.repeat(3)).length).toBeLessThanOrEqual(keywordsMax)
    expect(keywords(many).join(" ")).not.toMatch(/\b(the|and|of)\b/)
  })

  test("are found in a text of one sentence", () => {
    expect(keywords("Leases protect workers.")).toContain("leases")
  })

  test("of no words are none", () => {
    expect(keywords("… 123 --- 4.5")).toEqual([])
  })
})
