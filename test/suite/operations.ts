/** What operators may rely on, in both stores, in sentences. */
import { describe, expect } from "bun:test"
import { Duration, Effect, Fiber, type Layer, type Scope } from "effect"
import type { SettingsShape } from "../../runtime/config.ts"
import { Operations, type QueueLimits, type Shelf } from "../../runtime/operations.ts"
import { QueueFull, Store, StoreError } from "../../runtime/store.ts"
import type { Box } from "../../runtime/mailbox.ts"
import { decodeRecord, encodeRecord, readOutcome } from "../../runtime/record.ts"
import { type Entry, idIn, nextRun, partitionOf, ulidOfEntry, ulidOfId } from "../../runtime/task.ts"
import { it } from "../support/effect.ts"
import { type OperationsUnderTest, piecesOf, walked } from "../support/operations.ts"
import { elsewhere, partition } from "../support/stores.ts"
import {
  anEnvelope,
  aTask,
  aUlid,
  claim,
  end,
  found,
  headerOf,
  retry,
  submit,
  type TestTask,
  tasks,
  turn,
  ulidAt,
  ulidsOf
} from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

const boxOf = (key: string, over: Partial<Box> = {}): Box => ({
  name: `|${key}`,
  limit: 1,
  ordered: true,
  ...over
})

const ulids = (some: ReadonlyArray<TestTask>) => some.map(({ ulid }) => ulid)

const advance = (by: Duration.Input) => Effect.flatMap(TestTime, (time) => time.advance(by))

/** Makes dead letters of some tasks, at the present moment. */
const dieWith = Effect.fnUntraced(function* (output: string | undefined, some: ReadonlyArray<TestTask>) {
  yield* submit(...some)
  const entries = yield* claim("reaper", some.length)
  yield* turn("reaper", { settled: entries.map((entry) => end(entry, "F", output)) })
  return entries
})

const die = (...some: ReadonlyArray<TestTask>) => dieWith(undefined, some)

/** Keeps so many dead letters, however large they are. */
const keeping = (deadMax: number) => ({ deadMax, deadBytes: Number.MAX_SAFE_INTEGER })

/** A dead letter's way back to work, as a caller who has read it asks for it. */
const revivalOf = Effect.fnUntraced(function* (entry: Entry, box?: Box) {
  const { record: expected } = (yield* found(ulidOfEntry(entry)))!
  const again = nextRun(entry)
  const { header } = decodeRecord(expected)
  return {
    ulid: ulidOfEntry(entry),
    expected,
    entry: again,
    record: encodeRecord({ ...header, letter: "Q", run: header.run + 1 }, anEnvelope("again")),
    ...(box === undefined ? {} : { box })
  }
})

