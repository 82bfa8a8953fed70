import { describe, expect, test } from "bun:test"
import { quantile, statsOf } from "../../../actors/operate/stats.ts"
import type { Depth } from "../../../runtime/store.ts"

describe("a quantile of a histogram", () => {
  const histogram = [
    [100, 5],
    [10, 90],
    [1_000, 5]
  ] as const

  test("is the bound below which that share lies, in whatever order the bounds come", () => {
    expect(quantile(histogram, 0.5)).toBe(10)
    expect(quantile(histogram, 0.9)).toBe(10)
    expect(quantile(histogram, 0.91)).toBe(100)
    expect(quantile(histogram, 0.99)).toBe(1_000)
  })

  test("above the last bound is that bound: at least so much", () => {
    expect(
      quantile(
        [
          [10, 1],
          [Infinity, 9]
        ],
        0.95
      )
    ).toBe(10)
  })

  test("of nothing is none", () => {
    expect(quantile([], 0.5)).toBeUndefined()
    expect(quantile([[10, 0]], 0.5)).toBeUndefined()
  })
})

const depth = (over: Partial<Depth>): Depth => ({
  lanes: { urgent: 1, high: 2, normal: 3, low: 4 },
  boxed: 0,
  waiting: 0,
  later: 0,
  held: 0,
  dead: 0,
  ...over
})

describe("statistics", () => {
  test("add up the queues, and the minutes of the same time", () => {
    const stats = statsOf(
      [
        { at: 60_000, counts: { succeeded: 1, "wait:5": 1 } },
        { at: 0, counts: { failed: 1, retried: 2 } },
        { at: 60_000, counts: { succeeded: 2, submitted: 4, "wait:5": 1 } }
      ],
      [depth({ boxed: 5, held: 1 }), depth({ later: 2, dead: 3, waiting: 4 })],
      7
    )

    const nothing = {
      submitted: 0,
      started: 0,
      succeeded: 0,
      failed: 0,
      retried: 0,
      cancelled: 0,
      expired: 0
    }
    expect(stats).toEqual({
      queued: 25,
      running: 1,
      scheduled: 2,
      waiting: 4,
      dead: 3,
      workers: 7,
      succeeded: 3,
      failed: 1,
      successRate: 0.75,
      wait: { p50Ms: 5, p95Ms: 5 },
      run: {},
      perMinute: [
        { ...nothing, at: 0, failed: 1, retried: 2 },
        { ...nothing, at: 60_000, submitted: 4, succeeded: 3 }
      ]
    })
  })

  test("of nothing have no rate of success", () => {
    expect(statsOf([], [], 0)).not.toHaveProperty("successRate")
  })
})
