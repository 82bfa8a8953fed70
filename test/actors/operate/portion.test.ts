/** How many tasks are read in one go. */
import { describe, expect, test } from "bun:test"
import { afterPortion, noPortions, portionMax, type Portions } from "../../../actors/operate/portion.ts"

/** What a search reads, where all tasks are so large. */
const sizesOf = (characters: number, goes: number): ReadonlyArray<number> => {
  const sizes: Array<number> = []
  let portions: Portions = noPortions
  for (let go = 0; go < goes; go++) {
    sizes.push(portions.next)
    portions = afterPortion(portions, portions.next, portions.next * characters)
  }
  return sizes
}

describe("a portion", () => {
  test("grows while tasks are small, up to a bound", () => {
    expect(sizesOf(300, 5)).toEqual([16, 32, 64, 100, 100])
  })

  test("is of as many large tasks as are together about as large as one may be, and of one at least", () => {
    expect(sizesOf(portionMax / 8, 3)).toEqual([16, 8, 8])
    expect(sizesOf(portionMax * 8, 3)).toEqual([16, 1, 1])
  })

  test("grows again after large tasks, twofold at most", () => {
    const large = afterPortion(noPortions, 16, 16 * portionMax)

    expect(large.next).toBe(1)
    expect(afterPortion(large, 1, 100).next).toBe(2)
    // Nothing is known of tasks that are gone.
    expect(afterPortion(large, 1, 0).next).toBe(2)
  })

  test("adds to what was read before it", () => {
    expect(afterPortion(afterPortion(noPortions, 16, 100), 32, 20).read).toBe(120)
  })
})
