/** How many tasks the turns of a worker ask for. */
import { describe, expect, test } from "bun:test"
import { Demand } from "../../../actors/work/demand.ts"

const opened = (places: number) => {
  const now = { held: 0, owed: 0, swift: false }
  const demand = new Demand({
    places,
    held: () => now.held,
    owed: () => now.owed,
    isSwift: () => now.swift
  })
  /** Takes a turn, whose answer brings so many. */
  const turn = (gave: number) => {
    const want = demand.next(false)
    demand.asked(want)
    demand.answered(want)
    demand.gave(want, gave)
    demand.took(gave)
    return want
  }
  return { demand, now, turn }
}

describe("what turns ask for", () => {
  test("is half of the places each, so that two turns on their way claim no more than can run", () => {
    const { demand, turn } = opened(9)
    expect(turn(5)).toBe(5)
    expect(demand.mayClaim).toBe(true)
    demand.asked(demand.next(false))
    expect(demand.next(false)).toBe(4)
    demand.asked(demand.next(false))
    expect(demand.free).toBe(0)
    expect(demand.mayClaim).toBe(false)
  })

  test("is all places each where runs end before the next answer", () => {
    const { demand, now } = opened(100)
    now.swift = true
    demand.asked(demand.next(false))
    expect(demand.next(false)).toBe(100)
    now.owed = 1
    expect(demand.next(false)).toBe(99)
  })

  test("is for free places alone where limits have granted them", () => {
    const { demand, now } = opened(100)
    now.swift = true
    now.held = 90
    expect(demand.next(true)).toBe(10)
    now.held = 100
    expect(demand.next(true)).toBe(0)
  })

  test("is never more than a script goes through in 5 ms", () => {
    const { demand } = opened(10_000)
    expect(demand.next(false)).toBe(250)
  })

  test("leaves out what runs, what was asked for, and what was handed over", () => {
    const { demand, now } = opened(10)
    now.held = 3
    now.owed = 2
    demand.asked(1)
    expect(demand.free).toBe(4)
    expect(demand.next(false)).toBe(4)
    demand.answered(1)
    expect(demand.free).toBe(5)
  })

  test("is nothing once the lanes gave less, until something wakes it; then one turn looks first", () => {
    const { demand, turn } = opened(10)
    turn(3)
    expect(demand.isSated).toBe(true)
    expect(demand.mayClaim).toBe(false)

    demand.wake()
    expect(demand.mayClaim).toBe(true)
    demand.asked(demand.next(false))
    expect(demand.isClaiming).toBe(true)
    expect(demand.mayClaim).toBe(false)
  })

  test("goes on by two turns while the lanes give all that is asked for", () => {
    const { demand, turn } = opened(10)
    turn(5)
    demand.asked(demand.next(false))
    expect(demand.mayClaim).toBe(true)
  })

  test("is not judged by a turn that asked for nothing", () => {
    const { demand, turn } = opened(10)
    turn(3)
    demand.asked(0)
    expect(demand.isClaiming).toBe(false)
    demand.answered(0)
    demand.gave(0, 0)
    expect(demand.isSated).toBe(true)
  })

  test("leaves half of the places to limited tasks that wait for permits, and every other single one", () => {
    const { demand, now, turn } = opened(8)
    turn(4)
    demand.limited(100)
    demand.keep()
    demand.keep()
    expect([demand.next(false), demand.next(true), demand.keeps]).toEqual([2, 4, true])
    demand.keptEnough()
    now.held = 7

    const singles = [1, 2, 3, 4].map(() => {
      demand.keep()
      const left = demand.next(false)
      demand.keptEnough()
      return left
    })

    expect(singles).toEqual([1, 0, 1, 0])
  })

  test("keeps no place from the lanes where these had nothing, or nobody knows", () => {
    const { demand, turn } = opened(8)
    demand.limited(100)
    demand.keep()
    expect(demand.keeps).toBe(false)
    turn(1)
    demand.gave(4, 4, 4)
    demand.keep()
    expect(demand.keeps).toBe(true)
    demand.keptEnough()

    demand.gave(4, 2, 2)

    demand.keep()
    expect(demand.keeps).toBe(false)
  })

  test("leaves no more places to limited tasks than there are such tasks", () => {
    const { demand, turn } = opened(16)
    turn(8)
    demand.limited(1)
    demand.keep()
    expect(demand.next(false)).toBe(7)
    demand.keptEnough()
    demand.limited(0)
    demand.keep()
    expect(demand.next(false)).toBe(8)
  })

  test("is nothing once it is closed, whatever wakes it", () => {
    const { demand } = opened(10)
    demand.close()
    demand.wake()
    expect(demand.next(false)).toBe(0)
    expect(demand.next(true)).toBe(0)
    expect(demand.mayClaim).toBe(false)
  })

  test("gives one of sixteen to the lower lanes in turn, whichever turn claims it", () => {
    const { demand } = opened(100)
    expect(demand.shares(15)).toEqual([0, 0, 0])
    demand.took(15)
    expect(demand.shares(1)).toEqual([0, 1, 0])
    demand.took(1)
    expect(demand.shares(32)).toEqual([1, 0, 1])
  })
})
