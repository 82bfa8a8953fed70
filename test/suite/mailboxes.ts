/** What every store promises of tasks with a key or limits: their order, their room, and that nobody waits for others. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Store } from "../../runtime/store.ts"
import type { Box } from "../../runtime/mailbox.ts"
import { quantum, type Turn } from "../../runtime/turn.ts"
import { type Entry, nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, boxOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import {
  aTask,
  claim,
  end,
  entriesOf,
  release,
  retry,
  submit,
  tasks,
  type TestTask,
  turn
} from "../support/tasks.ts"
import { startOfTime } from "../support/time.ts"

const entries = (some: ReadonlyArray<TestTask>): Array<Entry> => some.map(({ entry }) => entry)

/** Claims, ends what was claimed in the same breath, and goes on until nothing is left. */
const drained = Effect.fnUntraced(function* (want: number) {
  const order: Array<Entry> = []
  let claimed: ReadonlyArray<Entry> = yield* claim("w", want)
  while (claimed.length > 0) {
    order.push(...claimed)
    const settled = claimed.map((entry) => end(entry))
    claimed = entriesOf((yield* turn("w", { settled, want })).claimed)
  }
  return order
})

/** Submits tasks of one box, and lets `worker` claim what it may. */
const claimedOf = Effect.fnUntraced(function* (worker: string, count: number, box: Box) {
  const submitted = tasks(count, { box })
  yield* submit(...submitted)
  return [entries(submitted), yield* claim(worker, count)] as const
})

const ringsOf = (over: Partial<Turn> = {}) =>
  Effect.map(turn("w", { want: 10, ...over }), ({ claimed, nextDue, rings }) => ({
    claimed: claimed.map(({ entry, ring }) => [entry, ring] as const),
    nextDue,
    rings
  }))

