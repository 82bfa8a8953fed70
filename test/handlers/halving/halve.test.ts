import { describe, expect } from "bun:test"
import { Effect, Result } from "effect"
import { halve } from "../../../handlers/halving/halve.ts"
import { it } from "../../support/effect.ts"

type Refusal = { readonly of: "items" | "store"; readonly calls: number }

/** Doubles numbers, and refuses a call that holds a bad one. */
const doubling = (bad: ReadonlyArray<number>, brokenAt = Number.POSITIVE_INFINITY) => {
  const calls: Array<ReadonlyArray<number>> = []
  const run = (part: ReadonlyArray<number>) => {
    calls.push(part)
    if (calls.length >= brokenAt) return Effect.fail<Refusal>({ of: "store", calls: calls.length })
    return part.some((one) => bad.includes(one))
      ? Effect.fail<Refusal>({ of: "items", calls: calls.length })
      : Effect.succeed(part.map((one) => one * 2))
  }
  return { calls, run }
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
const isOnes = ({ of }: Refusal) => of === "items"

describe("items that are done in one call", () => {
  it.effect("are done in one call when none is bad", () =>
    Effect.gen(function* () {
      const { calls, run } = doubling([])
      const outcomes = yield* halve(numbers(100), run, isOnes)
      expect(outcomes.map((one) => Result.getOrThrow(one))).toEqual(numbers(100).map((one) => one * 2))
      expect(calls.length).toBe(1)
    })
  )

  it.effect("are all done but the bad ones, which are told apart", () =>
    Effect.gen(function* () {
      const { calls, run } = doubling([3, 64, 65])
      const outcomes = yield* halve(numbers(100), run, isOnes)
      expect(outcomes.length).toBe(100)
      for (const [at, outcome] of outcomes.entries()) {
        expect(Result.isSuccess(outcome)).toBe(![3, 64, 65].includes(at))
        if (Result.isSuccess(outcome)) expect(outcome.success).toBe(at * 2)
      }
      expect(calls.length).toBeLessThan(3 * 2 * Math.log2(100) + 1)
    })
  )

  it.effect("fail together when the fault is none of theirs", () =>
    Effect.gen(function* () {
      const { calls, run } = doubling([3], 2)
      const failure = yield* Effect.flip(halve(numbers(100), run, isOnes))
      expect(failure).toEqual({ of: "store", calls: 2 })
      expect(calls.length).toBe(2)
    })
  )

  it.effect("fail together when more are bad than can be their fault", () =>
    Effect.gen(function* () {
      const { calls, run } = doubling(numbers(1_000))
      expect((yield* Effect.flip(halve(numbers(1_000), run, isOnes, 10))).of).toBe("items")
      expect(calls.length).toBeLessThan(100)
    })
  )

  it.effect("may be none", () =>
    Effect.gen(function* () {
      const { calls, run } = doubling([])
      expect(yield* halve([], run, isOnes)).toEqual([])
      expect(calls).toEqual([])
    })
  )
})
