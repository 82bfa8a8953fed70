/** How much a process holds of tasks that are searched, however many search. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { makeFinder } from "../../../actors/operate/finder.ts"
import { portionMax } from "../../../actors/operate/portion.ts"
import { Store } from "../../../runtime/store.ts"
import { memoryApi } from "../../support/api.ts"
import { it } from "../../support/effect.ts"

/** A finder whose reads are looked at: how many there are at a time, and how many tasks each is of. */
const watched = Effect.gen(function* () {
  const store = yield* Store
  const seen = { now: 0, most: 0, sizes: [] as Array<number> }
  const read: Store["Service"]["read"] = (partition, ulids) =>
    Effect.suspend(() => {
      seen.sizes.push(ulids.length)
      seen.now += 1
      seen.most = Math.max(seen.most, seen.now)
      return Effect.yieldNow.pipe(Effect.andThen(store.read(partition, ulids)))
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          seen.now -= 1
        })
      )
    )
  const finder = yield* Effect.provideService(makeFinder, Store, Store.of({ ...store, read }))
  return { finder, seen }
})

const submit = (count: number, input: unknown) =>
  Dispatcher.use((dispatcher) =>
    Effect.forEach(Array.from({ length: count }), () => dispatcher.submit({ name: "test", input }))
  )

describe("searches", () => {
  it.live("take turns by the portion, however many there are at once", () =>
    Effect.gen(function* () {
      yield* submit(50, 1)
      const { finder, seen } = yield* watched

      const pages = yield* Effect.all(
        Array.from({ length: 8 }, () => finder.tasks({ name: "test" })),
        { concurrency: "unbounded" }
      )

      expect(pages.map(({ tasks }) => tasks.length)).toEqual(Array.from({ length: 8 }, () => 50))
      expect(seen.most).toBe(2)
    }).pipe(Effect.provide(memoryApi))
  )

  it.live(
    "read few tasks at a time where they are large, of a list of ids and of all that are meant, too",
    () =>
      Effect.gen(function* () {
        const size = 500_000
        const ids = (yield* submit(40, "x".repeat(size))).map(({ id }) => id)
        const { finder, seen } = yield* watched
        const expected = Math.floor(portionMax / size)

        for (const search of [
          Effect.map(finder.tasks({ limit: 40 }), ({ tasks }) => tasks.length),
          Effect.map(
            finder.all({ shelf: "all", queue: "default", isMeant: () => true }),
            ({ length }) => length
          ),
          Effect.map(
            finder.among("default.0", ids, () => true),
            ({ length }) => length
          )
        ]) {
          seen.sizes.length = 0
          expect(yield* search).toBe(40)
          expect(seen.sizes).toEqual([16, expected, expected, expected])
        }
      }).pipe(Effect.provide(memoryApi))
  )
})
