/** What every store promises of tasks that end before their time: expired, over their deadline, or cancelled. */
import { describe, expect } from "bun:test"
import { Duration, Effect } from "effect"
import { type NewEvent, Store } from "../../runtime/store.ts"
import { decodeRecord, readOutcome } from "../../runtime/record.ts"
import { idIn, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, boxOf, letterOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import { adopted } from "../support/children.ts"
import {
  anEnd,
  aTask,
  claim,
  end,
  found,
  release,
  retry,
  submit,
  tasks,
  turn,
  wait
} from "../support/tasks.ts"
import { startOfTime } from "../support/time.ts"

const soon = startOfTime + 1_000

const cancel = (ulid: string) => Store.use((store) => store.cancel(partition, ulid, "no more"))

/** A task that worker `w` runs. */
const aRun = Effect.fnUntraced(function* (over: Parameters<typeof aTask>[0] = {}) {
  yield* submit(aTask(over))
  return (yield* claim("w", 1))[0]!
})

const outcomeOf = Effect.fnUntraced(function* (ulid: string) {
  return readOutcome(decodeRecord((yield* found(ulid))!.record).json)
})

export const earlyEndsSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`an expiry, in ${name}`, () => {
    promise("ends a task that has not started by then, and not a moment earlier", function* () {
      const { ulid } = yield* Effect.tap(Effect.succeed(aTask({ expiresAt: soon })), submit)
      yield* advance(999)
      yield* turn("w")
      expect(yield* letterOf(ulid)).toBe("Q")

      yield* advance(1)
      yield* turn("w")

      expect(yield* letterOf(ulid)).toBe("E")
      expect(yield* outcomeOf(ulid)).toMatchObject({
        worker: "",
        finishedAt: soon,
        error: { type: "Expired" }
      })
    })

    promise("comes before the claim: what has expired is handed out to nobody", function* () {
      const late = [
        aTask({ expiresAt: soon }),
        aTask({ expiresAt: soon, box: boxOf("a") }),
        aTask({ expiresAt: soon, due: { afterMs: 1_000 } })
      ]
      const other = aTask({ box: boxOf("a") })
      yield* submit(...late, other)

      yield* advance(1_000)

      expect(yield* claim("w", 10)).toEqual([other.entry])
    })

    promise("does nothing to a task that runs, or has run and was given back", function* () {
      const [running, given] = tasks(2, { expiresAt: soon })
      yield* submit(running!, given!)
      yield* claim("w", 2)
      yield* turn("w", { settled: [release(given!.entry)] })

      yield* advance(1_000)
      yield* turn("w")

      expect(yield* letterOf(running!.ulid)).toBe("Q")
      expect(yield* claim("w", 5)).toEqual([nextRun(given!.entry)])
    })

    promise("goes when its task ends, and is told as the next time that something is due", function* () {
      const entry = yield* aRun({ expiresAt: soon, deadlineAt: soon + 1 })
      expect((yield* turn("w")).nextDue).toBe(soon)

      const { nextDue } = yield* turn("w", { settled: [end(entry)] })

      expect(nextDue).toBeUndefined()
      expect((yield* (yield* Store).depth(partition)).later).toBe(0)
    })

    promise("rings the bell when it is the next time that something is due", function* () {
      const { rang } = yield* Bell
      yield* submit(aTask({ due: { afterMs: 5_000 } }))
      yield* rang
      yield* submit(aTask({ due: { afterMs: 9_000 } }))
      expect(yield* rang).toBe(false)

      yield* submit(aTask({ due: { afterMs: 9_000 }, expiresAt: soon }))

      expect(yield* rang).toBe(true)
    })
  })

  describe(`a deadline, in ${name}`, () => {
    promise("makes a dead letter of a task, wherever it is", function* () {
      const [running, ...rest] = tasks(2, { deadlineAt: soon, lane: "urgent" })
      const all = [
        running!,
        ...rest,
        aTask({ deadlineAt: soon }),
        aTask({ deadlineAt: soon, due: { afterMs: 60_000 } }),
        aTask({ deadlineAt: soon, box: boxOf("a") })
      ]
      yield* submit(...all)
      yield* claim("w", 2)
      yield* turn("w", { settled: [retry(rest[0]!.entry, 30_000)] })

      yield* advance(1_000)
      yield* turn("v")

      for (const { ulid } of all) {
        expect(yield* letterOf(ulid)).toBe("F")
        expect((yield* outcomeOf(ulid)).error).toMatchObject({ type: "Deadline" })
      }
      expect(yield* (yield* Store).depth(partition)).toMatchObject({ dead: 5, held: 0, later: 0 })
      expect(yield* claim("v", 10)).toEqual([])
    })

    promise("refuses what its run says afterwards", function* () {
      const entry = yield* aRun({ deadlineAt: soon })
      yield* advance(1_000)
      yield* turn("v")

      const { lost } = yield* turn("w", { settled: [end(entry)] })

      expect(lost).toEqual([entry])
      expect(yield* letterOf(ulidOfEntry(entry))).toBe("F")
    })
  })

  describe(`a cancel, in ${name}`, () => {
    promise("ends a task that waits in a lane, a box, or for its time", function* () {
      const waiting = [aTask(), aTask({ box: boxOf("a") }), aTask({ due: { afterMs: 1_000 } })]
      yield* submit(...waiting)

      for (const { ulid } of waiting) expect(yield* cancel(ulid)).toEqual({ kind: "cancelled", children: [] })

      yield* advance(1_000)
      expect(yield* claim("w", 10)).toEqual([])
      for (const { ulid } of waiting) {
        expect(yield* letterOf(ulid)).toBe("C")
        expect((yield* outcomeOf(ulid)).error).toEqual({ type: "Cancelled", message: "no more" })
      }
      expect(yield* (yield* Store).depth(partition)).toMatchObject({ boxed: 0, later: 0 })
    })

    promise("ends a task that runs: nothing its run still says counts", function* () {
      const entry = yield* aRun()
      const event: NewEvent = { entry, seq: 1, kind: "chunk", data: "1" }

      yield* turn("w", { notes: [[entry, `{"worker":"w","startedAt":7,"progress":{}}`]] })

      yield* cancel(ulidOfEntry(entry))

      expect(yield* outcomeOf(ulidOfEntry(entry))).toMatchObject({
        worker: "w",
        startedAt: 7,
        finishedAt: startOfTime
      })
      expect(yield* (yield* Store).append(partition, "w", [event])).toEqual([entry])
      expect((yield* turn("w", { notes: [[entry, "{}"]] })).lost).toEqual([entry])
      expect((yield* turn("w", { settled: [end(entry)] })).lost).toEqual([entry])
      expect((yield* turn("w", { again: true })).held).toEqual([])
      expect(yield* letterOf(ulidOfEntry(entry))).toBe("C")
    })

    promise("tells the worker that runs the task, and no other", function* () {
      const store = yield* Store
      const [mine, theirs] = [yield* store.orders("w", [partition]), yield* store.orders("v", [partition])]
      const entry = yield* aRun()
      yield* submit(aTask())
      const [other] = yield* claim("v", 1)

      yield* cancel(ulidOfEntry(entry))
      yield* cancel(ulidOfEntry(other!))

      expect(yield* mine.next).toEqual({ kind: "stop", partition, entry })
      expect(yield* theirs.next).toEqual({ kind: "stop", partition, entry: other! })
    })

    promise("ends a task that is to be tried again, and one that its worker has given back", function* () {
      const [retried, released] = [yield* aRun(), yield* aRun()]
      yield* turn("w", { settled: [retry(retried, 1_000), release(released)] })

      yield* cancel(ulidOfEntry(retried))
      yield* cancel(ulidOfEntry(released))

      yield* advance(1_000)
      expect(yield* claim("w", 10)).toEqual([])
      expect((yield* turn("w")).nextDue).toBeUndefined()
    })

    promise("ends a task that waits for its children, and says which of them live", function* () {
      const parent = yield* aRun()
      const [living, ended] = yield* adopted(parent, 2)
      yield* turn("w", { settled: [end(ended!.entry), wait(parent, living!.id, ended!.id)] })

      const cancelled = yield* cancel(ulidOfEntry(parent))

      expect(cancelled).toEqual({ kind: "cancelled", children: [living!.id] })
      expect(yield* letterOf(ulidOfEntry(parent))).toBe("C")
      yield* turn("w", { settled: [end(living!.entry)] })
      expect(yield* claim("w", 10)).toEqual([])
    })

    promise("ends a task whose workers died", function* () {
      const { ulid } = yield* Effect.tap(Effect.succeed(aTask()), submit)
      for (const worker of ["w1", "w2"]) {
        yield* claim(worker, 1)
        yield* (yield* Store).evict(partition, worker)
      }
      yield* turn("v")

      yield* cancel(ulid)

      expect(yield* claim("v", 1)).toEqual([])
      expect(yield* letterOf(ulid)).toBe("C")
    })

    promise("said again changes nothing, and neither does one of what has ended", function* () {
      const [entry, other] = [yield* aRun(), yield* aRun()]
      yield* cancel(ulidOfEntry(entry))
      yield* turn("w", { settled: [end(other, "F")] })
      const records = [(yield* found(ulidOfEntry(entry)))!.record, anEnd(other, "F")] as const
      yield* advance(1)

      expect(yield* cancel(ulidOfEntry(entry))).toEqual({ kind: "ended", record: records[0] })
      expect(yield* cancel(ulidOfEntry(other))).toEqual({ kind: "ended", record: records[1] })
      expect(yield* cancel(aTask().ulid)).toEqual({ kind: "missing" })
    })

    promise(
      "leaves its stream for the retention",
      function* () {
        const store = yield* Store
        const entry = yield* aRun()
        yield* store.append(partition, "w", [{ entry, seq: 1, kind: "chunk", data: "1" }])

        yield* cancel(ulidOfEntry(entry))

        const events = store.events(idIn(partition, ulidOfEntry(entry)), { run: 0, seq: 0 }, 10)
        yield* advance("59 seconds")
        expect(yield* events).toHaveLength(1)
        yield* advance("1 second")
        expect(yield* events).toEqual([])
      },
      { retention: Duration.minutes(1) }
    )
  })
}
