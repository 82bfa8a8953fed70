import { describe, expect } from "bun:test"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { keepMs, openPermits, type Permits } from "../../../actors/work/permits.ts"
import { type LimitRequest, Limits, placePollMs } from "../../../runtime/limits.ts"
import { StoreError } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memoryLimits, redisLimits } from "../../support/limits.ts"
import { TestTime } from "../../support/time.ts"

const leaseMs = 15_000
const perMs = 60_000

/** A rate whose window is shorter than a ring rests at most. */
const briefMs = 10_000

const rings: Record<string, ReadonlyArray<LimitRequest>> = {
  db: [{ name: "db", concurrency: 2 }],
  api: [{ name: "api", rate: { count: 3, perMs, amount: 1 } }],
  brief: [{ name: "brief", rate: { count: 3, perMs: briefMs, amount: 1 } }],
  tokens: [{ name: "tokens", rate: { count: 1_000, perMs, amount: 100 } }],
  "api+db": [
    { name: "api", rate: { count: 3, perMs, amount: 1 } },
    { name: "db", concurrency: 2 }
  ]
}

/** The methods whose calls do not arrive, those whose answers do not, and how often each was called. */
class Line extends Context.Service<
  Line,
  { readonly down: Set<string>; readonly broken: Set<string>; readonly calls: Record<string, number> }
>()("test/Line") {}

/** The limits, over a line that a test can break. */
const overLine = (limits: Layer.Layer<Limits | TestTime>) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const real = yield* Limits
      const line = { down: new Set<string>(), broken: new Set<string>(), calls: {} as Record<string, number> }
      const over =
        <Args extends ReadonlyArray<unknown>, A>(
          name: string,
          method: (...args: Args) => Effect.Effect<A, StoreError>
        ) =>
        (...args: Args) =>
          Effect.suspend(() => {
            line.calls[name] = (line.calls[name] ?? 0) + 1
            const lost = new StoreError({ operation: `Limits.${name}`, cause: "no answer" })
            if (line.down.has(name)) return Effect.fail(lost)
            return Effect.filterOrFail(
              method(...args),
              () => !line.broken.has(name),
              () => lost
            )
          })
      return Context.make(Line, line).pipe(
        Context.add(Limits, {
          ...real,
          take: over("take", real.take),
          settle: over("settle", real.settle),
          renew: over("renew", real.renew)
        })
      )
    })
  ).pipe(Layer.provideMerge(limits))

type Tools = Limits | TestTime | Line

/** How long something may take that should hold at once, in milliseconds: Redis may be busy with others. */
const patienceMs = 10_000

/** Steps until something holds, however the effects on their way are scheduled. */
const until = (holds: Effect.Effect<boolean, StoreError, Limits>) =>
  Effect.gen(function* () {
    const giveUpAt = performance.now() + patienceMs
    while (!(yield* holds)) {
      if (performance.now() > giveUpAt) return yield* Effect.die(new Error("it never came to hold"))
      yield* Effect.yieldNow
    }
  })

const stateOf = (name: string) =>
  Effect.map(
    Limits.use((limits) => limits.states([name])),
    ([state]) => ({ used: state!.used, running: state!.running })
  )

const stands = (name: string, state: { readonly used?: number; readonly running?: number }) =>
  until(Effect.map(stateOf(name), (now) => Bun.deepEquals({ ...now, ...state }, now)))

const advance = (ms: number) =>
  Effect.gen(function* () {
    yield* (yield* TestTime).advance(ms)
    // What wakes up is given its steps.
    for (let step = 0; step < 50; step++) yield* Effect.yieldNow
  })

interface Opened extends Permits {
  /** Wants permits, and waits for the answer. */
  readonly got: (ring: string, count: number) => Effect.Effect<void, StoreError, Limits>
  /** A turn that claims so many runs of a ring. */
  readonly turn: (ring?: string, claims?: number) => ReadonlyArray<string>
  readonly changes: () => number
}

