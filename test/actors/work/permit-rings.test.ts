import { describe, expect, test } from "bun:test"
import { Ring, Rings } from "../../../actors/work/permit-rings.ts"

/** A ring with so many permits at hand, of so many that were wanted; they take up places unless it is said otherwise. */
const ringWith = (rings: Rings, name: string, permits: number, wanted = permits, hasPlaces = true) => {
  const ring = rings.of(name)
  ring.asked(hasPlaces)
  ring.answered()
  ring.granted(
    Array.from({ length: permits }, (_, at) => `${name}${ring.idle.length + at}`),
    wanted,
    200
  )
  return ring
}

describe("the permits of rings", () => {
  test("that a turn has not claimed are told from those of another turn on its way", () => {
    const rings = new Rings()
    ringWith(rings, "a", 2)
    const first = rings.have()
    ringWith(rings, "a", 2)
    const second = rings.have()
    expect(rings.claimed("a")).toBe("a0")

    rings.turned(first)

    expect(rings.have()).toEqual([["a", 1]])
    expect(rings.claimed("a")).toBe("a2")
    rings.turned(second)
    expect(rings.have()).toEqual([["a", 1]])
  })

  test("ride with those of the ring first that was longest without a run", () => {
    const rings = new Rings()
    for (const name of ["a", "b", "c"]) ringWith(rings, name, 2)
    const ridden = rings.have()
    for (const name of ["b", "a"]) rings.claimed(name)
    rings.turned(ridden)

    expect(rings.have().map(([name]) => name)).toEqual(["c", "b", "a"])
  })

  test("go back when they were kept long enough, and not while they ride", () => {
    const rings = new Rings()
    ringWith(rings, "a", 1)
    expect(rings.nextOldMono()).toBe(200)
    expect(rings.takeOld(199)).toEqual([])
    const ridden = rings.have()
    expect(rings.takeOld(200)).toEqual([])

    rings.turned(ridden)

    expect(rings.takeOld(200)).toEqual([["a0", "a"]])
    expect(rings.nextOldMono()).toBeUndefined()
  })
})

describe("a ring", () => {
  test("wants what it has not got yet; what takes up no place also for what runs next", () => {
    const rings = new Rings()
    ringWith(rings, "places", 2)
    ringWith(rings, "rate", 2, 2, false)
    rings.have()

    expect(rings.of("places").wants(3, 9, 0)).toBe(1)
    expect(rings.of("rate").wants(3, 9, 0)).toBe(7)
  })

  test("whose limits have nothing is deferred once, and again when it is named all the same", () => {
    const ring = new Ring()
    ring.rest(500, true)
    expect([ring.defer(100), ring.defer(100)]).toEqual([400, undefined])

    ring.named()

    expect(ring.defer(200)).toBe(300)
    expect(ring.wants(1, 1, 500)).toBe(1)
  })

  test("rests after a call without an answer, and nobody is told", () => {
    const ring = new Ring()
    ring.rest(500, false)

    expect(ring.defer(499)).toBeUndefined()
    ring.named()
    expect(ring.defer(499)).toBeUndefined()
  })

  test("gives a place that came free to its next run, for a second from when more were wanted", () => {
    const rings = new Rings()
    rings.of("a").wants(9, 9, 0)
    const hungry = ringWith(rings, "a", 2, 9)
    const sated = ringWith(rings, "b", 2, 2)

    expect([hungry.freed(1, 999), hungry.freed(1, 1_000), sated.freed(1, 0)]).toEqual([
      1,
      undefined,
      undefined
    ])
  })

  test("whose limits had nothing is worth asking for again once something of it was given back", () => {
    const ring = new Ring()
    ring.rest(500, true)
    expect(ring.reopens(100)).toBeUndefined()
    ring.returned()
    ring.returned()

    expect(ring.reopens(100)).toBe(2)

    expect(ring.rests(100)).toBe(false)
    expect(ring.defer(100)).toBeUndefined()
  })
})
