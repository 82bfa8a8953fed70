import { describe, expect, test } from "bun:test"
import { Result } from "effect"
import { costMicros, readModelPrices } from "../../runtime/model-prices.ts"

describe("prices of models", () => {
  const prices = Result.getOrThrow(readModelPrices("gpt-5.4-mini=0.25/2, claude-*=1/5, *=10/10"))

  test("are per million tokens, so that a token costs as many millionths", () => {
    expect(costMicros(prices, "gpt-5.4-mini", { inputTokens: 1_000_000, outputTokens: 0 })).toBe(250_000)
    expect(costMicros(prices, "gpt-5.4-mini", { inputTokens: 1_000, outputTokens: 100 })).toBe(450)
  })

  test("are rounded up, and what costs nothing costs nothing", () => {
    expect(costMicros(prices, "gpt-5.4-mini", { inputTokens: 1, outputTokens: 0 })).toBe(1)
    expect(costMicros(prices, "gpt-5.4-mini", { inputTokens: 0, outputTokens: 0 })).toBe(0)
    expect(costMicros(prices, "claude-haiku-5-5", { inputTokens: 3, outputTokens: 0 })).toBe(3)
  })

  test("stand for all models that begin so, the first that fits counts", () => {
    expect(costMicros(prices, "claude-haiku-5-5", { inputTokens: 0, outputTokens: 2 })).toBe(10)
    expect(costMicros(prices, "llama", { inputTokens: 1, outputTokens: 1 })).toBe(20)
    expect(costMicros([], "llama", { inputTokens: 1, outputTokens: 1 })).toBeUndefined()
  })

  test("that cannot be read are named", () => {
    for (const bad of ["", "m", "m=1", "m=1/x", "m=-1/2", "=1/2", "a=1/2,,b=1/2"]) {
      expect(Result.getOrThrow(Result.flip(readModelPrices(bad)))).toContain("model=input/output")
    }
  })
})
