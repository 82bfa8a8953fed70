/** A soak says "flat" of what is flat, and of nothing that grows. */
import { expect, test } from "bun:test"
import { isFlat, slopeOf } from "./slopes.ts"

const samples = (of: (at: number) => number) =>
  Array.from({ length: 100 }, (_, index) => ({ at: index * 5, value: of(index * 5) }))
const bound = { share: 0.1, beside: 0 }

test("a line's slope is what it rises by in an hour, whatever it begins at", () => {
  const { mean, noise, perHour, rise } = slopeOf(samples((at) => 1_000 + at / 60))
  expect(perHour).toBeCloseTo(60)
  expect(rise).toBeCloseTo(495 / 60)
  expect(mean).toBeCloseTo(1_000 + 247.5 / 60)
  expect(noise).toBeCloseTo(0)
})

test("what goes up and down about its mean is flat", () => {
  expect(isFlat(slopeOf(samples((at) => 100 + 30 * Math.sin(at))), bound)).toBe(true)
})

test("what falls is flat", () => {
  expect(isFlat(slopeOf(samples((at) => 1_000 - at)), bound)).toBe(true)
})

test("what grows by more than its bound under all that noise is found", () => {
  expect(isFlat(slopeOf(samples((at) => 100 + 30 * Math.sin(at) + at / 20)), bound)).toBe(false)
})