const opened = Effect.fnUntraced(function* (judges: () => boolean) {
  let changes = 0
  const permits = yield* openPermits({
    worker: "w",
    leaseMs,
    judges,
    limitsOf: (ring) => rings[ring],
    onChange: () => {
      changes += 1
    }
  })
  const got: Opened["got"] = (ring, count) =>
    Effect.suspend(() => {
      const before = changes
      permits.want([[ring, count]], count, count)
      return until(Effect.sync(() => changes > before))
    })
  const turn: Opened["turn"] = (ring = "", claims = 0) => {
    const ridden = permits.have()
    const claimed = Array.from({ length: claims }, () => permits.claimed(ring)!)
    permits.turned(ridden)
    return claimed
  }
  return { ...permits, got, turn, changes: () => changes } satisfies Opened
})

const open = opened(() => true)

const promiseOn =
  (limits: () => Layer.Layer<Limits | TestTime>) =>
  <Step extends Effect.Effect<unknown, unknown, Tools | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Step, void, never>
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(body).pipe(Effect.scoped, Effect.provide(overLine(limits()))) as Effect.Effect<
          void,
          unknown
        >
    )

for (const [store, limits] of [
  ["memory", () => memoryLimits],
  ["Redis", () => redisLimits()]
] as const) {
  const promise = promiseOn(limits)

  describe(`the permits of a puller, on ${store}`, () => {
    promise("are taken for work, ride, and are ended with their runs", function* () {
      const permits = yield* open
      yield* permits.got("api+db", 2)
      expect(permits.have()).toEqual([["api+db", 2]])
      expect(permits.have()).toEqual([])
      const [first, second] = [permits.claimed("api+db")!, permits.claimed("api+db")!]
      permits.turned([["api+db", 2]])
      expect(permits.claimed("api+db")).toBeUndefined()
      expect(yield* stateOf("db")).toEqual({ used: 0, running: 2 })

      permits.ended({ permit: first })
      permits.ended({ permit: second, unused: true })

      yield* stands("api", { used: 1 })
    })

    promise("ride with those of the ring first that was longest without a run", function* () {
      const permits = yield* open
      yield* permits.got("api", 2)
      yield* permits.got("tokens", 1)
      expect(permits.turn("api", 1)).toHaveLength(1)

      const ridden = permits.have()

      expect(ridden.map(([ring]) => ring)).toEqual(["tokens", "api"])
      permits.turned(ridden)
    })

    promise("are given back when the scope closes, those of runs too", function* () {
      const scope = yield* Scope.make()
      const permits = yield* Scope.provide(open, scope)
      yield* permits.got("api+db", 1)
      permits.turn("api+db", 1)
      yield* permits.got("api", 2)
      yield* permits.got("tokens", 1)
      permits.have()
      permits.ended({ permit: permits.claimed("tokens")!, actual: { tokens: 300 } })

      yield* Scope.close(scope, Exit.void)

      expect(yield* stateOf("db")).toEqual({ used: 0, running: 0 })
      expect(yield* stateOf("api")).toEqual({ used: 1, running: 0 })
      expect(yield* stateOf("tokens")).toEqual({ used: 300, running: 0 })
    })
  })
}

// From here on time is moved, and on Redis's clock nothing that waits in this process would notice.
const promise = promiseOn(() => memoryLimits)

describe("places whose lease ran out", () => {
  promise("are left alone as long as nobody's lease is judged", function* () {
    let judging = false
    const permits = yield* opened(() => judging)
    yield* Limits.use((limits) => limits.take("another", [{ limits: rings["db"]!, want: 2 }], leaseMs))
    yield* advance(leaseMs)
    yield* permits.got("db", 1)
    expect(permits.have()).toEqual([])
    judging = true
    yield* advance(2 * placePollMs)

    yield* permits.got("db", 1)

    expect(permits.have()).toEqual([["db", 1]])
  })
})

