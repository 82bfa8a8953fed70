/** What limits promise, in sentences. Each runs in a namespace of its own, on a clock that it moves itself. */
import { describe, expect } from "bun:test"
import { type Duration, Effect, type Layer, type Scope } from "effect"
import { type LimitRequest, Limits, placePollMs, type Used } from "../../runtime/limits.ts"
import { it } from "../support/effect.ts"
import type { LimitsUnderTest } from "../support/limits.ts"
import { startOfTime, TestTime } from "../support/time.ts"

export const leaseMs = 15_000

export const take = (want: number, ...limits: ReadonlyArray<LimitRequest>) => takeAs("w", want, ...limits)

export const takeAs = (worker: string, want: number, ...limits: ReadonlyArray<LimitRequest>) =>
  Limits.use((service) =>
    Effect.map(service.take(worker, [{ limits, want }], leaseMs), ([granted]) => granted!)
  )

export const settle = (...used: ReadonlyArray<Used>) => Limits.use((service) => service.settle(used))

const renew = (permits: ReadonlyArray<string>) => Limits.use((service) => service.renew(permits, leaseMs))

export const cool = (name: string, forMs: number) => Limits.use((service) => service.cool(name, forMs))

const stateOf = (name: string) =>
  Effect.map(
    Limits.use((service) => service.states([name])),
    ([state]) => state!
  )

const advance = (by: Duration.Input) => TestTime.use((time) => time.advance(by))

/** `count` in a second, each permit taking `amount`. */
const rated = (name: string, count: number, amount = 1): LimitRequest => ({
  name,
  rate: { count, perMs: 1_000, amount }
})

const atOnce = (name: string, concurrency: number): LimitRequest => ({ name, concurrency })

