/** What every store promises of tasks that kill their workers, and of those that happen to run beside them. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { agentBoxKey } from "../../runtime/mailbox.ts"
import { Operations } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import { crashesMax } from "../../runtime/turn.ts"
import { type Entry, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, boxOf, letterOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import {
  aTask,
  claim,
  end,
  found,
  headerOf,
  release,
  submit,
  tasks,
  turn,
  ulidsOf
} from "../support/tasks.ts"

/** A worker claims all it is given, and dies with it. */
const dies = Effect.fnUntraced(function* (worker: string, want: number, suspect = true) {
  const { claimed } = yield* turn(worker, { want, suspect })
  yield* (yield* Store).evict(partition, worker)
  return claimed.map(({ entry }) => entry)
})

/** These tasks, after two of their workers have died. */
const suspectsOf = Effect.fnUntraced(function* (...some: ReadonlyArray<ReturnType<typeof aTask>>) {
  yield* submit(...some)
  yield* dies("w1", some.length)
  yield* dies("w2", some.length)
  yield* turn("reaper")
  return some.map(({ entry }): Entry => nextRun(nextRun(entry)))
})

/** One that needs a permit of the ring `provider` for each run. */
const limitedSuspect = Effect.gen(function* () {
  const { entry, ...poison } = aTask({ box: { name: "provider|k", limit: 0, ordered: false } })
  yield* submit({ ...poison, entry })
  for (const worker of ["w1", "w2"]) {
    yield* turn(worker, { want: 1, permits: [["provider", 1]] })
    yield* (yield* Store).evict(partition, worker)
  }
  yield* turn("reaper")
  return nextRun(nextRun(entry))
})

