import { describe, expect, test } from "bun:test"
import { measureAgainst, silenceAfter } from "../../../actors/node/silence.ts"

const policy = { heartbeatMs: 5_000, stallMs: 300_000, lookMs: 1_000 }

describe("a silence", () => {
  test("is the sum of what passes between looks", () => {
    expect(silenceAfter(policy, 0, 1_000)).toBe(1_000)
    expect(silenceAfter(policy, 4_000, 1_500)).toBe(5_500)
  })

  test("does not count the time in which the node itself was stopped", () => {
    expect(silenceAfter(policy, 0, 3_600_000)).toBe(2_000)
  })
})

describe("what is done about a silence", () => {
  const cases: ReadonlyArray<readonly [silentMs: number, renewedMs: number, measure: string]> = [
    [0, Infinity, "none"],
    [4_999, Infinity, "none"],
    [5_000, Infinity, "renew"],
    [6_000, 1_000, "none"],
    [10_000, 5_000, "renew"],
    [299_999, 5_000, "renew"],
    [300_000, 0, "kill"],
    [400_000, Infinity, "kill"]
  ]
  for (const [silentMs, renewedMs, measure] of cases) {
    test(`of ${silentMs} ms, renewed ${renewedMs} ms ago, is ${measure}`, () => {
      expect(measureAgainst(policy, silentMs, renewedMs)).toBe(measure as never)
    })
  }
})
