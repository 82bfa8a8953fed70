/** What every store promises, in sentences. Each runs in a namespace of its own, on a clock that it moves itself. */
import { describe, expect } from "bun:test"
import { type Duration, Effect, Fiber, type Layer, type Scope } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"
import { bellWaitMaxMs, eventsMax, type NewEvent, Store, type TaskEvent } from "../../runtime/store.ts"
import { decodeRecord, type Entry, idIn, lanes, nextRun, runOfEntry, ulidOfEntry } from "../../runtime/task.ts"
import { it } from "../support/effect.ts"
import { Bell, partition, type StoreUnderTest } from "../support/stores.ts"
import {
  anEnd,
  anEnvelope,
  aTask,
  aTurn,
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

export const storeSuite = (name: string, storeWith: (over?: Partial<SettingsShape>) => Layer.Layer<StoreUnderTest>) => {
  /** `over` are the settings that the promise needs. */
  const promise = <Step extends Effect.Effect<unknown, unknown, StoreUnderTest | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Step, void, never>,
    over?: Partial<SettingsShape>
  ) => it.live(sentence, () => Effect.gen(body).pipe(Effect.provide(storeWith(over))) as Effect.Effect<void, unknown, Scope.Scope>)

  describe(`submit, in ${name}`, () => {
    promise("hands tasks out as they were submitted, in their order", function*() {
      const [first, ...others] = tasks(5)
      yield* submit(first!)
      yield* submit(...others)

      const { claimed } = yield* turn("w", { want: 10 })

      expect(claimed).toEqual([first!, ...others].map(({ entry, record }) => ({ entry, record })))
    })

    promise("hands the more urgent lane out first", function*() {
      const byLane = lanes.map((lane) => aTask({ lane }))
      yield* submit(...byLane.toReversed())

      expect(yield* claim("w", 3)).toEqual(byLane.slice(0, 3).map(({ entry }) => entry))
      expect(yield* claim("w", 3)).toEqual([byLane[3]!.entry])
    })

    promise("keeps a delayed task until its time has come, and not a moment less", function*() {
      const task = aTask({ due: { afterMs: 5_000 } })
      yield* submit(task)
      yield* advance(4_999)
      expect(yield* claim("w", 1)).toEqual([])

      yield* advance(1)

      expect(yield* claim("w", 1)).toEqual([task.entry])
    })

    promise("keeps a task until a given time, and hands one out at once whose time has passed", function*() {
      const now = yield* Effect.flatMap(TestTime, ({ now }) => now)
      const [soon, past] = [aTask({ due: { at: now + 1_000 } }), aTask({ due: { at: now - 60_000 } })]
      yield* submit(soon, past)

      expect(yield* claim("w", 2)).toEqual([past.entry])
      yield* advance(1_000)
      expect(yield* claim("w", 2)).toEqual([soon.entry])
    })

    promise("puts delayed tasks into their lanes in the order in which they come due", function*() {
      const [last, first, urgent] = [
        aTask({ due: { afterMs: 3_000 } }),
        aTask({ due: { afterMs: 1_000 } }),
        aTask({ due: { afterMs: 2_000 }, lane: "urgent" })
      ]
      yield* submit(last, first, urgent)

      yield* advance(3_000)

      expect(yield* claim("w", 3)).toEqual([urgent.entry, first.entry, last.entry])
    })

    promise("says when the next delayed task is due", function*() {
      yield* submit(aTask({ due: { afterMs: 5_000 } }), aTask({ due: { afterMs: 2_000 } }))
      expect((yield* turn("w")).nextDue).toBe(startOfTime + 2_000)

      yield* advance(2_000)

      expect((yield* turn("w")).nextDue).toBe(startOfTime + 5_000)
      yield* advance(3_000)
      expect((yield* turn("w")).nextDue).toBeUndefined()
    })

    promise("said again, stores nothing twice, wherever the task is by now", function*() {
      const store = yield* Store
      const [waiting, running, ended, buried] = tasks(4)
      const delayed = aTask({ due: { afterMs: 60_000 } })
      const all = [ended!, buried!, running!, waiting!, delayed]
      yield* submit(...all)
      const entries = yield* claim("w", 3)
      yield* turn("w", { settled: [end(entries[0]!, "S"), end(entries[1]!, "F")] })
      const before = yield* store.read(partition, all.map(({ ulid }) => ulid))

      yield* store.submit(partition, all, { again: true })

      expect(yield* store.read(partition, all.map(({ ulid }) => ulid))).toEqual(before)
      expect(yield* store.depth(partition)).toEqual({
        lanes: { urgent: 0, high: 0, normal: 1, low: 0 },
        later: 1,
        held: 1,
        dead: 1
      })
    })

    promise("said again, stores what the first call did not", function*() {
      const store = yield* Store
      const [there, missing] = tasks(2)
      yield* submit(there!)

      yield* store.submit(partition, [there!, missing!], { again: true })

      expect(yield* claim("w", 5)).toEqual([there!.entry, missing!.entry])
    })

    promise("stores a batch of ten thousand, and hands it out, takes it back and ends it in one turn each", function*() {
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
    })

    promise("keeps partitions apart", function*() {
      const store = yield* Store
      yield* submit(aTask())

      expect(yield* store.depth("other.0")).toMatchObject({ lanes: { normal: 0 } })
      expect(yield* store.read("other.0", [aUlid()])).toEqual([undefined])
    })
  })

  describe(`a turn, in ${name}`, () => {
    promise("claims no more than was wanted", function*() {
      const [first, second, third] = tasks(3)
      yield* submit(first!, second!, third!)

      expect(yield* claim("w", 0)).toEqual([])
      expect(yield* claim("w", 2)).toEqual([first!.entry, second!.entry])
      expect(yield* claim("w", 2)).toEqual([third!.entry])
    })

    promise("hands no entry to two workers", function*() {
      const many = tasks(200)
      yield* submit(...many)

      const claimed = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, at) => `w${at % 4}`),
        (worker) => claim(worker, 7),
        { concurrency: "unbounded" }
      )

      expect(claimed.flat().toSorted()).toEqual(many.map(({ entry }) => entry))
    })

    promise("ends a task: its outcome takes the place of its envelope, and it is not handed out again", function*() {
      const entry = yield* heldOne("w")

      const { lost } = yield* turn("w", { settled: [end(entry)] })

      expect(lost).toEqual([])
      expect(yield* found(ulidOfEntry(entry))).toEqual({ record: anEnd(entry), place: { kind: "ended" } })
      expect(yield* claim("w", 1)).toEqual([])
    })

    promise("makes a dead letter of a task that failed", function*() {
      const entry = yield* heldOne("w")

      yield* turn("w", { settled: [end(entry, "F")] })

      expect(yield* found(ulidOfEntry(entry))).toEqual({ record: anEnd(entry, "F"), place: { kind: "ended" } })
      expect(yield* (yield* Store).depth(partition)).toMatchObject({ held: 0, dead: 1 })
    })

    promise("retries a task under its next run and record, and not before its delay", function*() {
      const entry = yield* heldOne("w")
      const again = retry(entry, 2_000)
      yield* turn("w", { settled: [again] })
      yield* advance(1_999)
      expect(yield* claim("w", 1)).toEqual([])
      yield* advance(1)

      const { claimed } = yield* turn("w", { want: 1 })

      expect(claimed).toEqual([{ entry: nextRun(entry), record: again.record }])
    })

    promise("puts what is released at the head of its lane, oldest first, with no crash counted", function*() {
      const released = yield* held("w", 3)
      const waiting = aTask()
      yield* submit(waiting)

      yield* turn("w", { settled: released.toReversed().map(release) })

      const { claimed } = yield* turn("v", { want: 5 })
      expect(entriesOf(claimed)).toEqual([...released.map(nextRun), waiting.entry])
      expect(claimed.slice(0, 3).map(({ record }) => headerOf(record))).toEqual(
        released.map(() => ({ letter: "Q", lane: "normal", run: 2, crashes: 0 }))
      )
    })

    promise("calls lost what the worker does not hold, and writes nothing of it", function*() {
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

    promise("refuses the outcome of a run that was handed to somebody else", function*() {
      const old = yield* heldOne("w")
      yield* turn("w", { settled: [release(old)] })
      const current = yield* claim("v", 1)
      expect(current).toEqual([nextRun(old)])

      const { lost } = yield* turn("w", { settled: [end(old)] })

      expect(lost).toEqual([old])
      expect(yield* found(ulidOfEntry(old))).toMatchObject({ place: { kind: "held", worker: "v" } })
    })

    promise("refuses a second outcome: the first one stays", function*() {
      const entry = yield* heldOne("w")
      yield* turn("w", { settled: [end(entry, "S", "first")] })

      const { lost } = yield* turn("w", { settled: [end(entry, "S", "second")] })

      expect(lost).toEqual([entry])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ record: anEnd(entry, "S", "first") })
    })

    promise("said again, finds its own outcomes and counts them as done", function*() {
      const [ended, buried, retried, released] = yield* held("w", 4)
      const settled = [end(ended!), end(buried!, "F"), retry(retried!, 1_000), release(released!)]
      yield* turn("w", { settled })
      const depth = yield* (yield* Store).depth(partition)

      const { lost } = yield* turn("w", { settled, again: true })

      expect(lost).toEqual([])
      expect(yield* (yield* Store).depth(partition)).toEqual(depth)
    })

    promise("said again, does not count the outcome of another as its own", function*() {
      const [first, second] = yield* held("w", 2)
      yield* turn("w", { settled: [end(first!, "S", "mine"), release(second!)] })
      yield* turn("v", { want: 1 })

      const { lost } = yield* turn("w", { settled: [end(first!, "S", "another"), end(second!)], again: true })

      expect(lost.toSorted()).toEqual([first!, second!])
    })

    promise("said again, settles what the first call did not", function*() {
      const entry = yield* heldOne("w")

      const { lost } = yield* turn("w", { settled: [end(entry)], again: true })

      expect(lost).toEqual([])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "ended" } })
    })

    promise("said again, tells what the worker holds beside what it now claims", function*() {
      const unheard = yield* held("w", 2)
      const next = aTask()
      yield* submit(next)

      const { claimed, held: also } = yield* turn("w", { want: 1, again: true })

      expect(entriesOf(claimed)).toEqual([next.entry])
      expect(entriesOf(also).toSorted()).toEqual(unheard)
      expect(also.map(({ record }) => decodeRecord(record).json)).toEqual([anEnvelope(), anEnvelope()])
    })

    promise("said for the first time, does not tell what the worker holds", function*() {
      yield* heldOne("w")

      expect((yield* turn("w")).held).toEqual([])
    })

    promise("is refused to a worker that is not registered, and changes nothing", function*() {
      const entry = yield* heldOne("w")
      yield* submit(aTask())
      const before = yield* (yield* Store).depth(partition)

      const refused = yield* Effect.flip(turn("v", { join: false, want: 5, settled: [end(entry)] }))

      expect(refused).toMatchObject({ _tag: "Fenced", worker: "v" })
      expect(yield* (yield* Store).depth(partition)).toEqual(before)
    })

    promise("keeps a note on a running task until it is settled", function*() {
      const entry = yield* heldOne("w")

      yield* turn("w", { notes: [[entry, `{"startedAt":1}`]] })
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", note: `{"startedAt":1}` } })
      yield* turn("w", { settled: [release(entry)], noted: [entry] })
      yield* claim("w", 1)

      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", note: undefined } })
    })

    promise("tells the reply channels that it was given", function*() {
      const inbox = yield* (yield* Store).inbox
      yield* inbox.tune(partition)
      const [one, other] = [aUlid(), aUlid()]

      yield* turn("w", { hints: [["nobody", [aUlid()]], [inbox.name, [one, other]]] })

      expect(yield* inbox.next).toEqual({ partition, ulids: [one, other] })
    })
  })

  describe(`leases, in ${name}`, () => {
    promise("hands a worker's tasks to others once its lease has run out, and counts the crash", function*() {
      const entry = yield* heldOne("w")
      yield* advance(9_999)
      expect(yield* claim("v", 1)).toEqual([])
      yield* advance(1)

      const { claimed } = yield* turn("v", { want: 1 })

      expect(entriesOf(claimed)).toEqual([nextRun(entry)])
      expect(headerOf(claimed[0]!.record)).toMatchObject({ run: 2, crashes: 1 })
      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced", worker: "w" })
    })

    promise("lets a worker that takes its turns keep what it holds", function*() {
      const entry = yield* heldOne("w")
      for (let turns = 0; turns < 5; turns++) {
        yield* advance("9 seconds")
        yield* turn("w", { join: false })
        expect(yield* claim("v", 1)).toEqual([])
      }
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", worker: "w" } })
    })

    promise("lets a worker renew whose lease has run out, as long as nobody has reaped it", function*() {
      const entry = yield* heldOne("w")
      yield* advance("1 minute")

      yield* turn("w", { join: false })

      expect(yield* claim("v", 1)).toEqual([])
      expect((yield* turn("w", { join: false, settled: [end(entry)] })).lost).toEqual([])
    })

    promise("gives a dead worker's tasks back ahead of those that wait, and forgets its notes", function*() {
      const entry = yield* heldOne("w")
      yield* turn("w", { notes: [[entry, "{}"]] })
      yield* submit(aTask())
      yield* advance("1 minute")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { worker: "v", note: undefined } })
    })

    promise("hands back at once what an evicted worker held", function*() {
      const entry = yield* heldOne("w")

      yield* (yield* Store).evict(partition, "w")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced" })
    })

    promise("evicts a worker that is not there, and one twice, without harm", function*() {
      const store = yield* Store
      yield* heldOne("w")

      yield* store.evict(partition, "nobody")
      yield* store.evict(partition, "w")
      yield* store.evict(partition, "w")

      expect(yield* claim("v", 2)).toHaveLength(1)
    })

    promise("lets a worker that holds nothing leave", function*() {
      const store = yield* Store
      yield* turn("w")

      yield* store.leave(partition, "w")
      yield* store.leave(partition, "w")

      expect(yield* Effect.flip(turn("w", { join: false }))).toMatchObject({ _tag: "Fenced" })
    })

    promise("evicts a worker that leaves with tasks in its hands", function*() {
      const entry = yield* heldOne("w")

      yield* (yield* Store).leave(partition, "w")

      expect(yield* claim("v", 1)).toEqual([nextRun(entry)])
    })

    promise("judges no lease in a turn that finds the clock far from where it was expected", function*() {
      const entry = yield* heldOne("w")
      const before = yield* Effect.flatMap(TestTime, ({ now }) => now)
      yield* advance("1 hour")

      expect((yield* turn("v", { want: 1, expectedNow: before + 10 })).claimed).toEqual([])
      expect((yield* turn("w", { join: false })).lost).toEqual([])
      expect(yield* found(ulidOfEntry(entry))).toMatchObject({ place: { kind: "held", worker: "w" } })
    })

    promise("judges leases again in the next turn, which expects the new time", function*() {
      const entry = yield* heldOne("w")
      yield* advance("1 hour")
      const { now } = yield* turn("v", { expectedNow: startOfTime })

      const { claimed } = yield* turn("v", { want: 1, expectedNow: now - 1_000 })

      expect(entriesOf(claimed)).toEqual([nextRun(entry)])
    })

    promise("hands back what an evicted worker held even when the clock jumped", function*() {
      const entry = yield* heldOne("w")
      yield* (yield* Store).evict(partition, "w")

      const { claimed } = yield* turn("v", { want: 1, expectedNow: startOfTime - 5_000 })

      expect(entriesOf(claimed)).toEqual([nextRun(entry)])
    })

    promise("takes no lease away when the clock is set back", function*() {
      yield* heldOne("w")
      yield* (yield* TestTime).setBack("1 hour")

      expect(yield* claim("v", 1)).toEqual([])
      expect((yield* turn("w", { join: false })).now).toBe(startOfTime - 3_600_000)
    })

    promise("makes a dead letter of a task that three workers died with, and keeps its envelope", function*() {
      const store = yield* Store
      const task = aTask({ input: { page: 7 } })
      yield* submit(task)

      for (const worker of ["first", "second", "third"]) {
        expect(yield* claim(worker, 1)).toHaveLength(1)
        yield* store.evict(partition, worker)
      }
      expect(yield* claim("v", 1)).toEqual([])

      const { place, record } = (yield* found(task.ulid))!
      expect(place).toEqual({ kind: "ended" })
      expect(decodeRecord(record).header).toEqual({ letter: "F", lane: "normal", run: 3, crashes: 3 })
      expect(JSON.parse(decodeRecord(record).json)).toEqual({
        task: JSON.parse(anEnvelope({ page: 7 })),
        worker: "third",
        finishedAt: startOfTime,
        error: { type: "WorkerLost", message: "3 workers died while they held this task" }
      })
      expect(yield* store.depth(partition)).toMatchObject({ held: 0, dead: 1, lanes: { normal: 0 } })
    })

    promise("gives a dead worker's many tasks back piece by piece, and in the end oldest first", function*() {
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
    })

    promise("keeps ringing while there is a dead worker left to reap", function*() {
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
    promise("says where each task is", function*() {
      const store = yield* Store
      const [running, waiting] = tasks(2)
      const delayed = aTask({ due: { afterMs: 5_000 } })
      yield* submit(running!, waiting!, delayed)
      yield* claim("w", 1)
      const ended = yield* heldOne("v").pipe(Effect.provideService(Store, store))

      const places = (yield* store.read(partition, [running!, waiting!, delayed].map(({ ulid }) => ulid))).map(
        (found) => found?.place
      )

      expect(places).toEqual([
        { kind: "held", worker: "w", note: undefined },
        { kind: "lane" },
        { kind: "later", due: startOfTime + 5_000 }
      ])
      expect(ended).toBeDefined()
    })
  })

  const advance = Effect.fnUntraced(function*(by: Duration.Input) {
    yield* (yield* TestTime).advance(by)
  })

  /** Submits tasks, and lets `worker` claim them. */
  const held = Effect.fnUntraced(function*(worker: string, count: number) {
    const submitted = tasks(count)
    yield* submit(...submitted)
    const entries = yield* claim(worker, count)
    expect(entries).toEqual(submitted.map(({ entry }) => entry))
    return entries
  })

  const heldOne = (worker: string) => Effect.map(held(worker, 1), ([entry]) => entry!)
}
