/** What every store promises of the log of what happens to tasks: all of it while somebody listens, and nothing else. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Admission } from "../../runtime/admission.ts"
import { headOf, LifecycleLog, type LifePlace } from "../../runtime/lifecycle.ts"
import { Operations } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import { encodeRecord } from "../../runtime/record.ts"
import { entryOf, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, promisesOn, type StoreWith } from "../support/promises.ts"
import { partition } from "../support/stores.ts"
import { aTask, aUlid, claim, end, release, retry, submit, tasks, turn } from "../support/tasks.ts"

const leaseMs = 60_000
const listen = LifecycleLog.use((log) => log.listen(partition, leaseMs))
const readAfter = (place: LifePlace) => LifecycleLog.use((log) => log.read(partition, place, 1_000))

/** What was noted, as `<kind> <which task> <attempt>`. */
const storyOf = Effect.fnUntraced(function* (place: LifePlace, ulids: ReadonlyArray<string>) {
  const lives = yield* readAfter(place)
  return lives.map(({ attempt, kind, ulid }) => `${kind} ${ulids.indexOf(ulid)} ${attempt}`)
})

export const lifecycleSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`the lifecycle log, in ${name}`, () => {
    promise("keeps nothing while nobody listens", function* () {
      yield* submit(aTask())
      const [entry] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(entry!)] })

      const place = yield* listen
      expect(place.number).toBe(0)
      expect(yield* readAfter({ epoch: 0, number: 0 })).toEqual([])
    })

    promise("tells of every step of a task, with who it is", function* () {
      const place = yield* listen
      const task = aTask()
      const json = JSON.stringify({
        name: "shop.order",
        key: 'k"1',
        tags: ["a", 'b","input":'],
        input: { tags: ["no"], name: "no" }
      })
      const record = encodeRecord({ letter: "Q", lane: "normal", run: 1, crashes: 0 }, json)
      yield* submit({ ...task, record })
      const [first] = yield* claim("w", 1)
      const store = yield* Store
      yield* store.append(partition, "w", [
        { entry: first!, seq: 1, kind: "chunk", data: "1" },
        { entry: first!, seq: 2, kind: "progress", data: '{"fraction":0.5}' }
      ])
      yield* turn("w", { settled: [retry(first!, 0)] })
      const [second] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(second!)] })

      const lives = yield* readAfter(place)

      expect(lives.map(({ attempt, kind, more }) => [kind, attempt, more])).toEqual([
        ["submitted", 0, ""],
        ["started", 1, '{"worker":"w"}'],
        ["progress", 1, '{"fraction":0.5}'],
        ["retrying", 1, ""],
        ["started", 2, '{"worker":"w"}'],
        ["completed", 2, ""]
      ])
      expect(lives.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6])
      expect(lives.every(({ epoch, ulid }) => epoch === place.epoch && ulid === task.ulid)).toBe(true)
      expect(lives.slice(0, 3).map(({ head }) => headOf(head))).toEqual(
        Array(3).fill({ name: "shop.order", key: 'k"1', tags: ["a", 'b","input":'] })
      )
    })

    promise(
      "tells of a task that is handed to a worker that it was submitted, and then that it started",
      function* () {
        const place = yield* listen
        yield* (yield* Store).orders("w", [partition])
        yield* turn("w", { want: 1, standsBy: true })
        yield* submit(aTask())

        const lives = yield* readAfter(place)

        expect(lives.map(({ attempt, kind, more }) => [kind, attempt, more])).toEqual([
          ["submitted", 0, ""],
          ["started", 1, '{"worker":"w"}']
        ])
      }
    )

    promise("tells how tasks end that no worker ends", function* () {
      const place = yield* listen
      const store = yield* Store
      const [cancelled, expired, overdue, delayed] = [
        aTask(),
        aTask({ expiresAt: 1 }),
        aTask({ deadlineAt: 1 }),
        aTask({ due: { afterMs: 5_000 } })
      ] as const
      yield* submit(cancelled, delayed)
      yield* store.cancel(partition, cancelled.ulid, "no more")
      yield* submit(expired)
      yield* turn("w")
      yield* submit(overdue)
      yield* turn("w")

      const ulids = [cancelled, expired, overdue, delayed].map(({ ulid }) => ulid)
      expect(yield* storyOf(place, ulids)).toEqual([
        "submitted 0 0",
        "scheduled 3 0",
        "cancelled 0 0",
        "submitted 1 0",
        "expired 1 0",
        "submitted 2 0",
        "failed 2 0",
        "dead 2 0"
      ])
    })

    promise("tells that a worker has died with a task, and when that was once too often", function* () {
      const task = aTask()
      yield* submit(task)
      const place = yield* listen
      const store = yield* Store
      for (const worker of ["a", "b", "c"]) {
        yield* turn(worker, { want: 1, suspect: true })
        yield* store.evict(partition, worker)
        yield* turn("w")
      }

      expect(yield* storyOf(place, [task.ulid])).toEqual([
        "started 0 1",
        "retrying 0 1",
        "started 0 2",
        "retrying 0 2",
        "started 0 3",
        "failed 0 3",
        "dead 0 3"
      ])
    })

    promise(
      "says nothing of what is handed back, and tells of a dead letter that goes to work again",
      function* () {
        const [released, letter] = tasks(2)
        yield* submit(released!, letter!)
        const entries = yield* claim("w", 2)
        const place = yield* listen
        yield* turn("w", { settled: [release(entries[0]!), end(entries[1]!, "F")] })
        const header = { letter: "Q", lane: "normal", run: 2, crashes: 0 } as const
        const expected = (yield* (yield* Store).read(partition, [letter!.ulid]))[0]!.record
        yield* Operations.use((operations) =>
          operations.revive(partition, [
            {
              ulid: letter!.ulid,
              expected,
              record: encodeRecord(header, '{"name":"test","input":1}'),
              entry: nextRun(entries[1]!)
            }
          ])
        )

        expect(yield* storyOf(place, [released!.ulid, letter!.ulid])).toEqual([
          "failed 1 1",
          "dead 1 1",
          "retrying 1 1"
        ])
      }
    )

    promise("hears of tasks that come through a guard", function* () {
      const place = yield* listen
      const task = aTask({ due: { afterMs: 1_000 } })
      yield* Admission.use((admission) =>
        admission.admit(partition, task, [{ kind: "unique", name: "k", until: "ended" }])
      )

      expect(yield* storyOf(place, [task.ulid])).toEqual(["scheduled 0 0"])
    })

    promise(
      "goes on in one epoch while it is renewed, and begins another after a time without listeners",
      function* () {
        const first = yield* listen
        yield* advance(leaseMs - 1)
        yield* submit(aTask())
        const renewed = yield* listen
        expect(renewed).toEqual({ epoch: first.epoch, number: 1 })

        yield* advance(leaseMs)
        const unheard = aTask()
        yield* submit(unheard)
        const second = yield* listen
        yield* submit(aTask())

        expect(second.epoch).toBeGreaterThan(first.epoch)
        expect(second.number).toBe(0)
        const lives = yield* readAfter(second)
        expect(lives.map(({ epoch, number }) => [epoch, number])).toEqual([[second.epoch, 1]])
      }
    )

    promise("notes nothing of a settlement that does not count", function* () {
      yield* submit(aTask())
      const [entry] = yield* claim("w", 1)
      yield* (yield* Store).cancel(partition, ulidOfEntry(entry!), "no more")
      const place = yield* listen
      yield* turn("w", { settled: [end(entry!)] })
      const stranger = entryOf(aUlid(), "normal", 1)
      yield* turn("w", { settled: [retry(stranger, 0)] })

      expect(yield* readAfter(place)).toEqual([])
    })
  })
}
