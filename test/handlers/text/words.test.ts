import { describe, expect, test } from "bun:test"
import { stem, terms, words } from "../../../handlers/text/words.ts"

describe("the terms of a text", () => {
  test("are the same for the forms of a word", () => {
    const families = [
      ["retry", "retries", "retried", "retrying"],
      ["lease", "leases", "leased", "leasing"],
      ["stop", "stops", "stopped", "stopping"],
      ["die", "dies", "died"],
      ["task", "tasks"],
      ["process", "processes", "processed", "processing"],
      ["setting", "settings"],
      ["priority", "priorities"]
    ]
    for (const family of families) {
      expect(new Set(family.map(stem)).size, family.join(" ")).toBe(1)
    }
  })

  test("are not the same for words that only look alike", () => {
    expect(stem("worker")).not.toBe(stem("work"))
    expect(stem("status")).not.toBe(stem("state"))
    expect(stem("need")).not.toBe(stem("ne"))
  })

  test("have no stop words, no case and no accents", () => {
    expect(terms("What happens to the Café's résumé?")).toEqual(terms("cafe RESUME"))
  })

  test("part names at dots and underscores, so that either half is found", () => {
    expect(terms("TROUPE_LEASE document.process")).toEqual(terms("troupe lease document process"))
  })

  test("are pairs of letters where a script has no spaces", () => {
    expect(terms("任务失败")).toEqual(["任务", "务失", "失败"])
  })

  test("of nothing but stop words are none", () => {
    expect(terms("What is it, and how?")).toEqual([])
    expect(words("")).toEqual([])
  })
})