export const limitsSuite = (name: string, limits: () => Layer.Layer<LimitsUnderTest>) => {
  const promise = <Step extends Effect.Effect<unknown, unknown, LimitsUnderTest | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Step, void, never>
  ) =>
    it.live(
      sentence,
      () => Effect.gen(body).pipe(Effect.provide(limits())) as Effect.Effect<void, unknown, Scope.Scope>
    )

  describe(`a rate, in ${name}`, () => {
    promise("grants no more than it allows, and says when there is more", function* () {
      const first = yield* take(2, rated("api", 3))
      const second = yield* take(2, rated("api", 3))

      expect(first.permits).toHaveLength(2)
      expect(first.retryAfterMs).toBeUndefined()
      expect(second.permits).toHaveLength(1)
      const wait = second.retryAfterMs!
      expect(wait).toBeGreaterThan(1_000 - 1)
      expect(wait).toBeLessThanOrEqual(1_050)
      yield* advance(wait - 1)
      expect((yield* take(1, rated("api", 3))).permits).toHaveLength(0)
      yield* advance(1)
      expect((yield* take(5, rated("api", 3))).permits).toHaveLength(3)
    })

    promise("counts what each permit takes", function* () {
      expect((yield* take(9, rated("tokens", 10, 4))).permits).toHaveLength(2)
      expect((yield* stateOf("tokens")).used).toBe(8)
      expect((yield* take(9, rated("tokens", 10, 2))).permits).toHaveLength(1)
    })

    promise("lets a run that takes more than all there is have all of it", function* () {
      expect((yield* take(2, rated("tokens", 10, 99))).permits).toHaveLength(1)
      expect((yield* stateOf("tokens")).used).toBe(10)
    })

    promise("goes on counting what ended runs have used", function* () {
      const { permits } = yield* take(3, rated("api", 3))
      yield* settle(...permits.map((permit) => ({ permit })))

      expect(yield* stateOf("api")).toEqual({ name: "api", used: 3, running: 0 })
      expect((yield* take(1, rated("api", 3))).permits).toHaveLength(0)
    })

    promise("takes back what was never used", function* () {
      const { permits } = yield* take(3, rated("api", 3))
      yield* settle({ permit: permits[0]!, unused: true })

      expect((yield* take(3, rated("api", 3))).permits).toHaveLength(1)
    })

    promise("is corrected by what a run has really used, less or more", function* () {
      const [less, more] = (yield* take(2, rated("tokens", 100, 10))).permits
      yield* settle({ permit: less!, actual: { tokens: 3 } }, { permit: more!, actual: { tokens: 50.5 } })

      expect((yield* stateOf("tokens")).used).toBe(3 + 51)
    })

    promise("counts what a run has used beyond its amount from when that is known", function* () {
      const [permit] = (yield* take(1, rated("tokens", 100, 10))).permits
      yield* advance(5_000)
      expect((yield* stateOf("tokens")).used).toBe(0)
      yield* settle({ permit: permit!, actual: { tokens: 110 } })

      expect((yield* stateOf("tokens")).used).toBe(100)
      expect((yield* take(1, rated("tokens", 100, 1))).permits).toHaveLength(0)
      yield* advance(1_100)
      expect((yield* take(1, rated("tokens", 100, 1))).permits).toHaveLength(1)
    })

    promise("is corrected once, however often it is said", function* () {
      const [permit] = (yield* take(1, rated("tokens", 100, 10))).permits
      yield* take(1, rated("tokens", 100, 10))
      for (let time = 0; time < 3; time++) yield* settle({ permit: permit!, unused: true })
      yield* settle({ permit: permit!, actual: { tokens: 50 } })

      expect((yield* stateOf("tokens")).used).toBe(10)
    })

    promise("is what the newest call says", function* () {
      yield* take(3, rated("api", 3))

      expect((yield* take(9, rated("api", 5))).permits).toHaveLength(2)
      yield* advance(500)
      expect(
        (yield* take(9, { name: "api", rate: { count: 6, perMs: 400, amount: 1 } })).permits
      ).toHaveLength(6)
    })
  })

  describe(`amounts that differ, in ${name}`, () => {
    const small = rated("tokens", 10, 1)
    const large = rated("tokens", 10, 8)

    promise("have their turn: a large one is first when it has waited for a window", function* () {
      let smallGranted = 0
      const pass = Effect.fnUntraced(function* () {
        yield* advance(100)
        smallGranted += (yield* take(5, small)).permits.length
      })
      for (let time = 0; time < 10; time++) yield* pass()
      expect((yield* take(1, large)).permits).toHaveLength(0)
      smallGranted = 0
      for (let time = 1; time < 10; time++) {
        yield* pass()
        expect((yield* take(1, large)).permits).toHaveLength(0)
      }
      expect(smallGranted).toBeGreaterThan(2)

      let passes = 0
      while ((yield* take(1, large)).permits.length === 0 && passes++ < 20) yield* pass()

      // All that was granted until then goes within a window.
      expect(passes).toBeLessThanOrEqual(12)
      smallGranted = 0
      for (let time = 0; time < 11; time++) yield* pass()
      expect(smallGranted).toBeGreaterThan(2)
    })

    promise("are not held back for one that asks no more", function* () {
      yield* take(10, small)
      yield* take(1, large)
      yield* advance(7_999)
      expect((yield* take(1, small)).permits).toHaveLength(0)

      yield* advance(1)

      expect((yield* take(1, small)).permits).toHaveLength(1)
    })

    promise("are not held back for one that something else keeps waiting", function* () {
      yield* take(10, small)
      yield* take(1, large)
      yield* take(1, atOnce("db", 1))
      yield* advance(900)
      yield* take(1, large, atOnce("db", 1))
      yield* advance(200)

      expect((yield* take(1, small)).permits).toHaveLength(1)
    })
  })

  describe(`a number at once, in ${name}`, () => {
    promise("grants no more permits than may be out, until one has ended", function* () {
      const { permits, retryAfterMs } = yield* take(5, atOnce("db", 2))
      expect(permits).toHaveLength(2)
      expect(retryAfterMs).toBe(placePollMs)
      expect((yield* take(1, atOnce("db", 2))).permits).toHaveLength(0)

      yield* settle({ permit: permits[0]! })

      expect((yield* take(5, atOnce("db", 2))).permits).toHaveLength(1)
      expect((yield* stateOf("db")).running).toBe(2)
    })

    promise("ends a permit once, however often it is said", function* () {
      const { permits } = yield* take(1, atOnce("db", 1))
      yield* settle({ permit: permits[0]! }, { permit: permits[0]! })
      yield* take(1, atOnce("db", 1))
      yield* settle({ permit: permits[0]! })

      expect((yield* take(1, atOnce("db", 1))).permits).toHaveLength(0)
    })

    promise("gets a dead worker's permits back when its lease ends, and not before", function* () {
      yield* takeAs("dead", 2, atOnce("db", 2))
      yield* advance(leaseMs - 100)
      const early = yield* take(2, atOnce("db", 2))
      expect(early).toEqual({ permits: [], retryAfterMs: 100 })

      yield* advance(100)

      expect((yield* take(2, atOnce("db", 2))).permits).toHaveLength(2)
    })

    promise(
      "leaves a place alone whose lease ran out where nobody judges, until its run renews it",
      function* () {
        const { permits } = yield* take(1, atOnce("db", 1))
        const asked = Limits.use((limits) =>
          limits.take("v", [{ limits: [atOnce("db", 1)], want: 1 }], leaseMs, false)
        )
        yield* advance(60 * leaseMs)

        expect(yield* asked).toEqual([{ permits: [], retryAfterMs: placePollMs }])
        yield* renew(permits)

        expect((yield* take(1, atOnce("db", 1))).permits).toHaveLength(0)
        expect((yield* stateOf("db")).running).toBe(1)
      }
    )

    promise("renews no place that somebody else has since", function* () {
      const { permits } = yield* take(1, atOnce("db", 1))
      yield* advance(leaseMs)
      const other = yield* take(1, atOnce("db", 1))
      expect(other.permits).toHaveLength(1)

      yield* renew(permits)
      yield* settle({ permit: permits[0]! })

      expect((yield* stateOf("db")).running).toBe(1)
    })

    promise("keeps permits out as long as they are renewed", function* () {
      const [renewed, forgotten] = (yield* take(2, atOnce("db", 2))).permits
      for (let time = 0; time < 3; time++) {
        yield* advance(leaseMs / 2)
        yield* renew([renewed!])
      }
      expect((yield* take(2, atOnce("db", 2))).permits).toHaveLength(1)

      yield* renew([forgotten!])

      expect((yield* stateOf("db")).running).toBe(2)
    })
  })

  describe(`several asks of one call, in ${name}`, () => {
    promise("are answered in their order, each after what those before it have taken", function* () {
      const db = atOnce("db", 3)
      const asks = [
        { limits: [rated("api", 4), db], want: 2 },
        { limits: [db], want: 2 },
        { limits: [rated("api", 4)], want: 3 },
        { limits: [rated("other", 1)], want: 1 }
      ]

      const granted = yield* Limits.use((service) => service.take("w", asks, leaseMs))

      expect(granted.map(({ permits }) => permits.length)).toEqual([2, 1, 2, 1])
      expect(granted.map(({ retryAfterMs }) => retryAfterMs === undefined)).toEqual([
        true,
        false,
        false,
        true
      ])
      const all = granted.flatMap(({ permits }) => permits)
      expect(new Set(all.map((permit) => permit.split(" ")[0])).size).toBe(all.length)
      yield* settle(...all.map((permit) => ({ permit, unused: true })))
      expect([yield* stateOf("api"), yield* stateOf("db")]).toMatchObject([{ used: 0 }, { running: 0 }])
    })
  })

  describe(`several limits, in ${name}`, () => {
    promise("are granted together or not at all", function* () {
      const { permits } = yield* take(5, atOnce("db", 2), rated("api", 3))
      expect(permits).toHaveLength(2)
      expect((yield* stateOf("api")).used).toBe(2)

      expect((yield* take(5, atOnce("db", 2), rated("api", 3))).permits).toHaveLength(0)
      expect((yield* stateOf("api")).used).toBe(2)
      yield* settle(...permits.map((permit) => ({ permit })))
      expect((yield* take(5, atOnce("db", 2), rated("api", 3))).permits).toHaveLength(1)
    })

    promise("say when the scarcest of them may grant next", function* () {
      const { retryAfterMs } = yield* take(5, atOnce("db", 2), rated("api", 2), rated("other", 100))

      expect(retryAfterMs).toBeGreaterThanOrEqual(1_000)
    })

    promise("are all given back by one permit", function* () {
      const { permits } = yield* take(2, atOnce("db", 2), rated("api", 2))
      yield* settle(...permits.map((permit) => ({ permit, unused: true })))

      expect(yield* stateOf("db")).toEqual({ name: "db", used: 0, running: 0 })
      expect(yield* stateOf("api")).toEqual({ name: "api", used: 0, running: 0 })
    })

    promise("grant everything where there are none", function* () {
      const { permits, retryAfterMs } = yield* take(3)

      expect(new Set(permits).size).toBe(3)
      expect(retryAfterMs).toBeUndefined()
      yield* settle({ permit: permits[0]! })
    })

    promise("hand out thousands of permits at once, and take them back at once", function* () {
      const { permits } = yield* take(9_000, atOnce("wide", 10_000))
      yield* renew(permits)
      expect((yield* stateOf("wide")).running).toBe(9_000)

      yield* settle(...permits.map((permit) => ({ permit })))

      expect((yield* stateOf("wide")).running).toBe(0)
    })
  })

  describe(`a pause, in ${name}`, () => {
    promise("stops only its limit, until it is over", function* () {
      yield* cool("api", 10_000)

      expect(yield* take(1, rated("api", 5))).toEqual({ permits: [], retryAfterMs: 10_000 })
      expect((yield* take(1, rated("other", 5))).permits).toHaveLength(1)
      expect((yield* stateOf("api")).coolsUntil).toBe(startOfTime + 10_000)
      yield* advance(10_000)
      expect((yield* take(1, rated("api", 5))).permits).toHaveLength(1)
      expect((yield* stateOf("api")).coolsUntil).toBeUndefined()
    })

    promise("is not cut short by a shorter one", function* () {
      yield* cool("api", 10_000)
      yield* cool("api", 1_000)

      expect((yield* take(1, atOnce("api", 5))).retryAfterMs).toBe(10_000)
    })

    promise("lasts a day at most", function* () {
      yield* cool("api", Number.POSITIVE_INFINITY)
      yield* cool("api", Number.NaN)

      expect((yield* stateOf("api")).coolsUntil).toBe(startOfTime + 86_400_000)
    })

    promise("leaves what was used as it was", function* () {
      yield* take(3, rated("api", 3))
      yield* cool("api", 10)
      yield* advance(10)

      expect((yield* stateOf("api")).used).toBe(3)
      expect((yield* take(1, rated("api", 3))).permits).toHaveLength(0)
    })
  })
}
