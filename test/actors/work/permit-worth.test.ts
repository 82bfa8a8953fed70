import { describe, expect, test } from "bun:test"
import { worthOf } from "../../../actors/work/permit-worth.ts"

describe("what rings are worth", () => {
  const rings = (...waiting: ReadonlyArray<number>) => waiting.map((count) => ({ waiting: count, has: 0 }))

  test("is all places for each of two, since the limits may have none for the other", () => {
    expect(worthOf(rings(100, 5), 50, 32)).toEqual([32, 5])
  })

  test("is a piece of the first ones where they are many, twice as many as there are places", () => {
    expect(worthOf(rings(...Array<number>(10).fill(100)), 0, 32)).toEqual([8, 8, 8, 8, 8, 8, 8, 8, 0, 0])
    expect(worthOf(rings(100, 3, 100, 100), 40, 32)).toEqual([8, 3, 8, 5])
    expect(worthOf(rings(100, 100, 100), 0, 100)).toEqual([67, 67, 66])
  })

  test("counts what there is for a ring already, and gives the rest to those behind it", () => {
    const [first, ...others] = rings(100, 100, 100)

    expect(worthOf([{ ...first!, has: 8 }, { waiting: 3, has: 5 }, ...others], 13, 12)).toEqual([16, 5, 3, 0])
  })

  test("is one at least, though what is idle is enough, and nothing where there is no place", () => {
    expect(worthOf(rings(5, 5, 5), 500, 32)).toEqual([1, 0, 0])
    expect(worthOf(rings(5, 5, 5), 0, 0)).toEqual([0, 0, 0])
  })
})
