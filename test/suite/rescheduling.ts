/** What every store promises of another time for a task that waits for its time: which may be moved, where it goes, and what follows it. */
import { describe, expect } from "bun:test"
import { Duration, Effect } from "effect"
import { Admission, type Guard } from "../../runtime/admission.ts"
import { LifecycleLog } from "../../runtime/lifecycle.ts"
import { Operations } from "../../runtime/operations.ts"
import { decodeRecord, encodeRecord, type Letter, readEnvelope } from "../../runtime/record.ts"
import { type Due, Store } from "../../runtime/store.ts"
import { idIn, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { adopted } from "../support/children.ts"
import { advance, boxOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import { aTask, aUlid, claim, end, found, release, retry, submit, turn, wait } from "../support/tasks.ts"
import { startOfTime } from "../support/time.ts"

const reschedule = (ulid: string, due: Due) => Store.use((store) => store.reschedule(partition, ulid, due))

const placeOf = (ulid: string) => Effect.map(found(ulid), (task) => task?.place)

const envelopeOf = (ulid: string) =>
  Effect.map(found(ulid), (task) => readEnvelope(decodeRecord(task!.record).json))

/** A task that is due in ten seconds. */
const aDelayed = Effect.fnUntraced(function* (over: Parameters<typeof aTask>[0] = {}) {
  const task = aTask({ due: { afterMs: 10_000 }, dueAt: startOfTime + 10_000, ...over })
  yield* submit(task)
  return task
})

/** A task whose first run has failed, and that is tried again in ten seconds: its next run. */
const aRetrying = Effect.fnUntraced(function* (over: Parameters<typeof aTask>[0] = {}) {
  yield* submit(aTask(over))
  const [first] = yield* claim("w", 1)
  yield* turn("w", { settled: [retry(first!, 10_000)] })
  return nextRun(first!)
})

/** Tasks are kept for a minute. */
const withinAMinute = (key: string): Guard => ({
  kind: "idempotency",
  name: key,
  hash: "h",
  // As the dispatcher says it of a task that is due in ten seconds.
  keepMs: 60_000 + 10_000
})

const admit = (task: ReturnType<typeof aTask>, ...guards: ReadonlyArray<Guard>) =>
  Admission.use((admission) => admission.admit(partition, task, guards))

export const reschedulingSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`a task that is given another time, in ${name}`, () => {
    promise("is due then, earlier or later, and not before", function* () {
      for (const [due, at] of [
        [{ afterMs: 3_000 }, 3_000],
        [{ at: startOfTime + 30_000 }, 30_000],
        [{ at: startOfTime + 5_000 }, 5_000]
      ] as const) {
        const { ulid } = yield* aDelayed()

        expect(yield* reschedule(ulid, due)).toEqual({
          kind: "moved",
          due: startOfTime + at,
          state: "scheduled"
        })

        expect(yield* placeOf(ulid)).toEqual({ kind: "later", due: startOfTime + at })
        yield* (yield* Store).cancel(partition, ulid, "seen")
      }
      const { entry, ulid } = yield* aDelayed()
      yield* reschedule(ulid, { afterMs: 4_000 })
      yield* advance(3_999)
      expect(yield* claim("w", 1)).toEqual([])
      yield* advance(1)
      expect(yield* claim("w", 1)).toEqual([entry])
    })

    promise("waits in its lane at once when that time has come", function* () {
      for (const due of [{ afterMs: 0 }, { at: startOfTime }, { at: 1 }]) {
        const { entry, ulid } = yield* aDelayed({ lane: "high" })

        expect(yield* reschedule(ulid, due)).toEqual({ kind: "moved", due: startOfTime, state: "queued" })

        expect(yield* placeOf(ulid)).toEqual({ kind: "lane" })
        expect((yield* (yield* Store).depth(partition)).later).toBe(0)
        expect(yield* claim("w", 1)).toEqual([entry])
        yield* turn("w", { settled: [end(entry)] })
      }
    })

    promise("waits in its box when that time has come, behind what waits there", function* () {
      const box = boxOf("a")
      const delayed = yield* aDelayed({ box })
      const first = aTask({ box })
      yield* submit(first)

      yield* reschedule(delayed.ulid, { afterMs: 0 })

      expect(yield* claim("w", 5)).toEqual([first.entry])
      yield* turn("w", { settled: [end(first.entry)] })
      expect(yield* claim("w", 5)).toEqual([delayed.entry])
    })

    promise("is tried again at once, or later, with its run", function* () {
      const [sooner, later] = [yield* aRetrying(), yield* aRetrying()]

      expect(yield* reschedule(ulidOfEntry(sooner), { afterMs: 0 })).toEqual({
        kind: "moved",
        due: startOfTime,
        state: "queued"
      })
      expect(yield* reschedule(ulidOfEntry(later), { afterMs: 20_000 })).toMatchObject({ state: "retrying" })

      expect(yield* claim("w", 5)).toEqual([sooner])
      yield* advance(19_999)
      expect(yield* claim("w", 5)).toEqual([])
      yield* advance(1)
      expect(yield* claim("w", 5)).toEqual([later])
    })

    promise(
      "keeps the room of an ordered box while it is to be tried again, and goes first in it",
      function* () {
        const again = yield* aRetrying({ box: boxOf("a") })
        const second = aTask({ box: boxOf("a") })
        yield* submit(second)
        yield* reschedule(ulidOfEntry(again), { afterMs: 20_000 })
        yield* advance(10_000)
        expect(yield* claim("w", 5)).toEqual([])

        yield* reschedule(ulidOfEntry(again), { afterMs: 0 })

        expect(yield* claim("w", 5)).toEqual([again])
      }
    )

    promise(
      "goes before what its agent has been sent since, when it is to be tried again at once",
      function* () {
        const box = boxOf("~cart/ada")
        const [first, ...others] = Array.from({ length: 3 }, () => aTask({ box }))
        yield* submit(first!, ...others)
        yield* claim("w", 10)
        yield* turn("w", {
          settled: [retry(first!.entry, 10_000), ...others.map(({ entry }) => release(entry))]
        })
        const timer = aTask({ box, due: { afterMs: 10_000 } })
        yield* submit(timer)
        yield* reschedule(timer.ulid, { afterMs: 0 })
        expect(yield* claim("w", 10)).toEqual([])

        yield* reschedule(first!.ulid, { afterMs: 0 })

        expect(yield* claim("w", 10)).toEqual([
          ...[first!, ...others].map(({ entry }) => nextRun(entry)),
          timer.entry
        ])
      }
    )

    promise("is where it was when the same is said again", function* () {
      const place = yield* LifecycleLog.use((log) => log.listen(partition, 60_000))
      const { entry, ulid } = yield* aDelayed()
      const due = { at: startOfTime + 5_000 }
      const first = yield* reschedule(ulid, due)
      yield* advance(1_000)

      expect(yield* reschedule(ulid, due)).toEqual(first)

      const lives = yield* LifecycleLog.use((log) => log.read(partition, place, 100))
      expect(lives.map(({ kind }) => kind)).toEqual(["scheduled", "rescheduled"])
      yield* advance(4_000)
      expect(yield* claim("w", 5)).toEqual([entry])
    })

    promise("says when it became due, so that its wait is counted from then", function* () {
      const [said, unsaid] = [yield* aDelayed({ input: { dueAt: 1 } }), aTask({ due: { afterMs: 10_000 } })]
      yield* submit(unsaid)
      const again = yield* aRetrying({ input: '"dueAt":9}' })
      yield* advance(1_000)

      yield* reschedule(said.ulid, { afterMs: 4_000 })
      yield* reschedule(unsaid.ulid, { at: startOfTime + 7_000 })
      yield* reschedule(ulidOfEntry(again), { at: 1 })

      expect(yield* envelopeOf(said.ulid)).toEqual({
        name: "test",
        dueAt: startOfTime + 5_000,
        input: { dueAt: 1 }
      })
      expect(yield* envelopeOf(unsaid.ulid)).toMatchObject({ dueAt: startOfTime + 7_000, input: 1 })
      expect(yield* envelopeOf(ulidOfEntry(again))).toMatchObject({ dueAt: startOfTime + 1_000 })
      yield* reschedule(unsaid.ulid, { at: startOfTime + 8_000 })
      expect(yield* envelopeOf(unsaid.ulid)).toEqual({
        name: "test",
        input: 1,
        dueAt: startOfTime + 8_000
      })
    })

    promise("has not waited since it was submitted where nothing may wait for too long", function* () {
      yield* Operations.use((operations) => operations.limit(partition, { maxAgeMs: 1_000 }))
      const { ulid } = yield* aDelayed({ ulid: aUlid(startOfTime) })
      yield* advance(5_000)
      yield* reschedule(ulid, { afterMs: 0 })

      yield* submit(aTask({ due: { afterMs: 60_000 } }))

      yield* advance(1_001)
      expect(yield* Effect.flip(submit(aTask()))).toMatchObject({ _tag: "QueueFull", bound: "maxAgeMs" })
    })

    promise(
      "rings the bell where it is due, or the next to be, and not where it is moved back",
      function* () {
        const { rang } = yield* Bell
        const [first, second] = [yield* aDelayed(), yield* aDelayed({ due: { afterMs: 20_000 } })]
        yield* rang

        yield* reschedule(second.ulid, { afterMs: 15_000 })
        expect(yield* rang).toBe(false)
        yield* reschedule(second.ulid, { afterMs: 5_000 })
        expect(yield* rang).toBe(true)
        yield* reschedule(second.ulid, { afterMs: 20_000 })
        expect(yield* rang).toBe(false)
        yield* reschedule(first.ulid, { afterMs: 0 })
        expect(yield* rang).toBe(true)
      }
    )

    promise(
      "is not moved to when it is over: its expiry while it has not started, its deadline",
      function* () {
        const at = startOfTime + 20_000
        const [expiring, overdue] = [yield* aDelayed({ expiresAt: at }), yield* aDelayed({ deadlineAt: at })]
        const before = [yield* found(expiring.ulid), yield* found(overdue.ulid)]

        expect(yield* reschedule(expiring.ulid, { at })).toEqual({ kind: "over", by: "expiry", at })
        expect(yield* reschedule(overdue.ulid, { afterMs: 21_000 })).toEqual({
          kind: "over",
          by: "deadline",
          at
        })

        expect([yield* found(expiring.ulid), yield* found(overdue.ulid)]).toEqual(before)
        expect(yield* reschedule(expiring.ulid, { at: at - 1 })).toMatchObject({ kind: "moved" })
        expect(yield* reschedule(overdue.ulid, { at: at - 1 })).toMatchObject({ kind: "moved" })
        const started = yield* aRetrying({ expiresAt: at })
        expect(yield* reschedule(ulidOfEntry(started), { at })).toMatchObject({ kind: "moved" })
      }
    )

    promise("is left alone where it does not wait for its time, and it is told where it is", function* () {
      const waiting = aTask()
      yield* submit(waiting)
      const [parent] = yield* claim("w", 1)
      const [child] = yield* adopted(parent!, 1)
      yield* turn("w", { settled: [wait(parent!, child!.id)] })
      const [queued, cancelled] = [aTask(), aTask({ due: { afterMs: 1_000 } })]
      yield* submit(queued, cancelled)
      yield* (yield* Store).cancel(partition, cancelled.ulid, "no more")
      const ends: Array<readonly [string, string]> = []
      for (const [letter, state] of [
        ["S", "succeeded"],
        ["F", "failed"],
        ["E", "expired"]
      ] as ReadonlyArray<readonly [Exclude<Letter, "Q">, string]>) {
        const ended = aTask({ lane: "urgent" })
        yield* submit(ended)
        yield* claim("w", 1)
        yield* turn("w", { settled: [end(ended.entry, letter)] })
        ends.push([ended.ulid, state])
      }

      for (const [ulid, state] of [
        [waiting.ulid, "waiting"],
        [child!.ulid, "running"],
        [queued.ulid, "queued"],
        [cancelled.ulid, "cancelled"],
        ...ends
      ] as const) {
        const before = yield* found(ulid)
        for (const due of [{ afterMs: 0 }, { afterMs: 5_000 }]) {
          const told = yield* reschedule(ulid, due)
          expect(told).toEqual({ kind: "elsewhere", state, now: startOfTime } as typeof told)
        }
        expect(yield* found(ulid)).toEqual(before)
      }
      expect(yield* reschedule(aUlid(), { afterMs: 0 })).toEqual({ kind: "missing" })
    })

    promise(
      "is found by its idempotency key for as long after the new time as after the old one",
      function* () {
        const task = aTask({ due: { afterMs: 10_000 } })
        yield* admit(task, withinAMinute("a"))
        const other = aTask({ due: { afterMs: 10_000 } })
        yield* admit(other, withinAMinute("b"))
        yield* reschedule(task.ulid, { afterMs: 100_000 })
        yield* reschedule(other.ulid, { afterMs: 0 })

        yield* advance(69_999)
        expect(yield* admit(aTask(), withinAMinute("b"))).toMatchObject({ kind: "found", ulid: other.ulid })
        yield* advance(90_000)

        expect(yield* admit(aTask(), withinAMinute("a"))).toMatchObject({ kind: "found", ulid: task.ulid })
        yield* advance(1)
        expect(yield* admit(aTask(), withinAMinute("a"))).toEqual({ kind: "stored" })
      },
      { retention: Duration.minutes(1) }
    )

    promise("gives its place to the next one of its debounce wherever it was moved", function* () {
      const debounce: Guard = { kind: "debounce", name: "k" }
      const [first, second] = [aTask({ due: { afterMs: 5_000 } }), aTask({ due: { afterMs: 5_000 } })]
      yield* admit(first, debounce)
      yield* reschedule(first.ulid, { afterMs: 60_000 })

      yield* admit(second, debounce)

      expect((yield* found(first.ulid))?.record[0]).toBe("C")
      expect(yield* placeOf(second.ulid)).toEqual({ kind: "later", due: startOfTime + 5_000 })
    })

    promise("is told to those who listen, and to those who follow it", function* () {
      const place = yield* LifecycleLog.use((log) => log.listen(partition, 60_000))
      const store = yield* Store
      const inbox = yield* store.inbox
      yield* inbox.tune(partition)
      const { ulid } = yield* aDelayed()
      const again = yield* aRetrying()
      yield* store.ended(partition, [ulid], { watch: inbox.name })

      yield* reschedule(ulid, { afterMs: 4_000 })
      yield* reschedule(ulidOfEntry(again), { afterMs: 0 })

      expect(yield* inbox.next).toEqual({ partition, news: [{ ulid, record: undefined }] })
      const lives = yield* LifecycleLog.use((log) => log.read(partition, place, 100))
      expect(
        lives
          .filter(({ kind }) => kind === "rescheduled")
          .map(({ attempt, more, ulid }) => [ulid, attempt, more])
      ).toEqual([
        [ulid, 0, `{"dueAt":${startOfTime + 4_000}}`],
        [ulidOfEntry(again), 1, `{"dueAt":${startOfTime}}`]
      ])
    })

    promise("keeps all else that its record says", function* () {
      const envelope = {
        name: "test",
        key: 'k","dueAt":5,"input":',
        tags: ['"dueAt":6'],
        dueAt: startOfTime + 10_000,
        parent: idIn("other.0", aUlid()),
        input: { dueAt: 7, text: 'ü "dueAt":8}' }
      }
      const task = aTask({ due: { afterMs: 10_000 } })
      const header = { letter: "Q", lane: "normal", run: 1, crashes: 0 } as const
      yield* submit({ ...task, record: encodeRecord(header, JSON.stringify(envelope)) })

      yield* reschedule(task.ulid, { afterMs: 0 })

      const [claimed] = (yield* turn("w", { want: 1 })).claimed
      expect(readEnvelope(decodeRecord(claimed!.record).json)).toEqual({ ...envelope, dueAt: startOfTime })
    })
  })
}
