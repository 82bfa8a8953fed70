import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import {
  defaultRetry,
  delayFrom,
  lastRun,
  nextDelay,
  retryDelayMaxMs,
  retryJson,
  RetryJson,
  retryPolicy,
  type RetryPolicy,
  saysBackoff
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

  test("is always the same where it is fixed, whatever else was said before", () => {
    const fixed = retryPolicy(
      { attempts: 9, backoff: { baseMs: 10, jitter: true } },
      { backoff: { fixedMs: 700 } }
    )

    expect([1, 2, 8].map((failed) => nextDelay(fixed, failed, 0.5))).toEqual([700, 700, 700])
    expect(nextDelay(fixed, 9, 0.5)).toBeUndefined()
  })

  test("grows again where something is said of that after it was fixed", () => {
    const policy = retryPolicy({ backoff: { fixedMs: 700 } }, { backoff: { baseMs: 10, jitter: false } })

    expect(nextDelay(policy, 2, 0.5)).toBe(20)
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

describe("a function of a handler", () => {
  const error = { type: "Busy", message: "later" }

  test("is told how often it failed and with what, and gives any duration", () => {
    expect(delayFrom((failed, { type }) => (type === "Busy" ? failed * 100 : "1 hour"), 3, error)).toBe(300)
    expect(delayFrom(() => "1.5 seconds", 1, error)).toBe(1_500)
  })

  test("is held to a time from none to a week", () => {
    expect(delayFrom(() => -5, 1, error)).toBe(0)
    expect(delayFrom(() => "1000 days", 1, error)).toBe(retryDelayMaxMs)
    expect(delayFrom(() => Number.POSITIVE_INFINITY, 1, error)).toBe(retryDelayMaxMs)
  })

  test("is passed over when it throws, or gives no duration", () => {
    const throwing = () => {
      throw new Error("a bug")
    }

    expect(delayFrom(throwing, 1, error)).toBeUndefined()
    expect(delayFrom(() => "2 blinks" as never, 1, error)).toBeUndefined()
    expect(delayFrom(() => undefined as never, 1, error)).toBeUndefined()
    expect(delayFrom(() => Number.NaN, 1, error)).toBeUndefined()
  })
})

describe("the last run a task has", () => {
  test("is the one whose failure uses up its attempts", () => {
    expect(lastRun(policy, 1, 0)).toBe(6)
    expect(lastRun(policy, 6, 5)).toBe(6)
  })

  test("comes later by each run that used up none", () => {
    expect(lastRun(policy, 5, 1)).toBe(9)
    expect(lastRun({ ...policy, attempts: 1 }, 40, 0)).toBe(40)
  })

  test("is never before the newest run, even if more have failed than are allowed now", () => {
    expect(lastRun({ ...policy, attempts: 1 }, 4, 3)).toBe(4)
  })
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

  test("lifts the cap to a base that is longer, unless a cap is said with it", () => {
    const capOf = (...layers: ReadonlyArray<RetryJson>) => retryPolicy(...layers).backoff.capMs
    expect(capOf({ backoff: { baseMs: 3_600_000 } })).toBe(3_600_000)
    expect(capOf({ backoff: { baseMs: 3_600_000, capMs: 5_000 } })).toBe(5_000)
    expect(capOf({ backoff: { capMs: 5_000 } }, { backoff: { baseMs: 1_000 } })).toBe(5_000)
    expect(capOf({ backoff: { capMs: 5_000 } }, { backoff: { baseMs: 6_000 } })).toBe(6_000)
  })

  test("is written with durations as Effect writes them", () => {
    expect(
      retryJson({ attempts: 2, backoff: { base: "1.5 seconds", cap: 60_000, factor: 2, jitter: false } })
    ).toEqual({
      attempts: 2,
      backoff: { baseMs: 1_500, capMs: 60_000, factor: 2, jitter: false }
    })
    expect(retryJson({ backoff: { fixed: "2 seconds" } })).toEqual({ backoff: { fixedMs: 2_000 } })
    expect(retryJson({})).toEqual({})
    expect(retryJson({ backoff: {} })).toEqual({ backoff: {} })
  })

  test("leaves a function with its handler, and does not count an empty backoff as said", () => {
    expect(retryJson({ attempts: 4, backoff: () => 5 })).toEqual({ attempts: 4 })
    expect([undefined, {}, { attempts: 2 }, { backoff: {} }].some(saysBackoff)).toBe(false)
    expect([{ backoff: { jitter: false } }, { backoff: { fixedMs: 0 } }].every(saysBackoff)).toBe(true)
  })

  test.each([
    [{}],
    [{ attempts: 1 }],
    [{ backoff: { fixedMs: 604_800_000 } }],
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
    [{ backoff: { jitter: 1 } }],
    [{ backoff: { fixedMs: -1 } }],
    [{ backoff: { fixedMs: 604_800_001 } }],
    // One of them would be left out without a word.
    [{ backoff: { fixedMs: 60_000, baseMs: 1, jitter: false } }],
    [{ backoff: { fixedMs: 60_000, jitter: true } }]
  ])("is not %j", (json) => {
    expect(Schema.is(RetryJson)(json)).toBe(false)
  })
})
