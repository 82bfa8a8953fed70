import { expect, test } from "bun:test"
import { encode } from "gpt-tokenizer"
import { tokensOf } from "../../../handlers/embedding/tokens.ts"

const docs = new URL("../../../docs/", import.meta.url).pathname

test("the tokens of a text are estimated to within a third of what a tokenizer counts", async () => {
  for (const name of ["design.md", "operating.md", "http.md"]) {
    const text = await Bun.file(docs + name).text()
    const counted = encode(text).length
    expect(tokensOf(text)).toBeGreaterThan(counted * 0.67)
    expect(tokensOf(text)).toBeLessThan(counted * 1.34)
  }
})

test("a text in another script than ours has more tokens for its length", () => {
  expect(tokensOf("ワーカーのリース")).toBe(8)
  expect(tokensOf("worker's lease")).toBe(4)
  expect(tokensOf("")).toBe(1)
})