describe("a permit that nothing was claimed for", () => {
  promise("is kept for the next turns, and is given back after a moment", function* () {
    const permits = yield* open
    yield* permits.got("api", 2)
    permits.turn("api", 1)
    yield* advance(199)
    expect(permits.have()).toEqual([["api", 1]])
    permits.turned([["api", 1]])
    expect(yield* stateOf("api")).toEqual({ used: 2, running: 0 })

    yield* advance(1)

    yield* stands("api", { used: 1, running: 0 })
    expect(permits.have()).toEqual([])
  })

  promise("is given back as soon as its turn is over, when that took long", function* () {
    const permits = yield* open
    yield* permits.got("api", 2)
    const ridden = permits.have()
    yield* advance(1_000)
    expect((yield* stateOf("api")).used).toBe(2)

    permits.turned(ridden)

    yield* stands("api", { used: 0, running: 0 })
  })
})

describe("a ring whose limits have nothing left", () => {
  promise("is deferred once, for as long as they say", function* () {
    const permits = yield* open
    yield* permits.got("brief", 9)

    const [[ring, afterMs] = []] = permits.deferred()

    expect(ring).toBe("brief")
    expect(afterMs).toBeGreaterThan(briefMs - 1)
    expect(afterMs).toBeLessThanOrEqual(briefMs * 1.06)
    expect(permits.deferred()).toEqual([])
  })

  promise("is looked at every quarter of a minute: others may have given something back", function* () {
    const permits = yield* open
    yield* permits.got("api", 9)

    expect(permits.deferred()).toEqual([["api", 15_000]])
  })

  promise("is asked for again at once when something of it was given back", function* () {
    const permits = yield* open
    const { calls } = yield* Line
    yield* permits.got("api", 3)
    const claimed = permits.turn("api", 3)
    yield* permits.got("api", 2)
    expect(permits.have()).toEqual([])
    expect(permits.deferred()).toHaveLength(1)

    // Two of the three had not begun, and went back.
    for (const permit of claimed.slice(1)) permits.ended({ permit, unused: true })

    yield* until(Effect.sync(() => calls["take"] === 3))
    yield* stands("api", { used: 3 })
    yield* until(Effect.sync(() => permits.out().length === 3))
    expect(permits.have()).toEqual([["api", 2]])
    expect(permits.deferred()).toEqual([])
  })

  promise("is not asked for again and again by what nobody claims", function* () {
    const permits = yield* open
    const { calls } = yield* Line
    yield* permits.got("api", 9)
    permits.turn()

    yield* advance(keepMs)

    // What was kept for nothing goes back, is asked for once more, and goes back for good.
    yield* until(Effect.sync(() => calls["settle"] === 1 && calls["take"] === 2))
    yield* until(Effect.sync(() => permits.out().length === 3))
    permits.turn()
    yield* advance(keepMs)
    yield* stands("api", { used: 0 })
    yield* advance(keepMs)
    expect(calls["take"]).toBe(2)
  })

  promise("is left alone until then, and deferred again if it is named all the same", function* () {
    const permits = yield* open
    const { calls } = yield* Line
    yield* permits.got("brief", 9)
    const [[, afterMs] = []] = permits.deferred()
    permits.turn("brief", 3)
    yield* advance(4_000)
    permits.want([["brief", 9]], 9, 9)
    expect(calls["take"]).toBe(1)
    expect(permits.deferred()).toEqual([["brief", afterMs! - 4_000]])

    yield* advance(afterMs! - 4_000)

    yield* permits.got("brief", 9)
    expect(permits.have()).toEqual([["brief", 3]])
  })

  promise("is not asked for, nor deferred, where its limits are unknown", function* () {
    const permits = yield* open
    permits.want([["elsewhere", 3]], 3, 3)
    yield* advance(1)

    expect((yield* Line).calls).toEqual({})
    expect(permits.deferred()).toEqual([])
  })
})

describe("a place that comes free", () => {
  promise("goes to the next run of its ring at once", function* () {
    const permits = yield* open
    yield* permits.got("db", 9)
    const [first] = permits.turn("db", 2)

    permits.ended({ permit: first! })

    yield* until(Effect.sync(() => permits.changes() === 2))
    expect(permits.have()).toEqual([["db", 1]])
  })

  promise("is for anybody after a second of that", function* () {
    const permits = yield* open
    yield* permits.got("db", 9)
    const [first, second] = permits.turn("db", 2)
    yield* advance(999)
    permits.ended({ permit: first! })
    yield* until(Effect.sync(() => permits.changes() === 2))
    permits.turn("db", 1)
    yield* advance(1)

    permits.ended({ permit: second! })

    yield* stands("db", { running: 1 })
    yield* advance(1)
    expect((yield* Line).calls["take"]).toBe(2)
  })

  promise("is for anybody when the ring has no more work", function* () {
    const permits = yield* open
    yield* permits.got("db", 9)
    const [first] = permits.turn("db", 1)

    permits.ended({ permit: first! })

    yield* stands("db", { running: 1 })
    yield* advance(1)
    expect((yield* Line).calls["take"]).toBe(1)
  })
})