export const suspectsSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`a task that kills its workers, in ${name}`, () => {
    promise("is buried by its third death, and nobody beside it is", function* () {
      const [poison, ...innocents] = tasks(20)
      yield* submit(poison!, ...innocents)
      yield* dies("w1", 20)
      yield* dies("w2", 20)

      // Each worker has room for all of them; it dies whenever it is handed the poison, and else does its work.
      for (let at = 0; at < 40; at++) {
        const { claimed } = yield* turn(`v${at}`, { want: 20 })
        const entries = claimed.map(({ entry }) => entry)
        if (ulidsOf(entries).includes(poison!.ulid)) yield* (yield* Store).evict(partition, `v${at}`)
        else yield* turn(`v${at}`, { settled: entries.map((entry) => end(entry)) })
      }

      expect(headerOf((yield* found(poison!.ulid))!.record)).toMatchObject({
        letter: "F",
        crashes: crashesMax
      })
      for (const { ulid } of innocents) expect(yield* letterOf(ulid)).toBe("S")
    })

    promise("is handed out one at a time, beside any number of others", function* () {
      const [first, second] = yield* suspectsOf(...tasks(2))
      const others = tasks(3)
      yield* submit(...others)

      expect(yield* claim("w", 10)).toEqual([first!, ...others.map(({ entry }) => entry)])
      expect((yield* turn("w", { want: 10, suspect: false })).claimed).toEqual([])
      expect(yield* claim("v", 10)).toEqual([second!])
    })

    promise("wakes another worker for the next suspect", function* () {
      const { rang } = yield* Bell
      yield* suspectsOf(...tasks(2))
      yield* rang

      yield* claim("w", 10)
      expect(yield* rang).toBe(true)
      yield* claim("v", 10)
      expect(yield* rang).toBe(false)
    })

    promise("is no suspect after one death: it goes back to the head of its lane", function* () {
      const [first, second] = tasks(2)
      yield* submit(first!, second!)
      yield* dies("w1", 2)
      const other = aTask()
      yield* submit(other)

      const { claimed } = yield* turn("w", { want: 5, suspect: false })

      expect(claimed.map(({ entry }) => entry)).toEqual([
        nextRun(first!.entry),
        nextRun(second!.entry),
        other.entry
      ])
    })

    promise("stays a suspect when it is given back alive", function* () {
      const [suspect] = yield* suspectsOf(aTask())
      yield* claim("w", 1)

      yield* turn("w", { settled: [release(suspect!)] })

      expect((yield* turn("w", { want: 1, suspect: false })).claimed).toEqual([])
      expect(yield* claim("w", 1)).toEqual([nextRun(suspect!)])
    })

    promise("keeps the room of its key, ordered or not: nothing of it runs beside", function* () {
      for (const ordered of [true, false]) {
        const box = boxOf(`key ${ordered}`, { ordered })
        const [suspect] = yield* suspectsOf(aTask({ box }))
        const next = aTask({ box })
        yield* submit(next)

        expect((yield* turn("w", { want: 5, suspect: false })).claimed).toEqual([])
        expect(yield* claim("w", 5)).toEqual([suspect!])
        expect(yield* claim("w", 5)).toEqual([])
        yield* turn("w", { settled: [end(suspect!)] })
        expect(yield* claim("w", 5)).toEqual([next.entry])
      }
    })

    promise("waits for the permits of its limits, and takes one of them", function* () {
      const suspect = yield* limitedSuspect

      const { claimed: without, rings } = yield* turn("w", { want: 5 })
      expect(without).toEqual([])
      expect(rings).toEqual([["provider", 1]])

      const { claimed } = yield* turn("w", { want: 5, permits: [["provider", 1]] })
      expect(claimed).toMatchObject([{ entry: suspect, ring: "provider" }])
    })

    promise("is left to others by a worker that runs one already, permits or not", function* () {
      yield* limitedSuspect

      const busy = { want: 5, suspect: false, permits: [["provider", 1]] } as const
      const { claimed, nextDue, now, rings } = yield* turn("w", busy)

      expect(claimed).toEqual([])
      // Nor does it ask for permits again at once.
      expect(rings).toEqual([])
      expect(nextDue).toBe(now + 500)
      yield* advance("500 millis")
      expect((yield* turn("v", { want: 1 })).rings).toEqual([["provider", 1]])
    })

    promise("waits while its key is paused", function* () {
      const { pause } = yield* Operations
      const [suspect] = yield* suspectsOf(aTask({ box: boxOf("k") }))
      yield* pause(partition, true, "k")

      expect(yield* claim("w", 5)).toEqual([])
      yield* pause(partition, false, "k")
      expect(yield* claim("w", 5)).toEqual([suspect!])
    })

    promise("is handed out one at a time, of whatever keys, and others of its key pass it by", function* () {
      const boxes = ["a", "b"].map((key) => boxOf(key, { limit: 3, ordered: false }))
      const both = yield* suspectsOf(...boxes.map((box) => aTask({ box })))
      const others = boxes.map((box) => aTask({ box }))
      yield* submit(...others)
      const { rang } = yield* Bell
      yield* rang

      const claimed = yield* claim("w", 5)

      const [one] = both.filter((entry) => claimed.includes(entry))
      expect(claimed.toSorted()).toEqual([one!, ...others.map(({ entry }) => entry)].toSorted())
      // Somebody else is to look.
      expect(yield* rang).toBe(true)
      expect((yield* turn("w", { want: 5, suspect: false })).claimed).toEqual([])
      expect(yield* rang).toBe(false)
      expect(yield* claim("v", 5)).toEqual(both.filter((entry) => entry !== one))
    })

    promise("is passed over by no message of its agent", function* () {
      const box = boxOf(agentBoxKey("cart/a"))
      const [suspect] = yield* suspectsOf(aTask({ box }))
      const next = aTask({ box })
      yield* submit(next)

      expect((yield* turn("w", { want: 5, suspect: false })).claimed).toEqual([])
      expect(yield* claim("w", 5)).toEqual([suspect!])
      yield* turn("w", { settled: [end(suspect!)] })
      expect(yield* claim("w", 5)).toEqual([next.entry])
    })

    promise("gives the room of its key back when its third death buries it", function* () {
      const [suspect] = yield* suspectsOf(aTask({ box: boxOf("a") }))
      const next = aTask({ box: boxOf("a") })
      yield* submit(next)

      expect(yield* dies("w3", 5)).toEqual([suspect!])

      expect(yield* claim("w", 5)).toEqual([next.entry])
      expect(yield* letterOf(ulidOfEntry(suspect!))).toBe("F")
    })
  })
}
