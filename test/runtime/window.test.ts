import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import { add, giveBack, goneAt, live, room, roomAfter, used, type Window } from "../../runtime/window.ts"
import { it } from "../support/effect.ts"
import { forAll } from "../support/property.ts"

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const start = 1_900_000_000_000

/** How much longer than it must a use may count. */
const slack = (perMs: number) => Math.max(1, perMs / 20)

/** Attempts to use all there is room for, up to `want` times `amount`, at times that are some hundredths of the window apart. */
const Uses = Schema.Struct({
  perMs: whole(1, 5_000),
  count: whole(1, 30),
  steps: Schema.Array(
    Schema.Struct({ hundredths: whole(0, 60), amount: whole(1, 5), want: whole(1, 20) })
  ).check(Schema.isMinLength(5), Schema.isMaxLength(40))
})

/** Uses what there is room for, and keeps a plain log of it. */
const usesOf = ({ count, perMs, steps }: typeof Uses.Type) => {
  let window = live(undefined, perMs, start)
  let now = start
  const log: Array<{ readonly at: number; readonly amount: number }> = []
  const refused: Array<{ readonly at: number; readonly amount: number }> = []
  const loggedSince = (from: number, to: number) =>
    log.filter(({ at }) => at > from && at <= to).reduce((sum, { amount }) => sum + amount, 0)
  for (const { amount, hundredths, want } of steps) {
    now += Math.round((hundredths * perMs) / 100)
    window = live(window, perMs, now)
    const uses = Math.min(want, room(window, count, amount))
    window = add(window, now, uses * amount)
    log.push({ at: now, amount: uses * amount })
    if (uses < want) refused.push({ at: now, amount })
    expect(window.buckets.length).toBeLessThanOrEqual(41)
  }
  return { log, refused, loggedSince, window, now }
}

describe("a sliding window, held to a plain log of what was used", () => {
  it.effect("never lets more than `count` be used in any `perMs`", () =>
    forAll(Uses, (uses) => {
      const { log, loggedSince } = usesOf(uses)

      for (const { at } of log) expect(loggedSince(at - uses.perMs, at)).toBeLessThanOrEqual(uses.count)
    })
  )

  it.effect("refuses only what would be too much if the window were a bucket longer", () =>
    forAll(Uses, (uses) => {
      const { loggedSince, refused } = usesOf(uses)

      for (const { amount, at } of refused)
        expect(loggedSince(at - uses.perMs - slack(uses.perMs), at) + amount).toBeGreaterThan(uses.count)
    })
  )

  it.effect("says exactly when there will be room, if nothing else is used", () =>
    forAll(Uses, (uses) => {
      const { now, window } = usesOf(uses)
      const amount = Math.min(uses.count, 3)
      const after = roomAfter(window, uses.count, amount, now)
      const roomAt = (at: number) => room(live(window, uses.perMs, at), uses.count, amount)

      expect(roomAt(now + after)).toBeGreaterThan(0)
      if (after > 0) expect(roomAt(now + after - 1)).toBe(0)
    })
  )

  it.effect("counts a use for its whole time, and is gone a bucket after it", () =>
    forAll(Schema.Struct({ perMs: whole(1, 100_000), at: whole(0, 100_000) }), ({ at, perMs }) => {
      const window = add(live(undefined, perMs, start + at), start + at, 7)

      expect(used(live(window, perMs, start + at + perMs))).toBe(7)
      expect(goneAt(window)).toBeLessThanOrEqual(start + at + perMs + slack(perMs))
      expect(used(live(window, perMs, goneAt(window) - 1))).toBe(7)
      expect(live(window, perMs, goneAt(window)).buckets).toEqual([])
    })
  )
})

describe("a window", () => {
  const of = (...uses: ReadonlyArray<readonly [at: number, amount: number]>) =>
    uses.reduce<Window>(
      (window, [at, amount]) => add(live(window, 1_000, start + at), start + at, amount),
      live(undefined, 1_000, start)
    )

  test("takes back what was not used where it was counted", () => {
    const window = giveBack(of([0, 5], [500, 3]), start, 4)

    expect(used(window)).toBe(4)
    expect(used(live(window, 1_000, start + 1_400))).toBe(3)
  })

  test("takes nothing back from others once the use does not count any more", () => {
    const window = live(of([0, 5], [900, 3]), 1_000, start + 1_200)

    expect(used(giveBack(window, start, 5))).toBe(3)
  })

  test("has room for any number of uses that take nothing, and for none where nothing is allowed", () => {
    expect(room(of([0, 5]), 5, 0)).toBe(Infinity)
    expect(room(of(), 0, 1)).toBe(0)
    expect(roomAfter(of(), 0, 1, start)).toBe(1_000)
  })

  test("forgets nothing early, and keeps nothing for good, however often its length changes", () => {
    let window = of([0, 5])
    for (let at = 0; at <= 1_000; at += 10) {
      window = live(window, at % 20 === 0 ? 1_400 : 1_000, start + at)
      expect(used(window)).toBe(5)
    }
    expect(used(live(window, 1_400, start + 1_528))).toBe(0)
  })

  test("counts as of now what a clock that was ahead has counted", () => {
    const window = of([3_600_000, 5])

    expect(live(window, 1_000, start).buckets).toEqual(of([0, 5]).buckets)
  })
})
