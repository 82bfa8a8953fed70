/** What every store promises, in sentences. Each runs in a namespace of its own, on a clock that it moves itself. */
import { describe, expect } from "bun:test"
import { Duration, Effect, Fiber } from "effect"
import type { NewTask } from "../../runtime/mailbox.ts"
import {
  hintEventMax,
  hintRecordMax,
  bellWaitMaxMs,
  type EventKind,
  eventsMax,
  type NewEvent,
  Store,
  type TaskEvent
} from "../../runtime/store.ts"
import { decodeRecord } from "../../runtime/record.ts"
import { type Entry, idIn, lanes, nextRun, runOfEntry, ulidOfEntry } from "../../runtime/task.ts"
import { boxOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import {
  anEnd,
  anEnvelope,
  aRetry,
  aTask,
  aUlid,
  claim,
  end,
  entriesOf,
  found,
  headerOf,
  release,
  retry,
  submit,
  tasks,
  turn
} from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

export const storeSuite = (name: string, storeWith: StoreWith) => {
  const promise = promisesOn(storeWith)

  describe(`submit, in ${name}`, () => {
    promise("hands tasks out as they were submitted, in their order", function* () {
      const [first, ...others] = tasks(5)
      yield* submit(first!)
      yield* submit(...others)

      const { claimed } = yield* turn("w", { want: 10 })

      expect(claimed).toEqual([first!, ...others].map(({ entry, record }) => ({ entry, record })))
    })

    promise("hands the more urgent lane out first", function* () {
      const byLane = lanes.map((lane) => aTask({ lane }))
      yield* submit(...byLane.toReversed())

      expect(yield* claim("w", 3)).toEqual(byLane.slice(0, 3).map(({ entry }) => entry))
      expect(yield* claim("w", 3)).toEqual([byLane[3]!.entry])
    })

    promise("keeps a delayed task until its time has come, and not a moment less", function* () {
      const task = aTask({ due: { afterMs: 5_000 } })
      yield* submit(task)
      yield* advance(4_999)
      expect(yield* claim("w", 1)).toEqual([])

      yield* advance(1)

      expect(yield* claim("w", 1)).toEqual([task.entry])
    })

    promise("keeps a task until a given time, and hands one out at once whose time has passed", function* () {
      const now = yield* Effect.flatMap(TestTime, ({ now }) => now)
      const [soon, past] = [aTask({ due: { at: now + 1_000 } }), aTask({ due: { at: now - 60_000 } })]
      yield* submit(soon, past)

      expect(yield* claim("w", 2)).toEqual([past.entry])
      yield* advance(1_000)
      expect(yield* claim("w", 2)).toEqual([soon.entry])
    })

    promise("puts delayed tasks into their lanes in the order in which they come due", function* () {
      const [last, first, urgent] = [
        aTask({ due: { afterMs: 3_000 } }),
        aTask({ due: { afterMs: 1_000 } }),
        aTask({ due: { afterMs: 2_000 }, lane: "urgent" })
      ]
      yield* submit(last, first, urgent)

      yield* advance(3_000)

      expect(yield* claim("w", 3)).toEqual([urgent.entry, first.entry, last.entry])
    })

    promise("says when the next delayed task is due", function* () {
      yield* submit(aTask({ due: { afterMs: 5_000 } }), aTask({ due: { afterMs: 2_000 } }))
      expect((yield* turn("w")).nextDue).toBe(startOfTime + 2_000)

      yield* advance(2_000)

      expect((yield* turn("w")).nextDue).toBe(startOfTime + 5_000)
      yield* advance(3_000)
      expect((yield* turn("w")).nextDue).toBeUndefined()
    })

    promise("said again, stores nothing twice, wherever the task is by now", function* () {
      const store = yield* Store
      const [waiting, running, ended, buried] = tasks(4)
      const delayed = aTask({ due: { afterMs: 60_000 } })
      const all = [ended!, buried!, running!, waiting!, delayed]
      yield* submit(...all)
      const entries = yield* claim("w", 3)
      yield* turn("w", { settled: [end(entries[0]!, "S"), end(entries[1]!, "F")] })
      const before = yield* store.read(
        partition,
        all.map(({ ulid }) => ulid)
      )

      yield* submit(...all)

      expect(
        yield* store.read(
          partition,
          all.map(({ ulid }) => ulid)
        )
      ).toEqual(before)
      expect(yield* store.depth(partition)).toEqual({
        lanes: { urgent: 0, high: 0, normal: 1, low: 0 },
        later: 1,
        held: 1,
        dead: 1,
        boxed: 0,
        waiting: 0
      })
    })

    promise("said again much later, stores nothing, wherever its tasks have gone", function* () {
      const some = [aTask(), aTask({ due: { afterMs: 1_000 } })]
      yield* submit(...some)
      yield* submit(...some)
      const [entry] = yield* claim("w", 5)
      yield* submit(...some)
      yield* turn("w", { settled: [end(entry!)] })
      yield* submit(...some)

      expect(yield* claim("w", 5)).toEqual([])
      expect(yield* (yield* Store).depth(partition)).toMatchObject({
        lanes: { normal: 0 },
        later: 1,
        held: 0
      })
    })

    promise("of what is owed stores each task once, whatever others have stored of it", function* () {
      const store = yield* Store
      const owe = (...some: ReadonlyArray<NewTask>) => store.submit(partition, some, { owed: true })
      const [ended, waits, fresh] = tasks(3)
      const keyed = tasks(2, { box: boxOf("a") })
      const later = [aTask({ due: { afterMs: 1_000 } }), aTask({ due: { afterMs: 1_000 } })]
      yield* owe(ended!, waits!, keyed[0]!, later[0]!)
      yield* claim("w", 1)
      yield* turn("w", { settled: [end(ended!.entry)] })

      yield* owe(ended!, waits!, fresh!, ...keyed, ...later)
      yield* owe(waits!, keyed[0]!)

      expect(yield* store.depth(partition)).toMatchObject({ lanes: { normal: 2 }, later: 2, boxed: 2 })
      expect((yield* claim("w", 9)).toSorted()).toEqual(
        [waits!, fresh!, keyed[0]!].map(({ entry }) => entry).toSorted()
      )
      yield* owe(keyed[0]!)
      yield* turn("w", { settled: [end(keyed[0]!.entry)] })
      expect(yield* claim("w", 9)).toEqual([keyed[1]!.entry])
    })

    promise(
      "stores a batch of ten thousand, and hands it out, takes it back and ends it in one turn each",
      function* () {
        const many = tasks(10_000)
        yield* submit(...many)

        const entries = yield* claim("w", 10_000)
        expect(entries).toEqual(many.map(({ entry }) => entry))
        yield* turn("w", { settled: entries.map(release), notes: entries.map((entry) => [entry, "{}"]) })
        const again = yield* claim("w", 10_000)
        expect(again).toEqual(entries.map(nextRun))
        const { lost } = yield* turn("w", { settled: again.map((entry) => end(entry)), noted: again })

        expect(lost).toEqual([])
        expect(yield* (yield* Store).depth(partition)).toMatchObject({ held: 0, dead: 0 })
      }
    )

    promise("keeps partitions apart", function* () {
      const store = yield* Store
      yield* submit(aTask())

      expect(yield* store.depth("other.0")).toMatchObject({ lanes: { normal: 0 } })
      expect(yield* store.read("other.0", [aUlid()])).toEqual([undefined])
    })
  })

  describe(`a turn, in ${name}`, () => {
    promise("claims no more than was wanted", function* () {
      const [first, second, third] = tasks(3)
      yield* submit(first!, second!, third!)

      expect(yield* claim("w", 0)).toEqual([])
      expect(yield* claim("w", 2)).toEqual([first!.entry, second!.entry])
      expect(yield* claim("w", 2)).toEqual([third!.entry])
    })

    promise("hands no entry to two workers", function* () {
      const many = tasks(200)
      yield* submit(...many)

      const claimed = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, at) => `w${at % 4}`),
        (worker) => claim(worker, 7),
        { concurrency: "unbounded" }
      )

      expect(claimed.flat().toSorted()).toEqual(many.map(({ entry }) => entry))
    })

    promise(
      "ends a task: its outcome takes the place of its envelope, and it is not handed out again",
      function* () {
        const entry = yield* heldOne("w")

        const { lost } = yield* turn("w", { settled: [end(entry)] })

        expect(lost).toEqual([])
        expect(yield* found(ulidOfEntry(entry))).toEqual({ record: anEnd(entry), place: { kind: "ended" } })
        expect(yield* claim("w", 1)).toEqual([])
      }
    )

    promise("makes a dead letter of a task that failed", function* () {
      const entry = yield* heldOne("w")

      yield* turn("w", { settled: [end(entry, "F")] })

      expect(yield* found(ulidOfEntry(entry))).toEqual({
        record: anEnd(entry, "F"),
        place: { kind: "ended" }
      })
      expect(yield* (yield* Store).depth(partition)).toMatchObject({ held: 0, dead: 1 })
    })

    promise("retries a task under its next run and record, and not before its delay", function* () {
      const entry = yield* heldOne("w")
      yield* turn("w", { settled: [retry(entry, 2_000)] })
      yield* advance(1_999)
      expect(yield* claim("w", 1)).toEqual([])
      yield* advance(1)

      const { claimed } = yield* turn("w", { want: 1 })

      expect(claimed).toEqual([{ entry: nextRun(entry), record: aRetry(entry) }])
    })

    promise(
      "puts what is released at the head of its lane, oldest first, with no crash counted",
      function* () {
        const released = yield* held("w", 3)
        const waiting = aTask()
        yield* submit(waiting)

        yield* turn("w", { settled: released.toReversed().map(release) })

        const { claimed } = yield* turn("v", { want: 5 })
        expect(entriesOf(claimed)).toEqual([...released.map(nextRun), waiting.entry])
        expect(claimed.slice(0, 3).map(({ record }) => headerOf(record))).toEqual(
          released.map(() => ({ letter: "Q", lane: "normal", run: 2, crashes: 0 }))
        )
      }
    )

    promise("calls lost what the worker does not hold, and writes nothing of it", function* () {
      const theirs = yield* held("v", 4)
      const records = yield* Effect.forEach(theirs, (entry) => found(ulidOfEntry(entry)))
      const [ended, retried, released, noted] = theirs

      const { lost } = yield* turn("w", {
        settled: [end(ended!), retry(retried!, 0), release(released!)],
        notes: [[noted!, `{"note":1}`]]
      })

      expect(lost.toSorted()).toEqual(theirs)
      expect(yield* Effect.forEach(theirs, (entry) => found(ulidOfEntry(entry)))).toEqual(records)
      expect(yield* claim("w", 5)).toEqual([])
    })

    promise("settles the ends that it holds beside one that it does not hold any more", function* () {
      const [first, second] = yield* held("w", 2)
      const theirs = yield* heldOne("v")

      const { lost } = yield* turn("w", { settled: [end(first!), end(theirs), end(second!, "S", "another")] })

      expect(lost).toEqual([theirs])
      expect(yield* found(ulidOfEntry(first!))).toMatchObject({ record: anEnd(first!) })
      expect(yield* found(ulidOfEntry(second!))).toMatchObject({ record: anEnd(second!, "S", "another") })
      expect(yield* found(ulidOfEntry(theirs))).toMatchObject({ place: { kind: "held", worker: "v" } })
    })

    promise("refuses the outcome of a run that was handed to somebody else", function* () {
      const old = yield* heldOne("w")
      yield* turn("w", { settled: [release(old)] })
      const current = yield* claim("v", 1)
      expect(current).toEqual([nextRun(old)])

      const { lost } = yield* turn("w", { settled: [end(old)] })

      expect(lost).toEqual([old])
      expect(yield* found(ulidOfEntry(old))).toMatchObject({ place: { kind: "held", worker: "v" } })
    })

    promise("refuses a second outcome: the first one stays", function* () {
      const entry = yield* heldOne("w")
      yield* turn("w", { settled: [end(entry, "S", "first")] })

      const { lost } = yield* turn("w", { settled: [end(entry, "S", "second")] })

      expect(lost).toEqual([entry])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ record: anEnd(entry, "S", "first") })
    })

    promise("said again, finds its own outcomes and counts them as done", function* () {
      const [ended, buried, retried, released] = yield* held("w", 4)
      const settled = [end(ended!), end(buried!, "F"), retry(retried!, 1_000), release(released!)]
      yield* turn("w", { settled })
      const depth = yield* (yield* Store).depth(partition)

      const { lost } = yield* turn("w", { settled, again: true })

      expect(lost).toEqual([])
      expect(yield* (yield* Store).depth(partition)).toEqual(depth)
    })

    promise("said again, does not count the outcome of another as its own", function* () {
      const [first, second] = yield* held("w", 2)
      yield* turn("w", { settled: [end(first!, "S", "mine"), release(second!)] })
      yield* turn("v", { want: 1 })

      const { lost } = yield* turn("w", { settled: [end(first!, "S", "another"), end(second!)], again: true })

      expect(lost.toSorted()).toEqual([first!, second!])
    })

    promise("said again, settles what the first call did not", function* () {
      const entry = yield* heldOne("w")

      const { lost } = yield* turn("w", { settled: [end(entry)], again: true })

      expect(lost).toEqual([])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "ended" } })
    })

    promise("said again, tells what the worker holds beside what it now claims", function* () {
      const unheard = yield* held("w", 2)
      const next = aTask()
      yield* submit(next)

      const { claimed, held: also } = yield* turn("w", { want: 1, again: true })

      expect(entriesOf(claimed)).toEqual([next.entry])
      expect(also.toSorted()).toEqual(unheard)
    })

    promise("said for the first time, does not tell what the worker holds", function* () {
      yield* heldOne("w")

      expect((yield* turn("w")).held).toEqual([])
    })

    promise("is refused to a worker that is not registered, and changes nothing", function* () {
      const entry = yield* heldOne("w")
      yield* submit(aTask())
      const before = yield* (yield* Store).depth(partition)

      const refused = yield* Effect.flip(turn("v", { join: false, want: 5, settled: [end(entry)] }))

      expect(refused).toMatchObject({ _tag: "Fenced", worker: "v" })
      expect(yield* (yield* Store).depth(partition)).toEqual(before)
    })

    promise("keeps a note on a running task until it is settled", function* () {
      const entry = yield* heldOne("w")

      yield* turn("w", { notes: [[entry, `{"startedAt":1}`]] })
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({
        place: { kind: "held", note: `{"startedAt":1}` }
      })
      yield* turn("w", { settled: [release(entry)], noted: [entry] })
      yield* claim("w", 1)

      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", note: undefined } })
    })

    promise("tells the reply channels that it was given, with what is small and was accepted", function* () {
      const inbox = yield* (yield* Store).inbox
      yield* inbox.tune(partition)
      yield* submit(...tasks(2))
      const [small, large] = yield* claim("w", 2)
      const stranger = aTask().entry
      const settled = [end(small!), end(large!, "S", "x".repeat(hintRecordMax)), end(stranger)]

      yield* turn("w", {
        settled,
        hints: [
          ["nobody", [small!]],
          [inbox.name, [small!, large!, stranger]]
        ]
      })

      const news = [
        { ulid: ulidOfEntry(small!), record: anEnd(small!) },
        { ulid: ulidOfEntry(large!), record: undefined },
        { ulid: ulidOfEntry(stranger), record: undefined }
      ]
      expect(yield* inbox.next).toEqual({ partition, news })
    })
  })

  describe(`leases, in ${name}`, () => {
    promise(
      "hands a worker's tasks to others once its lease has run out, and counts the crash",
      function* () {
        const entry = yield* heldOne("w")
        yield* advance(9_999)
        expect(yield* claim("v", 1)).toEqual([])
        yield* advance(1)

        const { claimed } = yield* turn("v", { want: 1 })

        expect(entriesOf(claimed)).toEqual([nextRun(entry)])
        expect(headerOf(claimed[0]!.record)).toMatchObject({
          run: 2,
          crashes: 1,
          lost: [{ attempt: 1, worker: "w", lostAt: startOfTime + 10_000 }]
        })
        expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced", worker: "w" })
      }
    )

    promise("lets a worker that takes its turns keep what it holds", function* () {
      const entry = yield* heldOne("w")
      for (let turns = 0; turns < 5; turns++) {
        yield* advance("9 seconds")
        yield* turn("w", { join: false })
        expect(yield* claim("v", 1)).toEqual([])
      }
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", worker: "w" } })
    })

    promise("lets a worker renew whose lease has run out, as long as nobody has reaped it", function* () {
      const entry = yield* heldOne("w")
      yield* advance("1 minute")

      yield* turn("w", { join: false })

      expect(yield* claim("v", 1)).toEqual([])
      expect((yield* turn("w", { join: false, settled: [end(entry)] })).lost).toEqual([])
    })

    promise("gives a dead worker's tasks back ahead of those that wait, and forgets its notes", function* () {
      const entry = yield* heldOne("w")
      yield* turn("w", { notes: [[entry, "{}"]] })
      yield* submit(aTask())
      yield* advance("1 minute")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { worker: "v", note: undefined } })
    })

    promise("hands back at once what an evicted worker held", function* () {
      const entry = yield* heldOne("w")

      yield* (yield* Store).evict(partition, "w")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced" })
    })

    promise("refuses a worker that was evicted, though nobody has reaped it yet", function* () {
      const entry = yield* heldOne("w")
      yield* (yield* Store).evict(partition, "w")

      expect(yield* Effect.flip(turn("w", { join: false, settled: [end(entry)] }))).toMatchObject({
        _tag: "Fenced"
      })
      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
    })

    promise("evicts a worker that is not there, and one twice, without harm", function* () {
      const store = yield* Store
      yield* heldOne("w")

      yield* store.evict(partition, "nobody")
      yield* store.evict(partition, "w")
      yield* store.evict(partition, "w")

      expect(yield* claim("v", 2)).toHaveLength(1)
    })

    promise("keeps what a worker holds while somebody renews its lease in its place", function* () {
      const store = yield* Store
      const entry = yield* heldOne("w")
      for (let renewals = 0; renewals < 5; renewals++) {
        yield* advance("9 seconds")
        expect(yield* store.renew(partition, "w", 10_000)).toBe(true)
        expect(yield* claim("v", 1)).toEqual([])
      }
      expect((yield* turn("w", { join: false, settled: [end(entry)] })).lost).toEqual([])
    })

    promise("renews for no worker that was evicted or reaped, or that is not there", function* () {
      const store = yield* Store
      const entry = yield* heldOne("w")
      yield* store.evict(partition, "w")

      expect(yield* store.renew(partition, "w", 10_000)).toBe(false)
      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
      expect(yield* store.renew(partition, "w", 10_000)).toBe(false)
      expect(yield* store.renew(partition, "nobody", 10_000)).toBe(false)
      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced" })
    })

    promise("lets a worker that holds nothing leave", function* () {
      const store = yield* Store
      yield* turn("w")

      yield* store.leave(partition, "w")
      yield* store.leave(partition, "w")

      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced" })
    })

    promise("evicts a worker that leaves with tasks in its hands", function* () {
      const entry = yield* heldOne("w")

      yield* (yield* Store).leave(partition, "w")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
    })

    promise("judges no lease in a turn that finds the clock far from where it was expected", function* () {
      const entry = yield* heldOne("w")
      const before = yield* Effect.flatMap(TestTime, ({ now }) => now)
      yield* advance("1 hour")

      expect((yield* turn("v", { want: 1, expectedNow: before + 10 })).claimed).toEqual([])
      expect((yield* turn("w", { join: false })).lost).toEqual([])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", worker: "w" } })
    })

    promise("judges no lease in a turn that is not to", function* () {
      const entry = yield* heldOne("w")
      yield* advance("1 hour")

      expect((yield* turn("v", { want: 1, judges: false })).claimed).toEqual([])

      expect(entriesOf((yield* turn("v", { want: 1 })).claimed)).toEqual([nextRun(entry)])
    })

    for (const judges of [true, false])
      promise(
        `gives nobody more than a lease from a clock that was set back, where it ${judges ? "judges" : "does not judge"} leases`,
        function* () {
          const { now } = yield* turn("w", { leaseMs: 3_600_000 })
          yield* submit(aTask())
          const [entry] = yield* Effect.map(turn("w", { want: 1, leaseMs: 3_600_000 }), ({ claimed }) =>
            entriesOf(claimed)
          )

          yield* turn("v", { expectedNow: now + 3_590_000, judges, leaseMs: 10_000 })
          yield* advance(9_999)
          expect((yield* turn("v", { want: 1 })).claimed).toEqual([])
          yield* advance(1)

          expect(entriesOf((yield* turn("v", { want: 1 })).claimed)).toEqual([nextRun(entry!)])
        }
      )

    promise(
      "gives nobody more than a lease where all who know that the clock was set back are gone",
      function* () {
        const entry = yield* heldOne("w")
        yield* (yield* TestTime).setBack("1 hour")

        yield* turn("v", { leaseMs: 10_000 })
        yield* advance(9_999)
        expect((yield* turn("v", { want: 1, join: false })).claimed).toEqual([])
        yield* advance(1)

        expect(entriesOf((yield* turn("v", { want: 1, join: false })).claimed)).toEqual([nextRun(entry)])
      }
    )

    promise("leaves a worker with a longer lease of its own all of it when another one joins", function* () {
      const leaseMs = 60_000
      yield* submit(aTask())
      const { claimed } = yield* turn("w", { want: 1, leaseMs, about: JSON.stringify({ leaseMs }) })
      yield* turn("v", { leaseMs: 10_000 })
      yield* advance(59_999)

      expect((yield* turn("v", { want: 1, join: false })).claimed).toEqual([])
      yield* advance(1)

      expect(entriesOf((yield* turn("v", { want: 1, join: false })).claimed)).toEqual([
        nextRun(claimed[0]!.entry)
      ])
    })

    promise("judges leases again in the next turn, which expects the new time", function* () {
      const entry = yield* heldOne("w")
      yield* advance("1 hour")
      const { now } = yield* turn("v", { expectedNow: startOfTime })

      const { claimed } = yield* turn("v", { want: 1, expectedNow: now - 1_000 })

      expect(entriesOf(claimed)).toEqual([nextRun(entry)])
    })

    promise("hands back what an evicted worker held even when the clock jumped", function* () {
      const entry = yield* heldOne("w")
      yield* (yield* Store).evict(partition, "w")

      const { claimed } = yield* turn("v", { want: 1, expectedNow: startOfTime - 5_000 })

      expect(entriesOf(claimed)).toEqual([nextRun(entry)])
    })

    promise("takes no lease away when the clock is set back", function* () {
      yield* heldOne("w")
      yield* (yield* TestTime).setBack("1 hour")

      expect(yield* claim("v", 1)).toEqual([])
      expect((yield* turn("w", { join: false })).now).toBe(startOfTime - 3_600_000)
    })

    promise(
      "makes a dead letter of a task that three workers died with, and keeps its envelope",
      function* () {
        const store = yield* Store
        const task = aTask({ input: { page: 7 } })
        yield* submit(task)

        for (const worker of ["first", "second", "third"]) {
          const [entry] = yield* claim(worker, 1)
          if (worker === "second")
            yield* turn(worker, { notes: [[entry!, `{"worker":"second","startedAt":7}`]] })
          yield* store.evict(partition, worker)
        }
        expect(yield* claim("v", 1)).toEqual([])

        const { place, record } = (yield* found(task.ulid))!
        expect(place).toEqual({ kind: "ended" })
        expect(decodeRecord(record).header).toEqual({
          letter: "F",
          lane: "normal",
          run: 3,
          crashes: 3,
          lost: [
            { attempt: 1, worker: "first", lostAt: startOfTime },
            { attempt: 2, worker: "second", startedAt: 7, lostAt: startOfTime },
            { attempt: 3, worker: "third", lostAt: startOfTime }
          ]
        })
        expect(JSON.parse(decodeRecord(record).json)).toEqual({
          task: JSON.parse(anEnvelope({ page: 7 })),
          worker: "third",
          finishedAt: startOfTime,
          error: { type: "WorkerLost", message: "3 workers died while they held this task" }
        })
        expect(yield* store.depth(partition)).toMatchObject({ held: 0, dead: 1, lanes: { normal: 0 } })
      }
    )

    promise(
      "gives a dead worker's many tasks back piece by piece, and in the end oldest first",
      function* () {
        const entries = yield* held("w", 120)
        const waiting = aTask()
        yield* submit(waiting)
        yield* (yield* Store).evict(partition, "w")

        const left: Array<number> = []
        for (let turns = 0; turns < 3; turns++) {
          yield* turn("v")
          left.push((yield* (yield* Store).depth(partition)).held)
        }

        expect(left).toEqual([70, 20, 0])
        expect(yield* claim("v", 200)).toEqual([...entries.map(nextRun), waiting.entry])
      }
    )

    promise("keeps ringing while there is a dead worker left to reap", function* () {
      const store = yield* Store
      const bell = yield* Bell
      yield* held("one", 60)
      yield* held("two", 1)
      for (const worker of ["one", "two"]) yield* store.evict(partition, worker)
      yield* bell.rang

      const claimed: Array<Entry> = []
      do claimed.push(...(yield* claim("v", 100)))
      while (yield* bell.rang)

      expect(claimed).toHaveLength(61)
    })
  })

  describe(`reading, in ${name}`, () => {
    promise("says where each task is", function* () {
      const [running, ended, waiting] = tasks(3)
      const [delayed, unknown] = [aTask({ due: { afterMs: 5_000 } }), aTask()]
      yield* submit(running!, ended!, waiting!, delayed)
      yield* claim("w", 2)
      yield* turn("w", { settled: [end(ended!.entry)] })

      const found = yield* (yield* Store).read(
        partition,
        [waiting!, unknown, running!, delayed, ended!].map(({ ulid }) => ulid)
      )

      expect(found).toEqual([
        { record: waiting!.record, place: { kind: "lane" } },
        undefined,
        { record: running!.record, place: { kind: "held", worker: "w", note: undefined } },
        { record: delayed.record, place: { kind: "later", due: startOfTime + 5_000 } },
        { record: anEnd(ended!.entry), place: { kind: "ended" } }
      ])
    })

    promise("tells what has ended from what lives and what is not there", function* () {
      const [ended, buried, running, waiting] = tasks(4)
      yield* submit(ended!, buried!, running!, waiting!)
      yield* claim("w", 3)
      yield* turn("w", { settled: [end(ended!.entry), end(buried!.entry, "F")] })

      const ulids = [waiting!, ended!, buried!, running!, aTask()].map(({ ulid }) => ulid)

      expect(yield* (yield* Store).ended(partition, ulids)).toEqual([
        true,
        anEnd(ended!.entry),
        anEnd(buried!.entry, "F"),
        true,
        undefined
      ])
    })

    promise("reads nothing when asked for nothing", function* () {
      const store = yield* Store

      expect(yield* store.read(partition, [])).toEqual([])
      expect(yield* store.ended(partition, [])).toEqual([])
      expect(yield* store.append(partition, "w", [])).toEqual([])
      yield* store.unwatch(partition, [], "nobody")
      yield* store.submit(partition, [])
    })

    promise("counts what waits where", function* () {
      const store = yield* Store
      yield* submit(...tasks(4, { lane: "low" }), ...tasks(2), aTask({ due: { afterMs: 1_000 } }))
      const [buried] = yield* claim("w", 3)
      yield* turn("w", { settled: [end(buried!, "F")] })
      yield* claim("v", 1)

      expect(yield* store.depth(partition)).toEqual({
        lanes: { urgent: 0, high: 0, normal: 0, low: 2 },
        later: 1,
        held: 3,
        dead: 1,
        boxed: 0,
        waiting: 0
      })
    })

    promise("answers", function* () {
      yield* (yield* Store).ping
    })
  })

  describe(`watching, in ${name}`, () => {
    /** An inbox that hears hints, and watches these tasks. */
    const watching = Effect.fnUntraced(function* (...ulids: ReadonlyArray<string>) {
      const store = yield* Store
      const inbox = yield* store.inbox
      yield* inbox.tune(partition)
      yield* store.ended(partition, ulids, { watch: inbox.name })
      return inbox
    })

    const hint = (...ulids: ReadonlyArray<string>) => ({
      partition,
      news: ulids.map((ulid) => ({ ulid, record: undefined }))
    })

    promise("gives a hint at each event, note and retry, and at the end", function* () {
      const store = yield* Store
      const entry = yield* heldOne("w")
      const ulid = ulidOfEntry(entry)
      const inbox = yield* watching(ulid)

      const event: NewEvent = { entry, seq: 1, kind: "chunk", data: "1" }
      yield* store.append(partition, "w", [event])
      expect(yield* inbox.next).toMatchObject({ news: [{ ulid, event: { seq: 1, data: "1" } }] })
      yield* turn("w", { notes: [[entry, "{}"]] })
      expect(yield* inbox.next).toEqual(hint(ulid))
      yield* turn("w", { settled: [retry(entry, 0)] })
      expect(yield* inbox.next).toEqual(hint(ulid))
      yield* turn("w", { want: 1 })
      yield* turn("w", { settled: [end(nextRun(entry))] })
      expect(yield* inbox.next).toEqual(hint(ulid))
    })

    promise(
      "brings a task's events along when all of a call are small and new, and else says there are some",
      function* () {
        const store = yield* Store
        const entry = yield* heldOne("w")
        const ulid = ulidOfEntry(entry)
        const inbox = yield* watching(ulid)
        const event = (seq: number, kind: EventKind, data: string) => ({ entry, seq, kind, data })
        const [run, chunk, log] = [
          runOfEntry(entry),
          event(1, "chunk", '"a\\nb c~1-1 d"'),
          event(2, "log", "{}")
        ]
        const brought = ({ entry: _, ...rest }: NewEvent) => ({
          ulid,
          record: undefined,
          event: { run, ...rest }
        })

        yield* store.append(partition, "w", [chunk, log])
        expect(yield* inbox.next).toEqual({ partition, news: [chunk, log].map(brought) })
        yield* store.append(partition, "w", [log, event(3, "chunk", "3")])
        expect(yield* inbox.next).toEqual(hint(ulid))
        yield* store.append(partition, "w", [
          event(4, "chunk", "4"),
          event(5, "chunk", "5".repeat(hintEventMax + 1))
        ])
        expect(yield* inbox.next).toEqual(hint(ulid))
        yield* store.append(partition, "w", [event(6, "chunk", "6".repeat(hintEventMax / 2))])
        expect(yield* inbox.next).toMatchObject({ news: [{ event: { seq: 6 } }] })
      }
    )

    promise("brings the events of many tasks along with one hint, and those of no others", function* () {
      const store = yield* Store
      const entries = yield* held("w", 20)
      const followed = entries.slice(0, 15)
      const inbox = yield* watching(...followed.map(ulidOfEntry))

      yield* store.append(
        partition,
        "w",
        entries.map((entry): NewEvent => ({ entry, seq: 1, kind: "chunk", data: JSON.stringify(entry) }))
      )

      const heard: Array<unknown> = []
      while (heard.length < followed.length) {
        const next = yield* inbox.next
        if (next !== "all") heard.push(...next.news.map(({ event }) => event?.data))
      }
      expect(heard).toEqual(followed.map((entry) => JSON.stringify(entry)))
    })

    promise("gives a hint when the death of its worker ends the task", function* () {
      const entry = yield* heldOne("w1")
      const inbox = yield* watching(ulidOfEntry(entry))

      for (const worker of ["w1", "w2", "w3"]) {
        yield* claim(worker, 1)
        yield* (yield* Store).evict(partition, worker)
      }
      yield* turn("v")

      expect(yield* inbox.next).toEqual(hint(ulidOfEntry(entry)))
      expect(yield* (yield* Store).ended(partition, [ulidOfEntry(entry)])).not.toEqual([true])
    })

    promise("gives every inbox that watches its hint", function* () {
      const [one, other] = yield* held("w", 2)
      const both = yield* watching(ulidOfEntry(one!), ulidOfEntry(other!))
      const second = yield* watching(ulidOfEntry(other!))

      yield* turn("w", { settled: [end(one!), end(other!)] })

      const heard: Array<string> = []
      while (heard.length < 2) {
        const next = yield* both.next
        if (next !== "all") heard.push(...next.news.map(({ ulid }) => ulid))
      }
      expect(heard).toEqual([ulidOfEntry(one!), ulidOfEntry(other!)])
      expect(yield* second.next).toEqual(hint(ulidOfEntry(other!)))
    })

    promise("gives no more hints once it is unwatched, or the task has ended", function* () {
      const store = yield* Store
      const [ended, unwatched, watched] = yield* held("w", 3)
      const inbox = yield* watching(...[ended!, unwatched!, watched!].map(ulidOfEntry))
      yield* turn("w", { settled: [end(ended!)] })
      yield* inbox.next

      yield* store.unwatch(partition, [ulidOfEntry(unwatched!), ulidOfEntry(ended!)], inbox.name)
      yield* store.unwatch(partition, [ulidOfEntry(unwatched!)], inbox.name)
      yield* turn("w", { settled: [end(unwatched!)], notes: [[ended!, "{}"]] })
      yield* turn("w", { settled: [end(watched!)] })

      expect(yield* inbox.next).toEqual(hint(ulidOfEntry(watched!)))
    })

    promise("does not disturb the others who watch when one stops", function* () {
      const entry = yield* heldOne("w")
      const [stays, goes] = [yield* watching(ulidOfEntry(entry)), yield* watching(ulidOfEntry(entry))]
      yield* (yield* Store).unwatch(partition, [ulidOfEntry(entry)], goes.name)

      yield* turn("w", { settled: [end(entry)] })

      expect(yield* stays.next).toEqual(hint(ulidOfEntry(entry)))
    })

    promise("forgets the oldest of more watchers than it keeps: they read again by themselves", function* () {
      const store = yield* Store
      const entry = yield* heldOne("w")
      const [oldest, older] = [yield* watching(ulidOfEntry(entry)), yield* watching(ulidOfEntry(entry))]
      for (let at = 0; at < 31; at++)
        yield* store.ended(partition, [ulidOfEntry(entry)], { watch: `dead-${at}` })

      yield* turn("w", { settled: [end(entry)], hints: [[oldest.name, [aUlid()]]] })

      expect(yield* older.next).toEqual(hint(ulidOfEntry(entry)))
      expect(yield* oldest.next).not.toEqual(hint(ulidOfEntry(entry)))
    })
  })

  describe(`events, in ${name}`, () => {
    const beginning = { run: 0, seq: 0 }
    const chunk = (entry: Entry, seq: number): NewEvent => ({ entry, seq, kind: "chunk", data: `"${seq}"` })
    const stored = ({ entry, ...event }: NewEvent): TaskEvent => ({ run: runOfEntry(entry), ...event })

    const append = Effect.fnUntraced(function* (worker: string, ...events: ReadonlyArray<NewEvent>) {
      return yield* (yield* Store).append(partition, worker, events)
    })

    const eventsOf = Effect.fnUntraced(function* (entry: Entry, after = beginning, limit = 100) {
      return yield* (yield* Store).events(idIn(partition, ulidOfEntry(entry)), after, limit)
    })

    promise("reads what is new of many tasks with one call, each after its own position", function* () {
      const [one, other, quiet] = yield* held("w", 3)
      yield* append("w", chunk(one!, 1), chunk(other!, 1), chunk(one!, 2), chunk(other!, 2), chunk(one!, 3))
      const { eventsOf: read } = yield* Store
      const run = runOfEntry(one!)

      const found = yield* read(
        partition,
        [
          { ulid: ulidOfEntry(other!), after: { run, seq: 1 } },
          { ulid: ulidOfEntry(quiet!), after: beginning },
          { ulid: ulidOfEntry(one!), after: beginning }
        ],
        2
      )

      expect(found).toEqual([[stored(chunk(other!, 2))], [], [1, 2].map((seq) => stored(chunk(one!, seq)))])
      expect(yield* read(partition, [], 2)).toEqual([])
      expect(yield* read(partition, [{ ulid: ulidOfEntry(quiet!), after: beginning }], 2)).toEqual([[]])
    })

    promise("keeps the events of each task in their order", function* () {
      const [one, other] = yield* held("w", 2)
      const ofOne: ReadonlyArray<NewEvent> = [
        { entry: one!, seq: 1, kind: "progress", data: `{"fraction":0.5}` },
        { entry: one!, seq: 2, kind: "log", data: `{"level":"info","message":"half"}` },
        chunk(one!, 3)
      ]

      const lost = yield* append("w", ofOne[0]!, chunk(other!, 1), ofOne[1]!, ofOne[2]!)

      expect(lost).toEqual([])
      expect(yield* eventsOf(one!)).toEqual(ofOne.map(stored))
      expect(yield* eventsOf(other!)).toEqual([stored(chunk(other!, 1))])
    })

    promise("has none of a task that emitted none", function* () {
      expect(yield* eventsOf(yield* heldOne("w"))).toEqual([])
    })

    promise("said again, stores nothing twice, and what the first call did not store", function* () {
      const entry = yield* heldOne("w")
      yield* append("w", chunk(entry, 1), chunk(entry, 2))

      expect(yield* append("w", chunk(entry, 1), chunk(entry, 2), chunk(entry, 3))).toEqual([])

      expect((yield* eventsOf(entry)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    })

    promise("gives those after a position, as many as were asked for, across runs", function* () {
      const first = yield* heldOne("w")
      yield* append("w", chunk(first, 1), chunk(first, 2))
      yield* turn("w", { settled: [retry(first, 0)] })
      const [second] = yield* claim("w", 1)
      yield* append("w", chunk(second!, 1), chunk(second!, 2))

      expect((yield* eventsOf(first, { run: 1, seq: 1 }, 2)).map(({ run, seq }) => [run, seq])).toEqual([
        [1, 2],
        [2, 1]
      ])
      expect(yield* eventsOf(first, { run: 2, seq: 2 })).toEqual([])
    })

    promise(
      "refuses those of a run that is over, and keeps those of the others in the same call",
      function* () {
        const [old, own] = yield* held("w", 2)
        yield* append("w", chunk(old!, 1))
        yield* turn("w", { settled: [release(old!)] })
        const [current] = yield* claim("v", 1)
        yield* append("v", chunk(current!, 1))

        expect(yield* append("w", chunk(old!, 2), chunk(own!, 1))).toEqual([old!])

        expect(yield* eventsOf(old!)).toEqual([stored(chunk(old!, 1)), stored(chunk(current!, 1))])
        expect(yield* eventsOf(own!)).toHaveLength(1)
      }
    )

    promise("refuses those of a worker whose tasks were reaped", function* () {
      const entry = yield* heldOne("w")
      yield* (yield* Store).evict(partition, "w")
      yield* turn("v")

      expect(yield* append("w", chunk(entry, 1))).toEqual([entry])
      expect(yield* eventsOf(entry)).toEqual([])
    })

    promise("keeps the newest when there are too many", function* () {
      const entry = yield* heldOne("w")
      const count = eventsMax + 500
      const all = Array.from({ length: count }, (_, at) => chunk(entry, at + 1))
      for (let at = 0; at < count; at += 1_000) yield* append("w", ...all.slice(at, at + 1_000))

      const kept = yield* eventsOf(entry, beginning, count)

      expect(kept.length).toBeGreaterThanOrEqual(eventsMax)
      expect(kept.length).toBeLessThan(count)
      expect(kept).toEqual(all.slice(count - kept.length).map(stored))
    })

    promise(
      "keeps them for the retention after the end",
      function* () {
        const entry = yield* heldOne("w")
        yield* append("w", chunk(entry, 1))
        yield* advance("6 days")
        yield* turn("w", { join: false, settled: [end(entry)], streamed: [entry] })

        yield* advance("59 seconds")
        expect(yield* eventsOf(entry)).toHaveLength(1)
        yield* advance("1 second")
        expect(yield* eventsOf(entry)).toEqual([])
      },
      { retention: Duration.minutes(1) }
    )

    promise(
      "keeps them no longer when only an earlier run emitted any",
      function* () {
        const entry = yield* heldOne("w")
        yield* append("w", chunk(entry, 1))
        yield* (yield* Store).evict(partition, "w")
        const [second] = yield* claim("v", 1)

        yield* turn("v", { settled: [end(second!)] })

        yield* advance("1 minute")
        expect(yield* eventsOf(entry)).toEqual([])
      },
      { retention: Duration.minutes(1) }
    )

    promise(
      "keeps them no longer when the death of its worker ended the task",
      function* () {
        const entry = yield* heldOne("w1")
        yield* append("w1", chunk(entry, 1))
        for (const worker of ["w1", "w2", "w3"]) {
          yield* claim(worker, 1)
          yield* (yield* Store).evict(partition, worker)
        }
        yield* turn("v")
        expect(yield* eventsOf(entry)).toHaveLength(1)

        yield* advance("1 minute")
        expect(yield* eventsOf(entry)).toEqual([])
      },
      { retention: Duration.minutes(1) }
    )
  })

  describe(`the bell, in ${name}`, () => {
    promise("wakes who waits when a task is submitted", function* () {
      const { wait } = yield* (yield* Store).bell(partition)
      const waiting = yield* Effect.forkChild(wait(bellWaitMaxMs), { startImmediately: true })

      yield* submit(aTask())

      yield* Fiber.join(waiting)
      expect(yield* claim("w", 1)).toHaveLength(1)
    })

    promise("wakes at once who comes after it rang", function* () {
      yield* submit(aTask())

      yield* (yield* (yield* Store).bell(partition)).wait(bellWaitMaxMs)
    })

    promise("takes the token of the bell that it hears", function* () {
      const store = yield* Store
      yield* store.submit(partition, [aTask()])

      yield* (yield* store.bell(partition)).wait(bellWaitMaxMs)

      expect(yield* (yield* Bell).rang).toBe(false)
    })

    promise("rings again when a turn leaves work behind, and not when it takes the last", function* () {
      const bell = yield* Bell
      yield* submit(...tasks(3))
      expect(yield* bell.rang).toBe(true)

      yield* claim("w", 2)
      expect(yield* bell.rang).toBe(true)
      yield* claim("w", 1)
      expect(yield* bell.rang).toBe(false)
    })

    promise("holds one token at most", function* () {
      const bell = yield* Bell
      yield* submit(aTask())
      yield* submit(aTask())

      expect([yield* bell.rang, yield* bell.rang]).toEqual([true, false])
    })

    promise("rings for a delayed task only when it is now the next one due", function* () {
      const bell = yield* Bell
      yield* submit(aTask({ due: { afterMs: 2_000 } }))
      expect(yield* bell.rang).toBe(true)
      yield* submit(aTask({ due: { afterMs: 3_000 } }))
      expect(yield* bell.rang).toBe(false)
      yield* submit(aTask({ due: { afterMs: 1_000 } }))
      expect(yield* bell.rang).toBe(true)
    })

    promise("is silent when what was submitted was there already", function* () {
      const bell = yield* Bell
      const task = aTask()
      yield* submit(task)
      yield* bell.rang

      yield* submit(task)

      expect(yield* bell.rang).toBe(false)
    })

    promise(
      "rings when a worker is evicted or leaves with tasks in its hands, and when it hands them back",
      function* () {
        const store = yield* Store
        const bell = yield* Bell
        yield* held("w", 2)
        yield* held("v", 1)
        yield* bell.rang

        yield* store.evict(partition, "w")
        expect(yield* bell.rang).toBe(true)
        yield* turn("u")
        expect(yield* bell.rang).toBe(true)
        yield* store.leave(partition, "v")
        expect(yield* bell.rang).toBe(true)
        yield* store.leave(partition, "u")
        expect(yield* bell.rang).toBe(false)
      }
    )

    promise("lets who waits look for itself when it stays silent", function* () {
      const { wait } = yield* (yield* Store).bell(partition)
      const waiting = yield* Effect.forkChild(wait(20), { startImmediately: true })

      yield* advance("20 millis")

      yield* Fiber.join(waiting)
    })
  })

  const advance = Effect.fnUntraced(function* (by: Duration.Input) {
    yield* (yield* TestTime).advance(by)
  })

  /** Submits tasks, and lets `worker` claim them. */
  const held = Effect.fnUntraced(function* (worker: string, count: number) {
    const submitted = tasks(count)
    yield* submit(...submitted)
    const entries = yield* claim(worker, count)
    expect(entries).toEqual(submitted.map(({ entry }) => entry))
    return entries
  })

  const heldOne = (worker: string) => Effect.map(held(worker, 1), ([entry]) => entry!)
}