export const operationsSuite = (
  name: string,
  storeWith: (over?: Partial<SettingsShape>) => Layer.Layer<OperationsUnderTest>
) => {
  const promise = <Step extends Effect.Effect<unknown, unknown, OperationsUnderTest | Scope.Scope>>(
    sentence: string,
    body: () => Generator<Step, void, never>,
    over?: Partial<SettingsShape>,
    timeoutMs?: number
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(body).pipe(Effect.provide(storeWith(over))) as Effect.Effect<void, unknown, Scope.Scope>,
      timeoutMs
    )

  describe(`a queue, in ${name}`, () => {
    promise("tells how much of it waits where", function* () {
      const { queue } = yield* Operations
      yield* submit(...tasks(3), aTask({ due: { afterMs: 5_000 } }))
      yield* claim("w", 1)
      yield* submit(aTask({ box: boxOf("k") }))

      expect((yield* queue(partition)).depth).toMatchObject({
        lanes: { urgent: 0, high: 0, normal: 2, low: 0 },
        boxed: 1,
        later: 1,
        held: 1
      })
    })

    promise("tells when its oldest waiting task was submitted, in whichever mailbox that is", function* () {
      const { queue } = yield* Operations
      const oldest = Effect.map(queue(partition), ({ oldest }) => oldest)
      expect(yield* oldest).toBeUndefined()
      yield* submit(aTask({ ulid: aUlid(startOfTime + 3_000) }))
      expect(yield* oldest).toBe(startOfTime + 3_000)
      yield* submit(aTask({ ulid: aUlid(startOfTime + 2_000), lane: "low" }))
      expect(yield* oldest).toBe(startOfTime + 2_000)

      yield* submit(aTask({ ulid: aUlid(startOfTime + 1_000), box: boxOf("k") }))

      expect(yield* oldest).toBe(startOfTime + 1_000)
    })

    promise("passes over what a cancelled task has left behind", function* () {
      const { queue } = yield* Operations
      const store = yield* Store
      const [old, young] = [aTask({ ulid: aUlid(startOfTime) }), aTask({ ulid: aUlid(startOfTime + 5_000) })]
      yield* submit(old, young)

      yield* store.cancel(partition, old.ulid, "no")

      expect((yield* queue(partition)).oldest).toBe(startOfTime + 5_000)
    })
  })

  describe(`pausing, in ${name}`, () => {
    promise("a queue that is paused hands out nothing, takes tasks, and settles what runs", function* () {
      const { pause, queue } = yield* Operations
      const [first, second] = tasks(2)
      yield* submit(first!)
      const [entry] = yield* claim("w", 1)

      yield* pause(partition, true)

      expect((yield* queue(partition)).paused).toBe(true)
      yield* submit(second!)
      expect(yield* claim("w", 10)).toEqual([])
      yield* turn("w", { settled: [end(entry!)] })
      expect((yield* found(first!.ulid))!.place.kind).toBe("ended")
      yield* pause(partition, false)
      expect((yield* queue(partition)).paused).toBe(false)
      expect(yield* claim("w", 10)).toEqual([second!.entry])
    })

    promise("a key that is paused hands out nothing, and the other keys go on", function* () {
      const { pause, queue } = yield* Operations
      const key = "a|b*[c]?\\d"
      const [held, other] = [aTask({ box: boxOf(key) }), aTask({ box: boxOf("b*[c]?\\d") })]
      yield* submit(held, other)

      yield* pause(partition, true, key)

      expect((yield* queue(partition)).pausedKeys).toEqual([key])
      expect(yield* claim("w", 10)).toEqual([other.entry])
      expect(yield* claim("w", 10)).toEqual([])
      yield* pause(partition, false, key)
      expect((yield* queue(partition)).pausedKeys).toEqual([])
      expect(yield* claim("w", 10)).toEqual([held.entry])
    })

    promise("a key that is resumed keeps its order and its room", function* () {
      const { pause } = yield* Operations
      const [first, second, third] = tasks(3, { box: boxOf("k") })
      yield* submit(first!)
      const [running] = yield* claim("w", 1)
      yield* pause(partition, true, "k")
      yield* submit(second!, third!)
      expect(yield* claim("w", 10)).toEqual([])

      yield* pause(partition, false, "k")

      expect(yield* claim("w", 10)).toEqual([])
      yield* turn("w", { settled: [end(running!)] })
      expect(yield* claim("w", 10)).toEqual([second!.entry])
    })

    promise("said again, a resume does not put a box into its ring twice", function* () {
      const { pause } = yield* Operations
      const some = tasks(2, { box: boxOf("k", { limit: 0, ordered: false }) })
      yield* pause(partition, true, "k")
      yield* submit(...some)
      yield* claim("w", 1)

      yield* pause(partition, false, "k")
      yield* pause(partition, false, "k")

      expect(yield* claim("w", 10)).toEqual(some.map(({ entry }) => entry))
      expect(yield* claim("w", 10)).toEqual([])
    })
  })

  describe(`limiting, in ${name}`, () => {
    promise("a queue tells its bounds as they were set last", function* () {
      const { limit, queue } = yield* Operations
      const limits: QueueLimits = {
        maxDepth: 10,
        maxAgeMs: 5_000,
        concurrency: 2,
        rate: { count: 5, perMs: 1_000 },
        keepBytes: 1_000_000
      }
      expect((yield* queue(partition)).limits).toEqual({})
      yield* limit(partition, limits)
      expect((yield* queue(partition)).limits).toEqual(limits)

      yield* limit(partition, { maxKeyDepth: 3 })

      expect((yield* queue(partition)).limits).toEqual({ maxKeyDepth: 3 })
      yield* limit(partition, {})
      expect((yield* queue(partition)).limits).toEqual({})
    })

    promise(
      "a bound on the depth counts what was there before it was set, and what has ended since",
      function* () {
        const { limit } = yield* Operations
        const [delayed, running, waiting, ended] = [aTask({ due: { afterMs: 60_000 } }), ...tasks(3)]
        yield* submit(delayed, running!, ended!, waiting!)
        const [first, second] = yield* claim("w", 2)
        yield* turn("w", { settled: [end(second!)] })

        yield* limit(partition, { maxDepth: 4 })

        yield* submit(aTask())
        const refused = yield* Effect.flip(submit(aTask()))
        expect(refused).toEqual(new QueueFull({ partition, bound: "maxDepth", limit: 4 }))
        yield* turn("w", { settled: [end(first!, "F")] })
        yield* submit(aTask())
      }
    )

    promise("a bound refuses nothing that was acknowledged before, wherever it waits", function* () {
      const { limit } = yield* Operations
      yield* limit(partition, { maxDepth: 1, maxKeyDepth: 0 })
      yield* submit(aTask())
      const store = yield* Store
      const owed = [aTask(), aTask({ box: boxOf("k") })]

      yield* store.submit(partition, owed, { owed: true })
      yield* store.submit(partition, owed, { owed: true })

      expect((yield* Effect.flip(submit(aTask())))._tag).toBe("QueueFull")
      expect(yield* claim("w", 10)).toHaveLength(3)
    })

    promise("a bound refuses no children that are there already, said again", function* () {
      const { limit } = yield* Operations
      const children = tasks(3, { parent: idIn(elsewhere, aUlid()) })
      yield* submit(...children)
      yield* limit(partition, { maxDepth: 1 })

      yield* submit(...children)

      expect(yield* Effect.flip(submit(children[0]!, aTask({ parent: idIn(elsewhere, aUlid()) })))).toEqual(
        new QueueFull({ partition, bound: "maxDepth", limit: 1 })
      )
    })

    promise("a bound that is set again does not forget how much there is", function* () {
      const { limit } = yield* Operations
      yield* limit(partition, { maxDepth: 2 })
      yield* submit(...tasks(2))

      yield* limit(partition, { maxDepth: 3 })

      yield* submit(aTask())
      expect((yield* Effect.flip(submit(aTask())))._tag).toBe("QueueFull")
    })

    promise("a bound that is taken away lets everything in", function* () {
      const { limit } = yield* Operations
      yield* limit(partition, { maxDepth: 1 })
      yield* submit(aTask())
      expect((yield* Effect.flip(submit(aTask())))._tag).toBe("QueueFull")

      yield* limit(partition, {})

      yield* submit(...tasks(5))
    })
  })

  describe(`purging, in ${name}`, () => {
    promise("cancels what waits, wherever it waits, and leaves what runs", function* () {
      const { purge, queue } = yield* Operations
      const now = yield* Effect.flatMap(TestTime, ({ now }) => now)
      const running = aTask({ deadlineAt: now + 60_000 })
      yield* submit(running)
      yield* claim("w", 1)
      const waiting = [
        aTask({ lane: "urgent" }),
        aTask({ lane: "low", expiresAt: now + 30_000 }),
        aTask({ box: boxOf("k") }),
        aTask({ box: boxOf("k") }),
        aTask({ box: boxOf("other", { limit: 0 }) }),
        aTask({ due: { afterMs: 60_000 }, deadlineAt: now + 50_000 })
      ]
      yield* submit(...waiting)

      const purged = yield* purge(partition, 100, "a mistake")

      expect(purged).toBe(waiting.length)
      for (const { ulid } of waiting) {
        const { record } = (yield* found(ulid))!
        const { header, json } = decodeRecord(record)
        expect(header.letter).toBe("C")
        expect(readOutcome(json)).toMatchObject({
          task: { name: "test", input: 1 },
          finishedAt: now,
          error: { type: "Cancelled", message: "a mistake" }
        })
      }
      expect((yield* found(running.ulid))!.place.kind).toBe("held")
      expect((yield* queue(partition)).depth).toMatchObject({
        lanes: { urgent: 0, high: 0, normal: 0, low: 0 },
        boxed: 0,
        held: 1
      })
      expect(yield* purge(partition, 100, "a mistake")).toBe(0)
      yield* advance("61 seconds")
      yield* turn("w")
      expect(headerOf((yield* found(running.ulid))!.record).letter).toBe("F")
    })

    promise("cancels suspects", function* () {
      const { purge } = yield* Operations
      const store = yield* Store
      const task = aTask()
      yield* submit(task)
      for (const worker of ["a", "b"]) {
        yield* claim(worker, 1)
        yield* store.evict(partition, worker)
        yield* turn("reaper")
      }
      expect(yield* walked("waiting")).toEqual([task.ulid])

      expect(yield* purge(partition, 10, "no")).toBe(1)

      expect(yield* claim("w", 10)).toEqual([])
    })

    promise("goes a piece at a time, and passes over what has ended already", function* () {
      const { purge } = yield* Operations
      const store = yield* Store
      const some = tasks(700)
      yield* submit(...some, ...tasks(300, { due: { afterMs: 60_000 } }))
      for (const { ulid } of some.slice(0, 5)) yield* store.cancel(partition, ulid, "before")

      expect(yield* purge(partition, 600, "no")).toBe(600)
      expect(yield* purge(partition, 600, "no")).toBe(395)
      expect(yield* purge(partition, 600, "no")).toBe(0)
      yield* submit(...tasks(450, { box: boxOf("k") }))
      expect(yield* purge(partition, 600, "no")).toBe(450)
    })

    promise("finds delayed tasks behind any number of alarms", function* () {
      const { purge } = yield* Operations
      const now = yield* Effect.flatMap(TestTime, ({ now }) => now)
      const held = tasks(600, { deadlineAt: now + 1_000 })
      yield* submit(...held)
      expect(yield* claim("w", 600)).toHaveLength(600)
      yield* submit(aTask({ due: { afterMs: 60_000 } }))

      expect(yield* purge(partition, 10, "no")).toBe(1)
    })

    promise("leaves a key as if nothing had ever waited there", function* () {
      const { purge } = yield* Operations
      yield* submit(...tasks(3, { box: boxOf("k") }))
      yield* purge(partition, 10, "no")
      const [one, two] = tasks(2, { box: boxOf("k") })

      yield* submit(one!, two!)

      expect(yield* claim("w", 10)).toEqual([one!.entry])
      yield* turn("w", { settled: [end(one!.entry)] })
      expect(yield* claim("w", 10)).toEqual([two!.entry])
    })
  })

  describe(`the list of queues, in ${name}`, () => {
    const short = { retention: Duration.minutes(1), deadRetention: Duration.minutes(2) }

    promise("has those that were noted", function* () {
      const { note, partitions } = yield* Operations
      expect(yield* partitions).toEqual([])

      yield* note(partition)
      yield* note(partitionOf("documents"))
      yield* note(partition)

      expect(yield* partitions).toEqual([partition, "documents.0"])
    })

    promise(
      "lets go of one that nobody has noted for two hours or the retention, once it is empty",
      function* () {
        const { note, partitions } = yield* Operations
        yield* note(partition)
        yield* note(partitionOf("documents"))
        yield* submit(aTask())

        yield* advance("119 minutes")
        expect(yield* partitions).toEqual([partition, "documents.0"])

        yield* advance("2 minutes")

        expect(yield* partitions).toEqual([partition])
        yield* advance("3 minutes")
        expect(yield* partitions).toEqual([])
      },
      short
    )
  })

  describe(`scanning, in ${name}`, () => {
    /** Something on every shelf; each task's ULID by a name. */
    const furnish = Effect.gen(function* () {
      const some = {
        urgent: aTask({ lane: "urgent" }),
        old: aTask(),
        young: aTask(),
        low: aTask({ lane: "low" }),
        boxed: aTask({ box: boxOf("k") }),
        soon: aTask({ due: { afterMs: 1_000 } }),
        late: aTask({ due: { afterMs: 2_000 }, expiresAt: startOfTime + 90_000 })
      }
      const [running, ended, ...doomed] = tasks(4, { lane: "urgent" })
      yield* submit(running!, ended!, ...doomed)
      const [first, second, ...others] = yield* claim("w", 4)
      yield* turn("w", { settled: [end(second!)] })
      for (const entry of others) {
        yield* advance("1 millis")
        yield* turn("w", { settled: [end(entry, "F")] })
      }
      yield* submit(...Object.values(some).toReversed(), ...[])
      return { ...some, running: running!, ended: ended!, dead1: doomed[0]!, dead2: doomed[1]!, first }
    })

    promise("gives each shelf in its order", function* () {
      const all = yield* furnish
      const { boxed, dead1, dead2, ended, late, low, old, running, soon, urgent, young } = all

      expect(yield* walked("waiting")).toEqual(ulids([urgent, young, old, low, boxed]))
      expect(yield* walked("running")).toEqual(ulids([running]))
      expect(yield* walked("later")).toEqual(ulids([soon, late]))
      expect(yield* walked("dead")).toEqual(ulids([dead2, dead1]))
      expect(yield* walked("all")).toEqual(
        ulids([boxed, dead1, dead2, ended, late, low, old, running, soon, urgent, young]).sort().reverse()
      )
    })

    promise("gives the same in pieces of any size", function* () {
      yield* furnish
      for (const shelf of ["waiting", "running", "later", "dead", "all"] satisfies ReadonlyArray<Shelf>) {
        const whole = yield* walked(shelf)
        for (const most of [1, 2, 3]) {
          const pieces = yield* piecesOf(shelf, most)

          expect(pieces.flat()).toEqual(whole)
          expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(most)
        }
      }
    })

    promise("goes through long boxes and many of them", function* () {
      const { scan } = yield* Operations
      const long = tasks(250, { box: boxOf("long") })
      const many = Array.from({ length: 300 }, (_, n) => aTask({ box: boxOf(`key ${n}`) }))
      yield* submit(...long, ...many)

      const given = yield* walked("waiting", 100)

      expect(given.filter((ulid) => ulids(long).includes(ulid))).toEqual(ulids(long))
      expect(given.toSorted()).toEqual(ulids([...long, ...many]).sort())
      // A cursor is no longer than an address bar likes it.
      const { next } = yield* scan(partition, "waiting", undefined, 100)
      expect(next).toMatch(/^[\w:.|-]{1,200}$/)
    })

    promise("gives those that wait for children", function* () {
      const parent = aTask()
      yield* submit(parent)
      const [entry] = yield* claim("w", 1)
      const again = encodeRecord({ letter: "Q", lane: "normal", run: 2, crashes: 0 }, anEnvelope())
      const child = idIn(partition, aUlid())
      yield* submit(
        aTask({ ulid: ulidOfId(child), parent: idIn(partition, parent.ulid), due: { afterMs: 1_000 } })
      )
      yield* turn("w", { settled: [{ kind: "wait", entry: entry!, record: again, children: [child] }] })

      // A child that the run has not adopted is not waited for, and the task waits for its turn.
      expect(yield* walked("waiting")).toEqual([parent.ulid])
    })

    promise("misses nothing of a lane whose head is claimed meanwhile", function* () {
      const { scan } = yield* Operations
      const some = tasks(100)
      yield* submit(...some)
      const first = yield* scan(partition, "waiting", undefined, 30)
      yield* claim("w", 20)
      const second = yield* scan(partition, "waiting", first.next, 30)
      yield* claim("w", 50)

      const third = yield* scan(partition, "waiting", second.next, 30)

      expect([...first.ids, ...second.ids].map(ulidOfId)).toEqual(ulids(some).slice(0, 60))
      expect(third.ids.map(ulidOfId)).toEqual(ulids(some).slice(70))
    })

    promise("gives each of many that died in the same moment once", function* () {
      yield* die(...tasks(25))
      const whole = yield* walked("dead")

      expect(whole).toHaveLength(25)
      expect(new Set(whole).size).toBe(25)
      expect(yield* walked("dead", 4)).toEqual(whole)
    })

    promise("goes on behind a dead letter that was dropped meanwhile", function* () {
      const { bury, scan } = yield* Operations
      yield* die(...tasks(10))
      const whole = yield* walked("dead")
      const { ids, next } = yield* scan(partition, "dead", undefined, 4)
      yield* bury(partition, ids.map(ulidOfId))

      const rest = yield* scan(partition, "dead", next, 10)

      expect(rest.ids.map(ulidOfId)).toEqual(whole.slice(4))
    })

    promise(
      "of all tasks gives one that went back to work on the way, and none that was dropped",
      function* () {
        const { bury, revive, scan } = yield* Operations
        const entries = yield* die(...tasks(6))
        const [dropped, revived, ...others] = ulidsOf(entries)
        expect(yield* walked("all", 2)).toHaveLength(6)
        const { next } = yield* scan(partition, "all", undefined, 2)

        yield* bury(partition, [dropped!])
        yield* revive(partition, [yield* revivalOf(entries[1]!)])

        const rest = yield* scan(partition, "all", next, 10)
        expect(rest.ids.map(ulidOfId)).toEqual([...others.toReversed().slice(2), revived!])
      }
    )

    promise("refuses a cursor that is none of the shelf's", function* () {
      const { scan } = yield* Operations
      for (const cursor of ["", "x", "urgent:1", `0:${aUlid()}`]) {
        const refused = yield* Effect.flip(scan(partition, "all", cursor, 1))
        expect(refused).toBeInstanceOf(StoreError)
        expect(refused.message).toContain("cursor")
      }
    })

    promise(
      "of some 20 000 tasks gives each exactly once, newest first, while they end in every way",
      function* () {
        const { scan } = yield* Operations
        // Two large segments, of which one is long over, and a week of small ones.
        const some = [
          ...Array.from({ length: 6_000 }, (_, n) => ulidAt(Date.UTC(2020, 0, 1), n)),
          ...Array.from({ length: 6_000 }, (_, n) => ulidAt(startOfTime, n)),
          ...Array.from({ length: 8_000 }, (_, n) => ulidAt(Date.UTC(2025, 0, 1) + n * 75_000, n))
        ].map((ulid) => aTask({ ulid }))
        for (let at = 0; at < some.length; at += 1_000) yield* submit(...some.slice(at, at + 1_000))

        const working = yield* Effect.gen(function* () {
          for (let round = 0; ; round++) {
            const entries = yield* claim("w", 100)
            if (entries.length === 0) return
            yield* turn("w", {
              settled: entries.map((entry, n) =>
                n % 3 === 0 ? end(entry, "F") : n % 3 === 1 ? end(entry) : retry(entry, 3_600_000)
              )
            })
            yield* Effect.yieldNow
          }
        }).pipe(Effect.forkChild)
        const given: Array<string> = []
        let cursor: string | undefined
        do {
          const piece: { readonly ids: ReadonlyArray<string>; readonly next: string | undefined } =
            yield* scan(partition, "all", cursor, 400)
          for (const id of piece.ids) given.push(id.slice(-26))
          cursor = piece.next
          yield* Effect.yieldNow
        } while (cursor !== undefined)
        yield* Fiber.join(working)

        expect(given.length).toBe(some.length)
        expect(given).toEqual(ulids(some).sort().reverse())
      },
      {},
      60_000
    )
  })

  describe(`dead letters, in ${name}`, () => {
    promise("go back to work under their next run", function* () {
      const { revive } = yield* Operations
      const [entry] = yield* die(aTask())
      const revival = yield* revivalOf(entry!)

      expect(yield* revive(partition, [revival])).toEqual([revival.ulid])

      expect(yield* found(revival.ulid)).toEqual({ record: revival.record, place: { kind: "lane" } })
      expect(yield* walked("dead")).toEqual([])
      const { claimed } = yield* turn("w", { want: 1 })
      expect(claimed).toEqual([{ entry: revival.entry, record: revival.record }])
      yield* turn("w", { settled: [end(revival.entry)] })
      expect((yield* found(revival.ulid))!.place.kind).toBe("ended")
    })

    promise("go back once, however often it is said", function* () {
      const { revive } = yield* Operations
      const [entry] = yield* die(aTask())
      const revival = yield* revivalOf(entry!)
      yield* revive(partition, [revival, revival])

      expect(yield* revive(partition, [revival])).toEqual([revival.ulid])

      expect(yield* claim("w", 10)).toEqual([revival.entry])
      yield* turn("w", { settled: [end(revival.entry)] })
      expect(yield* revive(partition, [revival])).toEqual([])
    })

    promise("tells its callback of its next end, though that of the first is dropped late", function* () {
      const { revive } = yield* Operations
      const store = yield* Store
      const [entry] = yield* die({ ...aTask(), callback: true })
      const first = yield* store.outbox(partition, 10)
      yield* store.drop(partition, first)

      const revival = yield* revivalOf(entry!)
      yield* revive(partition, [{ ...revival, callback: true }])
      yield* claim("w", 1)
      yield* turn("w", { settled: [end(revival.entry, "F")] })
      yield* store.drop(partition, first)

      const task = idIn(partition, ulidOfEntry(entry!))
      expect(first).toEqual([{ kind: "callback", task, run: 1 }])
      expect(yield* store.outbox(partition, 10)).toEqual([{ kind: "callback", task, run: 2 }])
    })

    promise("are passed over when they are not what the caller has read", function* () {
      const { revive } = yield* Operations
      const [entry] = yield* die(aTask())
      const revival = yield* revivalOf(entry!)

      expect(yield* revive(partition, [{ ...revival, expected: `${revival.expected} ` }])).toEqual([])
      expect(yield* revive(partition, [{ ...revival, ulid: aUlid() }])).toEqual([])

      expect(yield* walked("dead")).toEqual([revival.ulid])
      expect(yield* claim("w", 10)).toEqual([])
    })

    promise("go back into their box, which may be forgotten", function* () {
      const { revive } = yield* Operations
      const box = boxOf("k")
      const [entry] = yield* die(aTask({ box }))
      const other = aTask({ box })

      yield* revive(partition, [yield* revivalOf(entry!, box)])

      expect(yield* claim("w", 10)).toEqual([nextRun(entry!)])
      yield* submit(other)
      expect(yield* claim("w", 10)).toEqual([])
      yield* turn("w", { settled: [end(nextRun(entry!))] })
      expect(yield* claim("w", 10)).toEqual([other.entry])
    })

    promise("count as tasks that have not ended once they are back", function* () {
      const { limit, revive } = yield* Operations
      const [entry] = yield* die(aTask())
      yield* limit(partition, { maxDepth: 1 })

      yield* revive(partition, [yield* revivalOf(entry!)])

      expect((yield* Effect.flip(submit(aTask())))._tag).toBe("QueueFull")
    })

    promise("are dropped with all that is theirs", function* () {
      const { bury } = yield* Operations
      const store = yield* Store
      const [task, other] = tasks(2)
      yield* submit(task!, other!)
      const entries = yield* claim("w", 2)
      yield* store.append(partition, "w", [{ entry: task!.entry, seq: 1, kind: "chunk", data: "1" }])
      yield* turn("w", { settled: entries.map((entry) => end(entry, "F")) })

      expect(yield* bury(partition, [task!.ulid, aUlid()])).toBe(1)

      expect(yield* found(task!.ulid)).toBeUndefined()
      expect(yield* store.events(idIn(partition, task!.ulid), { run: 0, seq: 0 }, 10)).toEqual([])
      expect(yield* walked("dead")).toEqual([other!.ulid])
      expect(yield* bury(partition, [task!.ulid])).toBe(0)
    })
  })

  describe(`trimming, in ${name}`, () => {
    promise("drops the oldest deaths over the number that is kept", function* () {
      const { trim } = yield* Operations
      const some = tasks(1_200)
      for (const at of [0, 400, 800]) {
        yield* die(...some.slice(at, at + 400))
        yield* advance("1 second")
      }

      expect(yield* trim(partition, keeping(500))).toBe(700)

      const kept = yield* walked("dead", 500)
      expect(kept.toSorted()).toEqual(kept.toSorted())
      expect(kept).toHaveLength(500)
      expect(ulids(some.slice(800)).every((ulid) => kept.includes(ulid))).toBe(true)
      expect(yield* found(some[0]!.ulid)).toBeUndefined()
      expect(yield* trim(partition, keeping(500))).toBe(0)
    })

    promise("drops the oldest deaths over the memory that they may take", function* () {
      const { trim } = yield* Operations
      const large = tasks(40)
      yield* dieWith("x".repeat(50_000), large.slice(0, 20))
      yield* advance("1 second")
      yield* dieWith("x".repeat(50_000), large.slice(20))
      expect(yield* trim(partition, { deadMax: 100, deadBytes: 10_000_000 })).toBe(0)

      const dropped = yield* trim(partition, { deadMax: 100, deadBytes: 1_040_000 })

      expect(dropped).toBeWithin(19, 23)
      const kept = yield* walked("dead", 100)
      expect(kept).toHaveLength(40 - dropped)
      expect(kept.every((ulid) => ulids(large.slice(dropped < 20 ? 0 : 20)).includes(ulid))).toBe(true)
    })

    /** Ends tasks of some 10 000 bytes in four segments from a minute on, one after the other, and says which. */
    const fillFrom = Effect.fnUntraced(function* (minute: number) {
      const some = [1, 2, 3, 4].map((n) => aTask({ ulid: ulidAt(startOfTime + (minute + n) * 60_000, 1) }))
      for (const task of some) {
        yield* submit(task)
        const [entry] = yield* claim("w", 1)
        yield* turn("w", { settled: [end(entry!, "S", "y".repeat(10_000))] })
        yield* advance("1 second")
      }
      return ulids(some)
    })
    const fill = fillFrom(0)

    const kept = Effect.fnUntraced(function* (some: ReadonlyArray<string>) {
      const records = yield* (yield* Store).read(partition, some)
      return some.filter((_, at) => records[at] !== undefined)
    })

    promise("drops the tasks that ended first over the bytes that are kept", function* () {
      const { limit, trim } = yield* Operations
      const some = yield* fill
      expect(yield* trim(partition, keeping(10))).toBe(0)

      yield* limit(partition, { keepBytes: 25_000 })

      expect(yield* trim(partition, keeping(10))).toBe(2)
      expect(yield* kept(some)).toEqual(some.slice(2))
      expect(yield* walked("all")).toEqual(some.slice(2).toReversed())
      expect(yield* trim(partition, keeping(10))).toBe(0)
    })

    promise(
      "drops tasks that ended longer ago than the queue keeps them, before their retention is over",
      function* () {
        const { limit, trim } = yield* Operations
        const [one] = tasks(1)
        yield* submit(one!)
        const [entry] = yield* claim("w", 1)
        yield* turn("w", { settled: [end(entry!)] })
        yield* limit(partition, { keepMs: 60_000 })
        yield* advance("59 seconds")
        expect(yield* trim(partition, keeping(10))).toBe(0)

        yield* advance("1 second")

        expect(yield* trim(partition, keeping(10))).toBe(1)
        expect(yield* kept([one!.ulid])).toEqual([])
        expect(yield* walked("all")).toEqual([])
      }
    )

    promise("measures what has ended since the last time", function* () {
      const { limit, trim } = yield* Operations
      yield* limit(partition, { keepBytes: 45_000 })
      const some = yield* fill
      expect(yield* trim(partition, keeping(10))).toBe(0)
      const more = aTask({ ulid: ulidAt(startOfTime + 600_000, 1) })
      yield* submit(more)
      const [entry] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(entry!, "S", "y".repeat(10_000))] })

      expect(yield* trim(partition, keeping(10))).toBe(1)

      expect(yield* kept([...some, more.ulid])).toEqual([...some.slice(1), more.ulid])
    })

    promise("leaves a segment in which a task lives", function* () {
      const { limit, trim } = yield* Operations
      const [ended, living] = tasks(2)
      yield* submit(ended!, living!)
      const [entry] = yield* claim("w", 1)
      yield* turn("w", { settled: [end(entry!)] })

      yield* limit(partition, { keepBytes: 0 })

      expect(yield* trim(partition, keeping(10))).toBe(0)
      expect((yield* found(ended!.ulid))!.place.kind).toBe("ended")
    })

    promise(
      "leaves children alone that their parents may remember, however long ago they ended",
      function* () {
        const { limit, trim } = yield* Operations
        const some = yield* fill
        const child = aTask({ ulid: ulidAt(startOfTime, 1), parent: idIn(elsewhere, aUlid()) })
        yield* submit(child)
        const [entry] = yield* claim("w", 1)
        yield* turn("w", { settled: [end(entry!, "S", "y".repeat(10_000))] })
        yield* advance("1 minute")

        yield* limit(partition, { keepBytes: 1 })
        expect(yield* trim(partition, keeping(10))).toBe(4)
        expect(yield* kept([child.ulid, ...some])).toEqual([child.ulid])

        yield* limit(partition, { keepMs: 1_000 })
        expect(yield* trim(partition, keeping(10))).toBe(0)
        expect(yield* kept([child.ulid])).toEqual([child.ulid])
      }
    )

    promise(
      "does not count what the sweep has dropped",
      function* () {
        const { limit, trim } = yield* Operations
        const store = yield* Store
        yield* limit(partition, { keepBytes: 45_000 })
        yield* fill
        yield* trim(partition, keeping(10))
        yield* advance("2 minutes")
        const living = aTask({ ulid: aUlid(startOfTime + 7_200_000) })
        yield* submit(living)
        const [entry] = yield* claim("w", 1)
        yield* turn("w", { settled: [end(entry!)] })
        expect((yield* store.sweep(partition, 100)).dropped).toBe(4)

        const some = yield* fillFrom(10)

        expect(yield* trim(partition, keeping(10))).toBe(0)
        expect(yield* kept(some)).toEqual(some)
      },
      { retention: Duration.minutes(1) }
    )
  })

  describe(`workers, in ${name}`, () => {
    promise("are told with their leases, what they hold and what they say of themselves", function* () {
      const { workers } = yield* Operations
      const store = yield* Store
      const about = {
        node: "n",
        pid: 1,
        host: "h",
        startedAt: 2,
        memoryBytes: 3,
        done: 4,
        concurrency: 5,
        leaseMs: 10_000,
        handlers: ["shop.cart"]
      }
      const [first, second] = tasks(2)
      yield* submit(first!, second!)
      yield* turn("b", { want: 2, about: JSON.stringify(about), leaseMs: 7_000 })
      yield* turn("a")
      yield* store.evict(partition, "a")

      expect(yield* workers(partition)).toEqual([
        { worker: "a", leaseUntil: 0, seenAt: startOfTime, about: undefined, held: [] },
        {
          worker: "b",
          leaseUntil: startOfTime + 7_000,
          seenAt: startOfTime,
          about,
          held: [first!.entry, second!.entry]
        }
      ])
    })

    promise("hear that they are to drain", function* () {
      const { drain } = yield* Operations
      const { next } = yield* (yield* Store).orders("w", [partition])

      yield* drain(partition, "w")

      expect(yield* next).toEqual({ kind: "drain" })
    })
  })

  describe(`counters, in ${name}`, () => {
    promise("are added up by the minute", function* () {
      const { count, minutes } = yield* Operations
      yield* count(partition, { submitted: 2, "wait:100": 1 })
      yield* count(partition, { submitted: 1 })
      yield* advance("2 minutes")
      yield* count(partition, { failed: 1 })
      yield* count(partition, {})

      expect(yield* minutes(partition, 4)).toEqual([
        { at: startOfTime - 60_000, counts: {} },
        { at: startOfTime, counts: { submitted: 3, "wait:100": 1 } },
        { at: startOfTime + 60_000, counts: {} },
        { at: startOfTime + 120_000, counts: { failed: 1 } }
      ])
    })

    promise("go after two hours", function* () {
      const { count, minutes } = yield* Operations
      yield* count(partition, { submitted: 1 })
      yield* advance("119 minutes")
      expect((yield* minutes(partition, 1_000))[0]).toEqual({ at: startOfTime, counts: { submitted: 1 } })

      yield* advance("1 minute")

      expect((yield* minutes(partition, 1_000)).flatMap(({ counts }) => Object.keys(counts))).toEqual([])
    })

    promise("are whole numbers, or nothing is counted", function* () {
      const { count, minutes } = yield* Operations

      const refused = yield* Effect.flip(count(partition, { a: 1, submitted: 1.5 }))

      expect(refused.message).toContain("submitted: 1.5 is no whole number")
      expect(yield* minutes(partition, 1)).toEqual([{ at: startOfTime, counts: {} }])
    })
  })

  describe(`memory, in ${name}`, () => {
    promise("is told with its bound", function* () {
      const { memory } = yield* Operations

      const { max, policy, used } = yield* memory

      expect(used).toBeGreaterThan(100_000)
      expect(max).toBe(0)
      expect(policy).toBe("noeviction")
    })
  })
}
