import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import {
  defaultRetry,
  nextDelay,
  retryJson,
  RetryJson,
  retryPolicy,
  type RetryPolicy
} from "../../runtime/retry.ts"
import { it } from "../support/effect.ts"
import { forAll } from "../support/property.ts"

const policy: RetryPolicy = {
  attempts: 6,
  backoff: { baseMs: 1_000, factor: 2, capMs: 5_000, jitter: false }
}

describe("the delay before the next attempt", () => {
  test("grows by the factor, up to the cap", () => {
    expect([1, 2, 3, 4, 5].map((failed) => nextDelay(policy, failed, 0.5))).toEqual([
      1_000, 2_000, 4_000, 5_000, 5_000
    ])
  })

  test("is none once the attempts are spent", () => {
    expect(nextDelay(policy, 6, 0.5)).toBeUndefined()
    expect(nextDelay({ ...policy, attempts: 1 }, 1, 0.5)).toBeUndefined()
  })

  test("is with jitter any part of that, and no more", () => {
    const jittered = { ...policy, backoff: { ...policy.backoff, jitter: true } }

    expect([0, 0.25, 0.999_999].map((random) => nextDelay(jittered, 2, random))).toEqual([0, 500, 2_000])
  })

  const Any = Schema.Struct({
    failed: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_000 })),
    factor: Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
    baseMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 })),
    capMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 604_800_000 })),
    random: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 }))
  })

  it.effect("is a whole number from 0 to the cap, whatever the policy and however often it failed", () =>
    forAll(
      Any,
      ({ failed, random, ...backoff }) => {
        const delay = nextDelay(
          { attempts: 10_000, backoff: { ...backoff, jitter: random > 0.5 } },
          failed,
          random
        )!

        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(backoff.capMs)
      },
      { size: 1_000 }
    )
  )
})

describe("a retry policy", () => {
  test("is the default where nothing is said", () => {
    expect(retryPolicy()).toEqual(defaultRetry)
    expect(retryPolicy(undefined, {})).toEqual(defaultRetry)
  })

  test("lays what is said later over what is said earlier, part by part", () => {
    expect(
      retryPolicy({ attempts: 5, backoff: { baseMs: 10, factor: 3 } }, { backoff: { baseMs: 20 } })
    ).toEqual({
      attempts: 5,
      backoff: { ...defaultRetry.backoff, baseMs: 20, factor: 3 }
    })
  })

  test("is written with durations as Effect writes them", () => {
    expect(
      retryJson({ attempts: 2, backoff: { base: "1.5 seconds", cap: 60_000, factor: 2, jitter: false } })
    ).toEqual({
      attempts: 2,
      backoff: { baseMs: 1_500, capMs: 60_000, factor: 2, jitter: false }
    })
    expect(retryJson({})).toEqual({})
    expect(retryJson({ backoff: {} })).toEqual({ backoff: {} })
  })

  test.each([
    [{}],
    [{ attempts: 1 }],
    [{ attempts: 1_000, backoff: { baseMs: 0, factor: 1, capMs: 0, jitter: true } }]
  ])("may be %j", (json) => {
    expect(Schema.is(RetryJson)(json)).toBe(true)
  })

  test.each([
    [{ attempts: 0 }],
    [{ attempts: 1_001 }],
    [{ attempts: 1.5 }],
    [{ attempts: "3" }],
    [{ backoff: { baseMs: -1 } }],
    [{ backoff: { factor: 0.5 } }],
    [{ backoff: { factor: Number.POSITIVE_INFINITY } }],
    [{ backoff: { capMs: 604_800_001 } }],
    [{ backoff: { jitter: 1 } }]
  ])("is not %j", (json) => {
    expect(Schema.is(RetryJson)(json)).toBe(false)
  })
})
