/** What a task says of times counts on the store's clock, whatever the clock of its submitter shows. */
import { describe, expect } from "bun:test"
import { Clock, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { makeStoreClock } from "../../../actors/dispatch/store-clock.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Schedules } from "../../../runtime/schedules.ts"
import { StoreError } from "../../../runtime/store.ts"
import { it } from "../../support/effect.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"
import { aWorker } from "../../support/worker.ts"

const handlers = [
  defineTask({ name: "plain", run: () => null }),
  defineTask({ name: "hasty", expires: "1 minute", deadline: "2 minutes", run: () => null })
]

const hour = Duration.toMillis("1 hour")

/** The real clock, which somebody has set so much too far. */
const off = (ms: () => number): Clock.Clock => {
  const millis = () => Date.now() + ms()
  const nanos = () => BigInt(millis()) * 1_000_000n
  const mono = () => process.hrtime.bigint()
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeNanosUnsafe: nanos,
    monotonicTimeNanosUnsafe: mono,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanos: Effect.sync(mono),
    sleep: (duration) => Effect.promise(() => Bun.sleep(Duration.toMillis(duration)))
  }
}

/** A dispatcher whose machine's clock is wrong, over a Redis whose clock is right. */
const submitter = (ms: number) =>
  Dispatcher.layer.pipe(
    Layer.provide(
      Layer.succeed(
        Clock.Clock,
        off(() => ms)
      )
    ),
    Layer.provideMerge(Replies.layer),
    Layer.provideMerge(Redis.layer()),
    Layer.provideMerge(Layer.merge(redisSettings(), Handlers.layer({ given: handlers })))
  )

describe("a task whose submitter's clock is wrong", () => {
  for (const ms of [-hour, hour]) {
    const slow = ms < 0 ? "an hour slow" : "an hour fast"

    it.live(`expires and has its deadline when the store's clock says so, where it is ${slow}`, () =>
      Effect.gen(function* () {
        const { submit, task } = yield* Dispatcher.Dispatcher
        const begun = Date.now()

        const { id } = yield* submit({ name: "hasty", input: null })
        const other = yield* submit({ name: "plain", input: null, expiresMs: 60_000, deadlineMs: 120_000 })

        for (const one of [id, other.id]) {
          const { deadlineAt, expiresAt } = yield* task(one)
          expect(Math.abs(expiresAt! - begun - 60_000)).toBeLessThan(10_000)
          expect(Math.abs(deadlineAt! - begun - 120_000)).toBeLessThan(10_000)
        }
        expect(yield* (yield* aWorker()).claim(10)).toHaveLength(2)
      }).pipe(Effect.provide(submitter(ms)))
    )
  }

  it.live("does not start before its time, where it is an hour fast", () =>
    Effect.gen(function* () {
      const { submit } = yield* Dispatcher.Dispatcher
      const runAt = new Date(Date.now() + hour / 2).toISOString()

      expect(yield* submit({ name: "plain", input: null, runAt })).toMatchObject({ state: "scheduled" })

      expect(yield* (yield* aWorker()).claim(10)).toEqual([])
    }).pipe(Effect.provide(submitter(hour)))
  )

  it.live("is not refused as over, where it is an hour fast", () =>
    Effect.gen(function* () {
      const { submit } = yield* Dispatcher.Dispatcher
      const expiresAt = new Date(Date.now() + hour / 2).toISOString()

      expect(yield* submit({ name: "plain", input: null, expiresAt })).toMatchObject({ state: "queued" })
    }).pipe(Effect.provide(submitter(hour)))
  )
})

describe("the store's clock", () => {
  /** One that shows an hour more than ours, and counts who asks. */
  const anHourMore = (asked: { times: number }, answer: Effect.Effect<void, StoreError> = Effect.void) =>
    makeStoreClock.pipe(
      Effect.provideServiceEffect(
        Schedules,
        Schedules.useSync((schedules) =>
          Schedules.of({
            ...schedules,
            read: (id) =>
              Effect.suspend(() => {
                asked.times += 1
                return Effect.andThen(
                  answer,
                  Effect.map(schedules.read(id), (read) => ({ ...read, now: read.now + hour }))
                )
              })
          })
        )
      ),
      Effect.provide(Memory.layer.pipe(Layer.provide(memorySettings())))
    )

  it.effect("is asked for once by all who want it at once, and goes on without being asked for", () => {
    const asked = { times: 0 }
    return Effect.gen(function* () {
      const clock = yield* anHourMore(asked)
      const begun = yield* Clock.currentTimeMillis
      expect(clock.now()).toBeUndefined()

      yield* Effect.all([clock.look, clock.look, clock.look], { concurrency: "unbounded" })
      expect(clock.now()).toBe(begun + hour)

      yield* TestClock.adjust("5 seconds")
      expect(clock.now()).toBe(begun + hour + 5_000)
      expect(asked.times).toBe(1)
    })
  })

  it.effect("is asked for again beside those who want it, once a while has passed", () => {
    const asked = { times: 0 }
    return Effect.gen(function* () {
      const clock = yield* anHourMore(asked)
      const begun = yield* Clock.currentTimeMillis
      yield* clock.look

      yield* TestClock.adjust("10 seconds")
      expect([clock.now(), clock.now()]).toEqual([begun + hour + 10_000, begun + hour + 10_000])

      expect(asked.times).toBe(2)
    })
  })

  it.effect("is not waited for by everybody while the store does not answer", () => {
    const asked = { times: 0 }
    return Effect.gen(function* () {
      const clock = yield* anHourMore(
        asked,
        Effect.fail(new StoreError({ operation: "Schedules.read", cause: "gone" }))
      )

      yield* clock.look
      yield* clock.look
      expect([clock.now(), asked.times]).toEqual([undefined, 1])

      yield* TestClock.adjust("2 seconds")
      yield* clock.look
      expect([clock.now(), asked.times]).toEqual([undefined, 2])
    })
  })

  it.live(
    "is not known any more once the two clocks of this machine have come apart, as after it slept",
    () => {
      let wrong = 0
      const asked = { times: 0 }
      return Effect.gen(function* () {
        const clock = yield* anHourMore(asked)
        yield* clock.look
        expect(clock.now()).toBeNumber()

        wrong = 60_000
        expect(clock.now()).toBeUndefined()

        yield* clock.look
        expect(clock.now()).toBeNumber()
        expect(asked.times).toBe(2)
      }).pipe(
        Effect.provideService(
          Clock.Clock,
          off(() => wrong)
        )
      )
    }
  )
})
