import { describe, expect, test } from "bun:test"
import { allowance, isOverrun, nothingSpent } from "../../../handlers/model/budget.ts"

describe("a budget", () => {
  test("of nothing lets a call have the longest answer there is", () => {
    expect(allowance({}, nothingSpent, 100, 4_096)).toEqual({ kind: "go", outputTokens: 4_096, by: "length" })
  })

  test("refuses a call whose input does not fit", () => {
    const refused = { kind: "stop", needs: 101, left: 100 }
    expect(allowance({ inputTokens: 100 }, nothingSpent, 101, 4_096)).toEqual({
      ...refused,
      by: "inputTokens"
    } as never)
    expect(allowance({ inputTokens: 100 }, nothingSpent, 100, 4_096)).toMatchObject({ kind: "go" })
  })

  test("refuses a call that leaves no token for an answer", () => {
    expect(allowance({ totalTokens: 100 }, nothingSpent, 100, 4_096)).toEqual({
      kind: "stop",
      by: "totalTokens",
      needs: 101,
      left: 100
    })
  })

  test("gives an answer what is left of it", () => {
    const spent = { inputTokens: 50, outputTokens: 30 }
    expect(allowance({ outputTokens: 40 }, spent, 100, 4_096)).toEqual({
      kind: "go",
      outputTokens: 10,
      by: "outputTokens"
    })
    expect(allowance({ outputTokens: 40, totalTokens: 185 }, spent, 100, 4_096)).toEqual({
      kind: "go",
      outputTokens: 5,
      by: "totalTokens"
    })
    expect(allowance({ outputTokens: 30 }, spent, 100, 4_096)).toEqual({
      kind: "stop",
      by: "outputTokens",
      needs: 1,
      left: 0
    })
  })

  test("never says that less than nothing is left, though more may have been spent than was estimated", () => {
    const spent = { inputTokens: 500, outputTokens: 0 }
    expect(allowance({ inputTokens: 100 }, spent, 1, 4_096)).toMatchObject({ kind: "stop", left: 0 })
  })

  test("counts an answer as overrun only a quarter above it, since it is estimated", () => {
    expect(isOverrun(125, 100)).toBe(false)
    expect(isOverrun(126, 100)).toBe(true)
  })
})
