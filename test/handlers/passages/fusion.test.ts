import { describe, expect, test } from "bun:test"
import { fused } from "../../../handlers/passages/fusion.ts"

const order = (...rankings: ReadonlyArray<ReadonlyArray<string>>) =>
  [...fused(rankings)].toSorted(([, x], [, y]) => y - x).map(([one]) => one)

describe("one order of several", () => {
  test("has first what stands high in both", () => {
    expect(order(["a", "b", "c"], ["d", "b", "a"])).toEqual(["a", "b", "d", "c"])
  })

  test("has what only one has, and is that of one alone", () => {
    expect(order(["a", "b"])).toEqual(["a", "b"])
    expect(order(["a"], [])).toEqual(["a"])
    expect(order([], [])).toEqual([])
  })
})
