/** What a worker claims beside what it runs, and what becomes of claims for which there is no place. */
import { describe, expect, test } from "bun:test"
import { Effect, Latch } from "effect"
import { TestClock } from "effect/testing"
import * as Dispatcher from "../../../actors/dispatch/dispatcher.ts"
import { Holdings } from "../../../actors/work/holdings.ts"
import type { Stop } from "../../../actors/work/runs.ts"
import { defineTask } from "../../../runtime/handler.ts"
import { Store } from "../../../runtime/store.ts"
import type { Claim } from "../../../runtime/turn.ts"
import { type Entry, partitionOf } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { tasks } from "../../support/tasks.ts"
import { startOfTime } from "../../support/time.ts"
import { settle, working } from "../../support/working.ts"

describe("what a worker holds", () => {
  /** Two places, and runs that end when they are told to. */
  const opened = () => {
    const running = new Map<Entry, Claim>()
    const stopped: Array<readonly [Entry, Stop]> = []
    const released: Array<Entry> = []
    const lease = { held: true }
    const clock = { mono: 0 }
    const holdings = new Holdings({
      places: 2,
      runs: {
        size: () => running.size,
        has: (entry) => running.has(entry),
        entries: () => [...running.keys()],
        start: (claim) => void running.set(claim.entry, claim),
        interrupt: (entry, why) => void (running.delete(entry) && stopped.push([entry, why]))
      },
      books: { claimed: () => undefined, started: () => {} },
      mono: () => clock.mono,
      holdsLease: () => lease.held,
      onRelease: ({ settlement }) => void released.push(settlement.entry)
    })
    const claims: ReadonlyArray<Claim> = tasks(4).map(({ entry, record }) => ({ entry, record }))
    const entries = claims.map(({ entry }) => entry)
    return { claims, clock, entries, holdings, lease, released, running, stopped }
  }

  test("starts no more than it has places for, and hands back the rest after the tick in which they came", () => {
    const { claims, entries, holdings, released, running } = opened()
    holdings.accept(claims)
    expect([...running.keys()]).toEqual(entries.slice(0, 2))
    expect(holdings.size).toBe(4)
    expect(released).toEqual([])

    holdings.ticked()
    expect(released).toEqual(entries.slice(2))
    expect(holdings.entries()).toEqual(entries.slice(0, 2))
  })

  test("starts the rest in their order when places have come free in that tick", () => {
    const { claims, entries, holdings, released, running } = opened()
    holdings.accept(claims)
    running.clear()
    holdings.ticked()
    expect([...running.keys()]).toEqual(entries.slice(2))
    expect(released).toEqual([])
  })

  test("never starts what was stopped before, nor anything once its lease is in doubt or it is closed", () => {
    const stopped = opened()
    stopped.holdings.accept(stopped.claims)
    stopped.holdings.stop(stopped.entries[2]!, "cancelled")
    stopped.running.clear()
    stopped.holdings.ticked()
    expect([...stopped.running.keys()]).toEqual([stopped.entries[3]!])

    for (const end of [
      ({ lease }: ReturnType<typeof opened>) => void (lease.held = false),
      ({ holdings }: ReturnType<typeof opened>) => holdings.close()
    ]) {
      const doubtful = opened()
      doubtful.holdings.accept(doubtful.claims)
      doubtful.running.clear()
      end(doubtful)
      doubtful.holdings.ticked()
      expect(doubtful.running.size).toBe(0)
      expect(doubtful.released).toEqual(doubtful.entries.slice(2))
    }
  })

  test("ends without a word what is not its own any more", () => {
    const { claims, entries, holdings, released, stopped } = opened()
    holdings.accept(claims)
    holdings.keep(new Set([entries[0]!]))
    expect(holdings.entries()).toEqual([entries[0]!])
    expect(stopped).toEqual([[entries[1]!, "lost"]])
    expect(released).toEqual([])
  })

  test("is swift once some ticks in a row have ended all they started, and not from the first that has not", () => {
    const { claims, clock, holdings, running } = opened()
    const tick = (ended: boolean, tookMs = 0) => {
      holdings.accept(claims.slice(0, 1))
      clock.mono += tookMs
      if (ended) running.clear()
      holdings.ticked()
      return holdings.isSwift
    }
    const four = () => [tick(true), tick(true), tick(true), tick(true)]
    expect(four()).toEqual([false, false, false, true])
    holdings.ticked()
    expect(tick(true, 10)).toBe(true)
    expect(tick(false)).toBe(false)
    running.clear()
    expect(four()).toEqual([false, false, false, true])
    expect(tick(true, 11)).toBe(false)
  })
})

describe("a worker with one place", () => {
  const latch = Latch.makeUnsafe(false)
  const started: Array<number> = []
  let running = 0
  let most = 0
  const counted = async (run: () => unknown) => {
    most = Math.max(most, ++running)
    await run()
    running -= 1
  }
  const tick = () =>
    new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  const quick = defineTask({ name: "quick", run: () => counted(() => {}) })
  const waits = defineTask({
    name: "waits",
    run: () =>
      counted(async () => {
        for (let n = 0; n < 3; n++) await tick()
      })
  })
  const slow = defineTask.effect({
    name: "slow",
    run: (input) => {
      started.push(Number(input))
      return latch.await
    }
  })

  let claiming = 0
  let claimingMost = 0
  const partition = partitionOf("default")
  const held = Effect.map(
    Store.use(({ depth }) => depth(partition)),
    (found) => [found.held, found.lanes.normal]
  )
  const submitAll = (name: string, count: number) =>
    Dispatcher.Dispatcher.use((dispatcher) =>
      dispatcher.submitAll(Array.from({ length: count }, (_, n) => ({ name, input: n })))
    )
  const idle = Effect.gen(function* () {
    while ((yield* held).some((count) => count > 0)) yield* settle
  })

  /** Its turns take a tick there and a tick back. */
  const during = <A, E>(test: Effect.Effect<A, E, Dispatcher.Dispatcher | Store>) =>
    Effect.gen(function* () {
      latch.closeUnsafe()
      started.length = 0
      most = 0
      claimingMost = 0
      yield* TestClock.setTime(startOfTime)
      return yield* Effect.andThen(settle, test).pipe(
        Effect.provide(
          working([quick, waits, slow], "15 seconds", (store) => ({
            turn: Effect.fnUntraced(function* (partition, turn) {
              if (turn.want > 0) claimingMost = Math.max(claimingMost, ++claiming)
              yield* Effect.promise(tick)
              const reply = yield* store.turn(partition, turn)
              yield* Effect.promise(tick)
              if (turn.want > 0) claiming -= 1
              return reply
            })
          }))
        )
      )
    })

  for (const [sentence, name, turns] of [
    ["has two turns claim for it while its runs end at once", "quick", 2],
    ["has one claim for it while its runs wait for something", "waits", 1]
  ] as const) {
    it.effect(`${sentence}, and runs one at a time`, () =>
      Effect.gen(function* () {
        yield* submitAll(name, 100)
        yield* idle
        expect(claimingMost).toBe(turns)
        expect(most).toBe(1)
      }).pipe(during)
    )
  }

  it.effect("keeps nothing waiting when its runs turn out to last", () =>
    Effect.gen(function* () {
      yield* submitAll("quick", 100)
      yield* submitAll("slow", 10)
      while (started.length === 0) yield* settle
      yield* settle
      expect(yield* held).toEqual([1, 9])
      yield* latch.open
      yield* idle
      expect(started.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }).pipe(during)
  )
})
