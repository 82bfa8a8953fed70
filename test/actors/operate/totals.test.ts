/** Counters that only grow, made of counts of minutes that come and go. */
import { describe, expect, test } from "bun:test"
import { distributionOf, Totals } from "../../../actors/operate/totals.ts"

const minute = (at: number, submitted: number) => ({ at: at * 60_000, counts: { submitted } })

describe("totals", () => {
  test("begin with what is new since they were read first, and count each task once", () => {
    const totals = new Totals()
    const read = (...minutes: ReadonlyArray<ReturnType<typeof minute>>) => {
      totals.take(new Map([["default.0", minutes]]), ["default.0"])
      return totals.of("default.0")["submitted"]
    }
    expect(read(minute(1, 40), minute(2, 2))).toBe(0)
    expect(read(minute(1, 40), minute(2, 2))).toBe(0)
    expect(read(minute(1, 40), minute(2, 5))).toBe(3)
    expect(read(minute(2, 5), minute(3, 4))).toBe(7)
    // A minute that is gone takes nothing away, and a store that was emptied neither.
    expect(read(minute(3, 4))).toBe(7)
    expect(read(minute(3, 1))).toBe(7)
    expect(read()).toBe(7)
  })

  test("of a queue that is new count all of it", () => {
    const totals = new Totals()
    totals.take(new Map(), [])
    totals.take(new Map([["new.0", [minute(1, 3)]]]), ["new.0"])
    expect(totals.of("new.0")).toEqual({ submitted: 3 })
    expect(totals.of("other.0")).toEqual({})
  })

  test("of a queue that is gone are forgotten, and of one that was not read are kept", () => {
    const totals = new Totals()
    totals.take(new Map(), [])
    totals.take(
      new Map([
        ["a.0", [minute(1, 3)]],
        ["b.0", [minute(1, 4)]]
      ]),
      ["a.0", "b.0"]
    )
    totals.take(new Map(), ["b.0"])
    expect(totals.of("a.0")).toEqual({})
    expect(totals.of("b.0")).toEqual({ submitted: 4 })
  })
})

test("a histogram is cumulated in seconds, and what lies over its last bound is in its count alone", () => {
  const { buckets, count, sum } = distributionOf(
    { "run:1": 2, "run:50": 1, "run:86400000": 1, "wait:5": 9, runUs: 90_000_052_000 },
    "run"
  )
  expect(buckets[0]).toEqual([0.001, 2])
  expect(buckets.find(([bound]) => bound === 0.02)).toEqual([0.02, 2])
  expect(buckets.find(([bound]) => bound === 0.05)).toEqual([0.05, 3])
  expect(buckets.at(-1)).toEqual([3_600, 3])
  expect(count).toBe(4)
  expect(sum).toBeCloseTo(90_000.052)
})
