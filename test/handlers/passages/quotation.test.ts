import { expect, test } from "bun:test"
import { quoteOf } from "../../../handlers/passages/quotation.ts"

test("a quote that is too long is cut at a word, and never within a character", () => {
  const words = quoteOf(`- ${"word ".repeat(200)}`)
  expect(words).toEndWith("word…")
  expect(words.length).toBeLessThanOrEqual(400)
  for (const before of ["", "a", "ab"]) {
    const cut = quoteOf(before + "😀".repeat(400))
    expect(cut.isWellFormed()).toBe(true)
    expect(cut).toEndWith("😀…")
  }
})