export const mailboxesSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`tasks of one key, in ${name}`, () => {
    promise("run one at a time, in the order in which they were submitted", function* () {
      const lanes = ["low", "urgent", "normal"] as const
      const submitted = lanes.map((lane) => aTask({ lane, box: boxOf("a") }))
      for (const task of submitted) yield* submit(task)

      expect(yield* claim("w", 10)).toEqual([submitted[0]!.entry])
      expect(yield* claim("v", 10)).toEqual([])
      yield* turn("w", { settled: [end(submitted[0]!.entry)] })
      expect(yield* claim("v", 10)).toEqual([submitted[1]!.entry])
      yield* turn("v", { settled: [end(submitted[1]!.entry, "F")] })
      expect(yield* claim("w", 10)).toEqual([submitted[2]!.entry])
    })

    promise("run as many at once as their box has room for", function* () {
      const [all, first] = yield* claimedOf("w", 5, boxOf("a", { limit: 2, ordered: false }))

      expect(first).toEqual(all.slice(0, 2))
      yield* turn("w", { settled: [end(first[1]!)] })
      expect(yield* claim("v", 5)).toEqual([all[2]!])
    })

    promise("run all at once where their box has room for any number", function* () {
      const [all, claimed] = yield* claimedOf("w", 25, boxOf("a", { limit: 0, ordered: false }))

      expect(claimed).toEqual(all)
    })

    promise("keep their order over a retry when they are ordered", function* () {
      const [[first, second], [held]] = yield* claimedOf("w", 2, boxOf("a"))
      yield* turn("w", { settled: [retry(held!, 5_000)] })
      expect(yield* claim("w", 5)).toEqual([])

      yield* advance(5_000)

      expect(yield* claim("w", 5)).toEqual([nextRun(first!)])
      yield* turn("w", { settled: [end(nextRun(first!))] })
      expect(yield* claim("w", 5)).toEqual([second!])
    })

    promise("pass one that waits to be tried again when they are not ordered", function* () {
      const [[first, second, third], [held]] = yield* claimedOf("w", 3, boxOf("a", { ordered: false }))
      yield* turn("w", { settled: [retry(held!, 5_000)] })
      expect(yield* claim("w", 5)).toEqual([second!])

      yield* advance(5_000)
      yield* turn("w", { settled: [end(second!)] })

      expect(yield* drained(1)).toEqual([third!, nextRun(first!)])
    })

    promise("keep their order when one is given back, or its worker dies", function* () {
      const [[first, second]] = yield* claimedOf("w", 2, boxOf("a"))
      yield* turn("w", { settled: [release(first!)] })
      expect(yield* claim("v", 5)).toEqual([nextRun(first!)])

      yield* (yield* Store).evict(partition, "v")

      expect(yield* drained(5)).toEqual([nextRun(nextRun(first!)), second!])
    })

    promise("come before those that waited, oldest first, when they are given back", function* () {
      const [all, held] = yield* claimedOf("w", 4, boxOf("a", { limit: 2, ordered: false }))

      yield* turn("w", { settled: held.toReversed().map(release) })

      expect(yield* claim("w", 5)).toEqual(held.map(nextRun))
      yield* turn("w", { settled: held.map((entry) => end(nextRun(entry))) })
      expect(yield* claim("w", 5)).toEqual(all.slice(2))
    })

    promise("have the room that the newest of them says", function* () {
      const [first, second, third] = [1, 1, 2].map((limit) => aTask({ box: boxOf("a", { limit }) }))
      yield* submit(first!)
      yield* submit(second!)
      expect(yield* claim("w", 5)).toEqual([first!.entry])

      yield* submit(third!)

      expect(yield* claim("w", 5)).toEqual([second!.entry])
    })

    promise(
      "go on after one that was cancelled while it ran, waited, or was to be tried again",
      function* () {
        const store = yield* Store
        const [all, [running]] = yield* claimedOf("w", 4, boxOf("a"))
        yield* store.cancel(partition, ulidOfEntry(running!), "no more")
        yield* store.cancel(partition, ulidOfEntry(all[1]!), "no more")
        expect(yield* claim("w", 5)).toEqual([all[2]!])
        yield* turn("w", { settled: [retry(all[2]!, 60_000)] })

        yield* store.cancel(partition, ulidOfEntry(all[2]!), "no more")

        expect(yield* claim("w", 5)).toEqual([all[3]!])
      }
    )

    promise("come back to a box that was forgotten while all of them waited for their time", function* () {
      const [[first]] = yield* claimedOf("w", 1, boxOf("a", { ordered: false }))
      const delayed = aTask({ box: boxOf("b"), due: { afterMs: 2_000 } })
      yield* submit(delayed)
      yield* turn("w", { settled: [retry(first!, 1_000)] })
      yield* turn("w", { want: 5 })

      yield* advance(2_000)

      expect(yield* claim("w", 5)).toEqual([nextRun(first!), delayed.entry])
    })
  })

  describe(`keys beside each other, in ${name}`, () => {
    promise("have their turn after a quantum, however much another has", function* () {
      const flood = tasks(10_000, { box: boxOf("whale", { limit: 0, ordered: false }) })
      const single = aTask({ box: boxOf("minnow") })
      yield* submit(...flood)
      expect(yield* claim("w", 1)).toEqual([flood[0]!.entry])
      yield* submit(single)

      const claimed = yield* claim("w", 4 * quantum)

      expect(claimed.indexOf(single.entry)).toBeGreaterThanOrEqual(0)
      expect(claimed.indexOf(single.entry)).toBeLessThanOrEqual(quantum)
    })

    promise("take turns when each claim is for one", function* () {
      const [a, b] = [
        tasks(3, { box: boxOf("a", { limit: 0 }) }),
        tasks(3, { box: boxOf("b", { limit: 0 }) })
      ]
      for (const task of [...a, ...b]) yield* submit(task)

      const order = yield* drained(1)

      expect(order).toEqual([0, 1, 2].flatMap((at) => [a[at]!.entry, b[at]!.entry]))
    })

    promise("do not wait for one whose runs take up its room", function* () {
      const [, held] = yield* claimedOf("w", 5, boxOf("a"))
      const other = aTask({ box: boxOf("b") })
      yield* submit(other)

      expect(held).toHaveLength(1)
      expect(yield* claim("w", 5)).toEqual([other.entry])
    })

    promise("get half of what is claimed where lanes have work, after urgent and high", function* () {
      const [urgent, high] = [aTask({ lane: "urgent" }), aTask({ lane: "high" })]
      const [plain, boxed] = [tasks(20), tasks(20, { box: boxOf("a", { limit: 0 }) })]
      yield* submit(...plain, ...boxed, urgent, high)

      const claimed = yield* claim("w", 10)

      expect(claimed).toEqual(
        [urgent, high, ...boxed.slice(0, 4), ...plain.slice(0, 4)].map(({ entry }) => entry)
      )
    })

    promise("leave all to the lanes, or the lanes all to them, where the other has nothing", function* () {
      const [plain, boxed] = [tasks(4), tasks(4, { box: boxOf("a", { limit: 0 }) })]
      yield* submit(...plain)
      expect(yield* claim("w", 4)).toEqual(entries(plain))
      yield* submit(...boxed)

      expect(yield* claim("w", 4)).toEqual(entries(boxed))
    })

    promise("ring the bell when room comes back, and for what a claim has left", function* () {
      const { rang } = yield* Bell
      yield* submit(...tasks(3, { box: boxOf("a", { limit: 2, ordered: false }) }))
      expect(yield* rang).toBe(true)
      const [first] = yield* claim("w", 1)
      expect(yield* rang).toBe(true)
      yield* claim("w", 1)
      expect(yield* rang).toBe(false)

      yield* turn("w", { settled: [end(first!)] })

      expect(yield* rang).toBe(true)
    })
  })

  describe(`tasks with limits, in ${name}`, () => {
    const limited = (key: string, over: Partial<Box> = {}) =>
      boxOf(key, { name: `openai|${key}`, limit: 0, ordered: false, ...over })

    promise("wait for permits, and hold up nobody who needs none", function* () {
      const [waiting, plain] = [tasks(3, { box: limited("a") }), aTask()]
      yield* submit(...waiting, plain)

      const { claimed, rings } = yield* ringsOf()

      expect(claimed).toEqual([[plain.entry, undefined]])
      expect(rings).toEqual([["openai", 3]])
    })

    promise("are handed out as many as there are permits, by the turns of their keys", function* () {
      const [a, b] = [tasks(2, { box: limited("a", { limit: 1 }) }), tasks(2, { box: limited("b") })]
      yield* submit(...a, ...b)

      const { claimed, rings } = yield* ringsOf({ permits: [["openai", 2]] })

      expect(claimed).toEqual([
        [a[0]!.entry, "openai"],
        [b[0]!.entry, "openai"]
      ])
      expect(rings).toEqual([["openai", 1]])
    })

    promise("are not asked for before a deferral is over, and it tells when", function* () {
      yield* submit(aTask({ box: limited("a") }))

      const { nextDue, rings } = yield* ringsOf({ deferred: [["openai", 3_000]] })

      expect([rings, nextDue]).toEqual([[], startOfTime + 3_000])
      yield* submit(aTask({ box: limited("b") }))
      yield* advance(2_999)
      expect((yield* ringsOf()).rings).toEqual([])
      yield* advance(1)
      expect((yield* ringsOf()).rings).toEqual([["openai", 2]])
    })

    promise("are asked for no more once none is left", function* () {
      yield* submit(aTask({ box: limited("a") }))
      yield* turn("w", { want: 5, permits: [["openai", 5]] })

      expect(yield* ringsOf({ deferred: [["openai", 3_000]] })).toEqual({
        claimed: [],
        nextDue: undefined,
        rings: []
      })
    })

    promise("get half of what is claimed where others wait, and all of it where these are few", function* () {
      const [waiting, plain] = [tasks(12, { box: limited("a") }), tasks(4)]
      yield* submit(...waiting, ...plain, aTask({ box: boxOf("b", { limit: 0 }) }))

      const first = yield* ringsOf({ want: 4, permits: [["openai", 9]] })
      const second = yield* ringsOf({ want: 10, permits: [["openai", 7]] })

      const ringsIn = ({ claimed }: typeof first) => claimed.map(([, ring]) => ring ?? "")
      expect(ringsIn(first)).toEqual(["openai", "openai", "", ""])
      expect(ringsIn(second)).toEqual([
        ...Array.from({ length: 5 }, () => "openai"),
        ...["", "", ""],
        ...["openai", "openai"]
      ])
      expect(first.claimed.concat(second.claimed).flatMap(([entry, ring]) => (ring ? [entry] : []))).toEqual(
        entries(waiting.slice(0, 9))
      )
    })

    promise("are told by turns where their rings are more than a reply names", function* () {
      const names = Array.from({ length: 20 }, (_, at) => `limit-${String(at).padStart(2, "0")}`)
      yield* submit(...names.map((ring) => aTask({ box: limited("a", { name: `${ring}|a` }) })))
      const told = Effect.map(ringsOf(), ({ rings }) => rings.map(([ring]) => ring))

      const first = yield* told
      yield* advance(1)
      const second = yield* told

      expect(first).toHaveLength(16)
      expect(second.slice(0, 4)).toEqual(names.filter((ring) => !first.includes(ring)))
      expect(second).toHaveLength(16)
    })

    promise("are told to other workers by one that has no place for them", function* () {
      const { rang } = yield* Bell
      yield* submit(aTask({ box: limited("a") }))
      yield* rang

      yield* turn("w", { want: 0 })

      expect(yield* rang).toBe(true)
    })
  })
}