describe("the permits of runs", () => {
  promise("stay out for as long as those run", function* () {
    const permits = yield* open
    yield* permits.got("db", 2)
    permits.turn("db", 2)

    for (let third = 0; third < 9; third++) yield* advance(leaseMs / 3)

    expect((yield* stateOf("db")).running).toBe(2)
  })

  promise("stay out when renewing them once got no answer", function* () {
    const permits = yield* open
    const { broken } = yield* Line
    yield* permits.got("db", 2)
    permits.turn("db", 2)
    broken.add("renew")
    yield* advance(leaseMs / 3)
    broken.delete("renew")

    for (let third = 0; third < 4; third++) yield* advance(leaseMs / 3)

    expect((yield* stateOf("db")).running).toBe(2)
  })
})

describe("a call without an answer", () => {
  promise("of a take is made again later, and its permits come back when their lease ends", function* () {
    const permits = yield* open
    const { broken, calls } = yield* Line
    broken.add("take")
    permits.want([["db", 2]], 2, 2)
    yield* stands("db", { running: 2 })
    yield* advance(100)
    broken.delete("take")
    expect(permits.deferred()).toEqual([])
    permits.want([["db", 2]], 2, 2)
    expect(calls["take"]).toBe(1)
    expect(permits.deferred()).toEqual([])
    yield* advance(leaseMs - 100)

    yield* permits.got("db", 2)

    expect(permits.have()).toEqual([["db", 2]])
  })

  promise("of an end is said again, and counts once", function* () {
    const permits = yield* open
    const { broken, calls } = yield* Line
    yield* permits.got("tokens", 2)
    const [one, other] = permits.turn("tokens", 2)
    broken.add("settle")
    permits.ended({ permit: one!, actual: { tokens: 150 } })
    yield* until(Effect.sync(() => calls["settle"] === 1))
    permits.ended({ permit: other!, actual: { tokens: 10 } })
    yield* advance(500)
    expect(calls["settle"]).toBe(2)
    broken.clear()

    yield* advance(500)

    yield* stands("tokens", { used: 160, running: 0 })
    expect(calls["settle"]).toBe(4)
  })
})

describe("an end that never arrived", () => {
  promise("is said when the scope closes", function* () {
    const scope = yield* Scope.make()
    const permits = yield* Scope.provide(open, scope)
    const { calls, down } = yield* Line
    yield* permits.got("tokens", 1)
    down.add("settle")
    permits.ended({ permit: permits.turn("tokens", 1)[0]!, actual: { tokens: 300 } })
    yield* until(Effect.sync(() => calls["settle"] === 1))
    down.clear()

    yield* Scope.close(scope, Exit.void)

    expect(yield* stateOf("tokens")).toEqual({ used: 300, running: 0 })
  })
})

describe("runs that end together", () => {
  promise("are said in one call", function* () {
    const permits = yield* open
    yield* permits.got("db", 2)
    for (const permit of permits.turn("db", 2)) permits.ended({ permit })

    yield* stands("db", { running: 0 })

    expect((yield* Line).calls["settle"]).toBe(1)
  })

  promise("are not said where they took up no place and used what was counted", function* () {
    const permits = yield* open
    yield* permits.got("tokens", 9)
    const [first, ...others] = permits.turn("tokens", 9)
    for (const permit of others) permits.ended({ permit })
    permits.ended({ permit: first!, actual: { tokens: 50 } })

    yield* stands("tokens", { used: 850 })

    expect((yield* Line).calls["settle"]).toBe(1)
    expect(permits.out()).toEqual([])
  })
})
