/** What a worker does with tasks that submits hand to it, whichever of an order and an answer comes first, or never. */
import { describe, expect, test } from "bun:test"
import { Effect, Latch } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import { Handover } from "../../../actors/work/handover.ts"
import { defineTask } from "../../../runtime/handler.ts"
import type { Order } from "../../../runtime/store.ts"
import type { Turn, TurnReply } from "../../../runtime/turn.ts"
import { it } from "../../support/effect.ts"
import { aTurn } from "../../support/tasks.ts"
import { startOfTime } from "../../support/time.ts"
import { pass, settle, working } from "../../support/working.ts"

const aReply = (over: Partial<TurnReply> = {}): TurnReply => ({
  now: 0,
  nextDue: undefined,
  lost: [],
  claimed: [],
  rings: [],
  handed: false,
  standsBy: false,
  outbox: false,
  agents: [],
  held: [],
  ...over
})

/** Takes a turn whose answer is at hand at once. */
const taken = (handover: Handover, mayStandBy: boolean, over: Partial<Turn>, reply: Partial<TurnReply>) => {
  const turn = aTurn("w", { ...over, ...handover.say(mayStandBy) })
  handover.answered(turn, aReply(reply), 0)
  return turn
}

const standing = () => {
  const handover = new Handover()
  taken(handover, true, {}, { standsBy: true })
  return handover
}

describe("what a worker knows of hand-overs", () => {
  test("it stands by once an answer has said so, and says so with its next turn", () => {
    const handover = standing()
    expect(handover.standsBy).toBe(true)
    expect(handover.say(false)).toEqual({ stoodBy: true, standsBy: false })
  })

  test("one turn at a time speaks of it", () => {
    const handover = standing()
    handover.say(true)
    expect(handover.say(true)).toEqual({ stoodBy: false, standsBy: false })
  })

  test("an order ends its standing by", () => {
    const handover = standing()
    expect(handover.hears("a")).toBe(true)
    expect(handover).toMatchObject({ standsBy: false, owed: 0 })
  })

  test("an order that an answer has told of takes up room until it comes", () => {
    const handover = standing()
    taken(handover, false, {}, { handed: true })
    expect(handover).toMatchObject({ standsBy: false, owed: 1 })
    handover.hears("a")
    expect(handover.owed).toBe(0)
  })

  test("an order that does not come for a second is taken for lost", () => {
    const handover = standing()
    taken(handover, false, {}, { handed: true })
    expect(handover.isOverdue(1_000)).toBe(false)
    expect(handover.isOverdue(1_001)).toBe(true)
    handover.hears("a")
    expect(handover.isOverdue(1_001)).toBe(false)
  })

  test("an order before the answer that tells of it leaves it standing by anew", () => {
    const handover = standing()
    const turn = aTurn("w", handover.say(true))
    handover.hears("a")
    handover.answered(turn, aReply({ handed: true, standsBy: true }), 0)
    expect(handover).toMatchObject({ standsBy: true, owed: 0 })
  })

  test("an order for what a turn on its way has begun ends that at once", () => {
    const handover = new Handover()
    const turn = aTurn("w", handover.say(true))
    handover.hears("a")
    handover.answered(turn, aReply({ standsBy: true }), 0)
    expect(handover).toMatchObject({ standsBy: false, owed: 0 })
  })

  test("a turn without an answer may have had it stand by", () => {
    const handover = new Handover()
    handover.unanswered(aTurn("w", handover.say(true)))
    expect(handover.say(false).stoodBy).toBe(true)
  })

  test("a turn that asks for everything settles what was handed to it before", () => {
    const handover = standing()
    taken(handover, false, {}, { handed: true })
    taken(handover, false, { again: true }, { held: ["a"] })
    expect(handover.owed).toBe(0)
  })

  test("an order for what was given back is not obeyed, and ends no standing by", () => {
    const handover = standing()
    handover.gaveBack(["a", "b"])
    expect(handover.hears("a")).toBe(false)
    expect(handover.hears("b")).toBe(false)
    expect(handover.standsBy).toBe(true)
    expect(handover.hears("c")).toBe(true)
    expect(handover.standsBy).toBe(false)
  })

  test("it knows the last thousand that were given back", () => {
    const handover = standing()
    handover.gaveBack(["first", "second"])
    handover.gaveBack(Array.from({ length: 999 }, (_, n) => `entry ${n}`))
    expect(handover.hears("second")).toBe(false)
    expect(handover.hears("first")).toBe(true)
  })
})

