import { describe, expect, test } from "bun:test"
import {
  decide,
  firedAtOnce,
  lateAfterMs,
  missedPolicies,
  missedRunsMax,
  overlapPolicies,
  type Standing
} from "../../../actors/schedule/due.ts"
import type { Rule } from "../../../actors/schedule/rule.ts"

const hour = 3_600_000
const rule: Rule = { kind: "every", everyMs: hour, anchor: 0 }

const standing = (over: Partial<Standing> = {}): Standing => ({
  rule,
  missed: "run-once",
  overlap: "allow",
  slot: 10 * hour,
  waiting: undefined,
  lives: false,
  ...over
})

const fired = (over: Partial<Standing>, now: number) =>
  decide(standing(over), now).fire.map(({ slot }) => slot)

describe("a slot that has come", () => {
  for (const missed of missedPolicies) {
    test(`is fired in time, whatever is done about missed ones (${missed})`, () => {
      const decision = decide(standing({ missed }), 10 * hour + lateAfterMs)
      expect(decision).toEqual({
        fire: [{ slot: 10 * hour }],
        passed: [],
        waiting: undefined,
        cancel: false,
        slot: 11 * hour
      })
    })
  }

  test("is not fired a millisecond early", () => {
    expect(decide(standing(), 10 * hour - 1)).toMatchObject({ fire: [], passed: [], slot: 10 * hour })
  })

  test("is not fired again when the clock goes back", () => {
    const { slot } = decide(standing(), 10 * hour)
    expect(fired({ slot }, 10 * hour)).toEqual([])
    expect(fired({ slot }, 9 * hour)).toEqual([])
  })
})

describe("slots that nobody could fire in time", () => {
  /** Between two slots, hours after the one that is due. */
  const late = 14 * hour + hour / 2

  test("are passed over by skip, and named", () => {
    expect(decide(standing({ missed: "skip" }), late)).toMatchObject({
      fire: [],
      passed: [{ why: "missed", from: 10 * hour, to: 14 * hour }],
      slot: 15 * hour
    })
  })

  test("are run once by run-once, as the last of them", () => {
    expect(decide(standing({ missed: "run-once" }), late)).toMatchObject({
      fire: [{ slot: 14 * hour }],
      passed: [{ why: "missed", from: 10 * hour, to: 13 * hour }],
      slot: 15 * hour
    })
  })

  test("are stood for by one that is in time", () => {
    for (const missed of ["skip", "run-once"] as const) {
      expect(decide(standing({ missed }), 14 * hour + 5)).toMatchObject({
        fire: [{ slot: 14 * hour }],
        passed: [{ why: "missed", from: 10 * hour, to: 13 * hour }]
      })
    }
  })

  test("are all run by run-all, in their order", () => {
    expect(fired({ missed: "run-all" }, late)).toEqual([10, 11, 12, 13, 14].map((at) => at * hour))
  })

  test("are run by run-all up to a bound, the newest of them, some at a time", () => {
    const now = (10 + 3 * missedRunsMax) * hour + 1
    const runs: Array<number> = []
    let slot: number | undefined = 10 * hour
    let looks = 0
    const passed: Array<unknown> = []
    while (slot !== undefined && slot <= now) {
      const decision = decide(standing({ missed: "run-all", slot }), now)
      expect(decision.fire.length).toBeLessThanOrEqual(firedAtOnce)
      runs.push(...decision.fire.map(({ slot }) => slot))
      passed.push(...decision.passed)
      slot = decision.slot
      looks += 1
    }
    expect(looks).toBe(missedRunsMax / firedAtOnce)
    const first = 10 + 2 * missedRunsMax + 1
    expect(runs).toEqual(Array.from({ length: missedRunsMax }, (_, at) => (first + at) * hour))
    expect(passed).toEqual([{ why: "missed", from: 10 * hour, to: (first - 1) * hour }])
  })

  test("of a single time are run late, unless they are to be skipped", () => {
    const once: Rule = { kind: "at", at: hour }
    expect(decide(standing({ rule: once, slot: hour }), 9 * hour)).toMatchObject({
      fire: [{ slot: hour }],
      slot: undefined
    })
    expect(decide(standing({ rule: once, slot: hour, missed: "skip" }), 9 * hour)).toMatchObject({
      fire: [],
      passed: [{ why: "missed", from: hour, to: hour }],
      slot: undefined
    })
  })
})

describe("a slot that comes while an earlier run has not ended", () => {
  const now = 10 * hour
  const slot = { slot: now }
  const over = { why: "overlap", from: now, to: now }

  test("is fired beside it by allow", () => {
    expect(decide(standing({ overlap: "allow", lives: true }), now)).toMatchObject({
      fire: [slot],
      cancel: false
    })
  })

  test("is passed over by skip", () => {
    expect(decide(standing({ overlap: "skip", lives: true }), now)).toMatchObject({
      fire: [],
      passed: [over],
      slot: 11 * hour
    })
  })

  test("waits by queue, and the ones after it are passed over", () => {
    const first = decide(standing({ overlap: "queue", lives: true }), now)
    expect(first).toMatchObject({ fire: [], waiting: slot, passed: [] })

    const { slot: next, waiting } = first
    expect(decide(standing({ overlap: "queue", lives: true, slot: next, waiting }), 11 * hour)).toMatchObject(
      {
        fire: [],
        waiting: slot,
        passed: [{ why: "overlap", from: 11 * hour, to: 11 * hour }]
      }
    )
    expect(decide(standing({ overlap: "queue", slot: next, waiting }), now + 1_000)).toMatchObject({
      fire: [slot],
      waiting: undefined,
      slot: 11 * hour
    })
  })

  test("takes its place by cancel", () => {
    expect(decide(standing({ overlap: "cancel", lives: true }), now)).toMatchObject({
      fire: [slot],
      cancel: true
    })
  })

  for (const overlap of overlapPolicies) {
    test(`is fired as any when that has ended (${overlap})`, () => {
      expect(decide(standing({ overlap }), now)).toMatchObject({ fire: [slot], cancel: false, passed: [] })
    })
  }

  test("never makes two of several missed ones run at once, unless they may", () => {
    const late = 12 * hour + hour / 2
    const runs = (overlap: Standing["overlap"]) => decide(standing({ missed: "run-all", overlap }), late)
    expect(runs("allow").fire).toHaveLength(3)
    expect(runs("skip")).toMatchObject({
      fire: [{ slot: 10 * hour }],
      passed: [{ from: 11 * hour }, { from: 12 * hour }]
    })
    expect(runs("queue")).toMatchObject({
      fire: [{ slot: 10 * hour }],
      waiting: { slot: 11 * hour },
      passed: [{ from: 12 * hour }]
    })
    expect(runs("cancel")).toMatchObject({
      fire: [{ slot: 12 * hour }],
      passed: [{ from: 10 * hour }, { from: 11 * hour }]
    })
  })
})
