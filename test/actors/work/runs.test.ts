import { describe, expect } from "bun:test"
import { Effect, Layer, Queue } from "effect"
import * as Births from "../../../actors/dispatch/births.ts"
import * as Replies from "../../../actors/dispatch/replies.ts"
import { openRuns, type Settled } from "../../../actors/work/runs.ts"
import { defineTask, RetryAfter, type TaskDefinition } from "../../../runtime/handler.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { Handlers } from "../../../runtime/registry.ts"
import { Store } from "../../../runtime/store.ts"
import { encodeRecord, type Envelope } from "../../../runtime/record.ts"
import { submittedAt } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"
import { aTask, aTurn, aUlid } from "../../support/tasks.ts"

const limits = [
  { key: "calls", rate: 10, per: "1 minute" },
  { key: "tokens", rate: 1_000, per: "1 minute" }
] as const

const layer = (handler: TaskDefinition) =>
  Layer.mergeAll(Births.layer, Replies.layer).pipe(
    Layer.provideMerge(Memory.layer),
    Layer.provideMerge(Layer.mergeAll(memorySettings(), Handlers.layer({ given: [handler] })))
  )

/** When the tasks of these tests were submitted, and what Redis's clock says. */
const submitted = submittedAt(aUlid())
const now = submitted + 5_000

/** Runs one task of a handler, and gives what is to be said of it. */
const settledOf = (handler: TaskDefinition, over: Partial<Envelope> = {}) =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<Settled>()
    let mono = 0
    const runs = yield* openRuns({
      partition,
      worker: "w",
      services: () => Effect.die("no layers here"),
      mono: () => (mono += 10),
      redisNow: (at = mono) => now + at,
      onSettled: (one) => Queue.offerUnsafe(told, one),
      holdsLease: () => true,
      onChange: () => {}
    })
    const store = yield* Store
    const envelope: Envelope = { name: handler.name, input: null, ...over }
    const task = aTask()
    const record = encodeRecord({ letter: "Q", lane: "normal", run: 1, crashes: 0 }, JSON.stringify(envelope))
    yield* store.submit(partition, [{ ...task, record }])
    const { claimed } = yield* store.turn(partition, aTurn("w", { want: 1 }))
    runs.start({ ...claimed[0]!, ring: "calls,tokens" }, 0, "a permit")
    const settled = yield* Queue.take(told)
    return { settled, done: runs.done() }
  }).pipe(Effect.scoped, Effect.provide(layer(handler)))

describe("what is said of a run that has ended", () => {
  it.live("names its ring and its permit, and what it has used of its limits in all", () =>
    Effect.gen(function* () {
      const handler = defineTask({
        name: "some",
        limits,
        run: (_, { spent }) => {
          spent("tokens", 120)
          spent("tokens", 30)
        }
      })

      const { done, settled } = yield* settledOf(handler)

      expect(settled).toMatchObject({
        ring: "calls,tokens",
        permit: "a permit",
        used: { tokens: 150 },
        cool: [],
        outcome: "succeeded"
      })
      expect(done).toBe(1)
    })
  )

  it.live("refuses what it says of a limit that its handler does not have, and what is no amount", () =>
    Effect.gen(function* () {
      const handler = defineTask({
        name: "some",
        limits,
        retry: { attempts: 1 },
        run: (how: unknown, { spent }) => spent(how === "amount" ? "calls" : "wells", Number.NaN)
      })

      expect((yield* settledOf(handler)).settled).toMatchObject({
        settlement: { record: expect.stringContaining('handler some has no limit \\"wells\\"') }
      })
      expect((yield* settledOf(handler, { input: "amount" })).settled).toMatchObject({
        settlement: { record: expect.stringContaining("the amount NaN is no number from 0") },
        used: undefined
      })
    })
  )

  it.live("cools the limits of a handler that is told to come back later, the one it names, or none", () =>
    Effect.gen(function* () {
      const handler = defineTask({
        name: "some",
        limits,
        run: (how: unknown) =>
          Promise.reject(
            new RetryAfter("2 seconds", how === null ? {} : { limit: how === "tokens" ? "tokens" : false })
          )
      })
      const forMs = 2_000

      expect((yield* settledOf(handler)).settled).toMatchObject({
        outcome: "retried",
        cool: [
          { name: "calls", forMs },
          { name: "tokens", forMs }
        ]
      })
      expect((yield* settledOf(handler, { input: "tokens" })).settled.cool).toEqual([
        { name: "tokens", forMs }
      ])
      expect((yield* settledOf(handler, { input: "none" })).settled).toMatchObject({
        outcome: "retried",
        cool: []
      })
    })
  )

  it.live("tells how long it had waited since it was due, and how long it ran", () =>
    Effect.gen(function* () {
      const handler = defineTask({ name: "some", run: () => Promise.resolve(1) })

      const { settled } = yield* settledOf(handler)
      expect(settled).toMatchObject({ waitMs: 5_000, outcome: "succeeded" })
      expect(settled.runMs).toBeGreaterThan(0)
      expect((yield* settledOf(handler, { dueAt: submitted + 4_000 })).settled.waitMs).toBe(1_000)
      expect((yield* settledOf(handler, { dueAt: submitted + 9_000 })).settled.waitMs).toBe(0)
    })
  )
})