const quick = defineTask({ name: "quick", run: () => "done" })

describe("a worker that has nothing to do", () => {
  type Log = Array<{ readonly turn: Turn; readonly reply: TurnReply }>

  /** Its turns and their answers are written down, and its orders are heard as the test has it. */
  const watched = (
    log: Log,
    hearing: (next: Effect.Effect<Order>) => Effect.Effect<Order> = (next) => next
  ) =>
    working([quick], "15 seconds", (store) => ({
      turn: (partition, turn) =>
        Effect.tap(store.turn(partition, turn), (reply) => Effect.sync(() => log.push({ turn, reply }))),
      orders: (worker, partitions) =>
        Effect.map(store.orders(worker, partitions), ({ next }) => ({ next: hearing(next) }))
    }))

  it.effect("is handed a single task, and takes no turn but the one that ends it", () => {
    const log: Log = []
    return Effect.gen(function* () {
      yield* TestClock.setTime(startOfTime)
      yield* Effect.gen(function* () {
        const { submit, task } = yield* Dispatcher.Dispatcher
        yield* settle
        for (let n = 0; n < 3; n++) {
          const before = log.length
          const { id } = yield* submit({ name: "quick", input: null })
          yield* settle
          expect(yield* task(id)).toMatchObject({ state: "succeeded", attempt: 1 })
          const since = log.slice(before)
          expect(since.map(({ turn }) => turn.settled.length)).toEqual([1])
          expect(since.flatMap(({ reply }) => reply.claimed)).toEqual([])
        }
      }).pipe(Effect.provide(watched(log)))
    })
  })

  it.effect("gives back within seconds what it was handed and never heard of, and somebody runs it", () => {
    const log: Log = []
    let lost = 0
    const deaf = watched(log, (next) => {
      const heard: Effect.Effect<Order> = Effect.flatMap(next, (order) => {
        if (order.kind !== "run" || lost > 0) return Effect.succeed(order)
        lost += 1
        return heard
      })
      return heard
    })
    return Effect.gen(function* () {
      yield* TestClock.setTime(startOfTime)
      yield* Effect.gen(function* () {
        const { submit, task } = yield* Dispatcher.Dispatcher
        yield* settle
        const { id } = yield* submit({ name: "quick", input: null })
        yield* settle
        expect(yield* task(id)).toMatchObject({ state: "running" })

        yield* pass("8 seconds")

        expect(lost).toBe(1)
        expect(yield* task(id)).toMatchObject({ state: "succeeded", attempt: 2 })
      }).pipe(Effect.provide(deaf))
    })
  })

  it.effect("does not run what it gave back when the order comes after all", () => {
    const log: Log = []
    const late = Latch.makeUnsafe(false)
    const entries: Array<string> = []
    const slow = watched(log, (next) =>
      Effect.tap(next, (order) =>
        order.kind === "run" && entries.push(order.claim.entry) === 1 ? late.await : Effect.void
      )
    )
    return Effect.gen(function* () {
      yield* TestClock.setTime(startOfTime)
      yield* Effect.gen(function* () {
        const { submit, task } = yield* Dispatcher.Dispatcher
        yield* settle
        const { id } = yield* submit({ name: "quick", input: null })
        yield* pass("8 seconds")
        expect(yield* task(id)).toMatchObject({ state: "succeeded" })

        const before = log.length
        yield* late.open
        yield* settle

        expect(log.slice(before).flatMap(({ turn }) => turn.settled)).toEqual([])
      }).pipe(Effect.provide(slow))
    })
  })
})
