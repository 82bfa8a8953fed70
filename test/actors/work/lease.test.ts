/**
 * A worker renews its lease so often that it never takes its own quiet for an outage; after one, or once Redis's clock has
 * jumped, it judges nobody for a lease, and for half of one when it has just begun.
 */
import { expect, test } from "bun:test"
import { type Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import { Lease } from "../../../actors/work/lease.ts"
import { defineTask } from "../../../runtime/handler.ts"
import { StoreError } from "../../../runtime/store.ts"
import type { Turn } from "../../../runtime/turn.ts"
import { it } from "../../support/effect.ts"
import { startOfTime } from "../../support/time.ts"
import { pass, settle, working } from "../../support/working.ts"

/** Lasts until it is told to stop. */
const lasts = defineTask({
  name: "lasts",
  run: (_, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener("abort", () => resolve())
    return promise
  }
})

/** Its turns are written down. */
const recorded = (lease: Duration.Input, turns: Array<Turn>) =>
  working([lasts], lease, (store) => ({
    turn: (partition, turn) => Effect.suspend(() => (turns.push(turn), store.turn(partition, turn)))
  }))

for (const lease of ["1 second", "3 seconds", "15 seconds"] as const) {
  for (const quiet of ["is idle", "is full, and its task goes on and on"]) {
    it.effect(`a worker with a lease of ${lease} judges others from half of it on while it ${quiet}`, () => {
      const turns: Array<Turn> = []
      return Effect.gen(function* () {
        yield* TestClock.setTime(startOfTime)
        yield* Effect.gen(function* () {
          const { submit } = yield* Dispatcher.Dispatcher
          yield* settle
          if (quiet !== "is idle") yield* submit({ name: "lasts", input: null })
          yield* pass(Duration.times(Duration.fromInputUnsafe(lease), 0.4))
          expect(turns.length).toBeGreaterThan(0)
          expect(turns.filter(({ judges }) => judges)).toEqual([])

          yield* pass(Duration.times(Duration.fromInputUnsafe(lease), 0.2))
          const begun = turns.length
          yield* pass(Duration.times(Duration.fromInputUnsafe(lease), 4))
          expect(turns.length).toBeGreaterThan(begun + 4)
          expect(turns.slice(begun).filter(({ judges }) => !judges)).toEqual([])
        }).pipe(Effect.provide(recorded(lease, turns)))
      })
    })
  }
}

it.effect("a worker that could not reach the store at first judges nobody for a lease, and then all", () => {
  const turns: Array<Turn> = []
  let opened = 0
  const late = working([lasts], "3 seconds", (store) => ({
    orders: (worker, partitions) =>
      opened++ === 0
        ? Effect.fail(new StoreError({ operation: "Store.orders", cause: "no answer" }))
        : store.orders(worker, partitions),
    turn: (partition, turn) => Effect.suspend(() => (turns.push(turn), store.turn(partition, turn)))
  }))
  return Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    yield* Effect.gen(function* () {
      yield* pass("2 seconds")
      expect(turns.length).toBeGreaterThan(1)
      expect(turns.filter(({ judges }) => judges)).toEqual([])

      const before = turns.length
      yield* pass("4 seconds")
      expect(turns.slice(before).some(({ judges }) => judges)).toBe(true)
    }).pipe(Effect.provide(late))
  })
})

for (const [sentence, jumpMs] of [
  ["set forward", 40_000],
  ["set back", -40_000]
] as const) {
  it.effect(
    `a worker judges nobody for a lease once Redis's clock was ${sentence}, since others may not have renewed theirs`,
    () => {
      const turns: Array<Turn> = []
      let skewMs = 0
      const skewed = working([lasts], "3 seconds", (store) => ({
        turn: (partition, turn) =>
          Effect.suspend(() => {
            turns.push(turn)
            return Effect.map(store.turn(partition, turn), (reply) => ({ ...reply, now: reply.now + skewMs }))
          })
      }))
      return Effect.gen(function* () {
        yield* TestClock.setTime(startOfTime)
        yield* Effect.gen(function* () {
          yield* pass("2 seconds")
          const begun = turns.length
          yield* pass("2 seconds")
          expect(turns.slice(begun).filter(({ judges }) => !judges)).toEqual([])

          skewMs = jumpMs
          const before = turns.length
          yield* pass("3 seconds")
          // The first is the one that finds it out.
          const since = turns.slice(before + 1)
          expect(since.length).toBeGreaterThan(2)
          expect(since.filter(({ judges }) => judges)).toEqual([])

          const then = turns.length
          yield* pass("2 seconds")
          expect(turns.slice(then + 1).filter(({ judges }) => !judges)).toEqual([])
        }).pipe(Effect.provide(skewed))
      })
    }
  )
}

/** A lease of 15 seconds, on a monotonic clock that a test sets. */
const aLease = () => {
  const at = { mono: 0 }
  const lease = new Lease({
    clock: {
      monotonicTimeNanosUnsafe: () => BigInt(at.mono) * 1_000_000n,
      currentTimeMillisUnsafe: () => at.mono
    } as Clock.Clock,
    leaseMs: 15_000,
    afterOutage: false
  })
  return { at, lease }
}

test("the turn that ends an outage judges nobody: others could not renew their leases before it", () => {
  const { at, lease } = aLease()
  lease.answered(0, 1_000_000)
  at.mono = 7_500
  expect(lease.said.judges).toBe(true)

  at.mono = 7_501
  expect(lease.said.judges).toBe(false)
  lease.answered(7_501, 1_007_501)

  at.mono = 22_500
  expect(lease.said.judges).toBe(false)
})

test("a slow answer is not taken for a jump of Redis's clock", () => {
  const { at, lease } = aLease()
  const answered = (sentMono: number, redisNow: number, mono: number) => {
    at.mono = mono
    lease.answered(sentMono, redisNow)
    return lease.said.judges
  }
  // One that has just begun judges nobody for half of its lease.
  expect(answered(0, 1_000_000, 1)).toBe(false)
  // Made at once, and five seconds on its way; and the next one is as quick as ever.
  expect(answered(100, 1_000_100, 5_100)).toBe(false)
  expect(answered(7_500, 1_007_500, 7_501)).toBe(true)
  // Five seconds on its way to Redis.
  expect(answered(7_600, 1_012_600, 12_600)).toBe(true)
  expect(answered(12_700, 1_052_700, 12_701)).toBe(false)
})

it.effect(
  "a worker that cannot hear one of its bells at first claims nothing, and costs no task a run",
  () => {
    const bells: Array<string> = []
    const deaf = working(
      [lasts],
      "15 seconds",
      ({ bell }) => ({
        bell: (partition) => {
          bells.push(partition)
          const isFirst = bells.filter((one) => one === "other.0").length === 1
          return partition === "other.0" && isFirst
            ? Effect.delay(
                Effect.fail(new StoreError({ operation: "Store.bell", cause: "no answer" })),
                "1 second"
              )
            : bell(partition)
        }
      }),
      ["default", "other"]
    )
    return Effect.gen(function* () {
      yield* TestClock.setTime(startOfTime)
      yield* Effect.gen(function* () {
        const dispatcher = yield* Dispatcher.Dispatcher
        const { id } = yield* dispatcher.submit({ name: "lasts", input: null })

        yield* pass("20 seconds")

        expect(bells.filter((partition) => partition === "other.0")).toHaveLength(2)
        expect(yield* dispatcher.task(id)).toMatchObject({ state: "running", attempt: 1 })
      }).pipe(Effect.provide(deaf))
    })
  }
)
