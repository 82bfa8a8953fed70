/** What every store promises of who comes first: priorities, the share of what is in no hurry, and a bound on all. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { shareEvery, sharesOf } from "../../actors/work/share.ts"
import { Operations, type QueueLimits } from "../../runtime/operations.ts"
import { QueueFull, Store } from "../../runtime/store.ts"
import { type Entry, lanes } from "../../runtime/task.ts"
import { advance, boxOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import { aTask, aUlid, claim, end, entriesOf, found, retry, submit, tasks, turn } from "../support/tasks.ts"
import { startOfTime } from "../support/time.ts"

const limit = (limits: QueueLimits) => Operations.use((operations) => operations.limit(partition, limits))

const pause = (paused: boolean) => Operations.use((operations) => operations.pause(partition, paused))

export const sharesSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`lanes, in ${name}`, () => {
    promise("hand their oldest out within 48 claims of a worker, whatever floods those above", function* () {
      for (const want of [1, 7, 100]) {
        const lowest = (["high", "normal", "low"] as const).map((lane) => aTask({ lane }))
        yield* submit(...lowest)
        let before = 0
        const order: Array<Entry> = []
        while (before < 3 * shareEvery) {
          const flood = tasks(want, { lane: "urgent" })
          yield* submit(...flood)
          const most = Math.min(want, 3 * shareEvery - before)
          const { claimed } = yield* turn("w", { want: most, share: sharesOf(before, most) })
          yield* turn("w", { settled: claimed.map(({ entry }) => end(entry)) })
          before += claimed.length
          order.push(...entriesOf(claimed))
        }

        expect(order).toHaveLength(3 * shareEvery)
        for (const { entry } of lowest) expect(order).toContain(entry)
        while ((yield* drain()) > 0);
      }
    })

    promise(
      "keep their priority for the rest of a claim, and lose nothing of a share of an empty lane",
      function* () {
        const [urgent, low] = [tasks(4, { lane: "urgent" }), tasks(4, { lane: "low" })]
        yield* submit(...low, ...urgent)

        const { claimed } = yield* turn("w", { want: 4, share: [1, 1, 1] })

        expect(entriesOf(claimed)).toEqual([low[0]!, ...urgent.slice(0, 3)].map(({ entry }) => entry))
      }
    )

    promise("leave boxes as much as `normal`, whatever floods those above", function* () {
      for (const lane of ["urgent", "high"] as const) {
        const [flood, boxed] = [tasks(4, { lane }), tasks(2, { box: boxOf("a", { limit: 0 }) })]
        yield* submit(...flood, ...boxed)

        const { claimed } = yield* turn("w", { want: 4, share: [0, 1, 0] })
        yield* turn("w", { settled: claimed.map(({ entry }) => end(entry)) })

        expect(entriesOf(claimed)).toEqual([boxed[0]!, ...flood.slice(0, 3)].map(({ entry }) => entry))
        while ((yield* drain()) > 0);
      }
    })

    promise("give no more than was wanted, whatever their shares", function* () {
      yield* submit(
        ...lanes.flatMap((lane) => tasks(5, { lane })),
        ...tasks(5, { box: boxOf("a", { limit: 0 }) })
      )

      const { claimed } = yield* turn("w", { want: 2, share: [5, 5, 5] })

      expect(claimed).toHaveLength(2)
    })
  })

  describe(`a bound on what runs, in ${name}`, () => {
    promise("holds for all workers together, and is no reason to ring", function* () {
      const { rang } = yield* Bell
      yield* limit({ concurrency: 3 })
      yield* submit(...tasks(5))
      yield* rang
      const first = yield* claim("w", 2)
      yield* rang

      expect(yield* claim("v", 5)).toHaveLength(1)
      expect(yield* claim("u", 5)).toEqual([])
      expect(yield* rang).toBe(false)
      expect((yield* turn("w", { settled: [end(first[0]!)], want: 5 })).claimed).toHaveLength(1)
    })

    promise("counts neither what waits for its time nor what a dead worker held", function* () {
      yield* limit({ concurrency: 2 })
      yield* submit(...tasks(4))
      const [first] = yield* claim("w", 2)
      yield* turn("w", { settled: [retry(first!, 60_000)] })
      expect(yield* claim("v", 5)).toHaveLength(1)

      yield* (yield* Store).evict(partition, "w")

      expect(yield* claim("v", 5)).toHaveLength(1)
    })

    promise("holds for boxes and rings with limits as for lanes", function* () {
      yield* limit({ concurrency: 1 })
      yield* submit(aTask({ box: boxOf("a") }), aTask({ box: boxOf("a", { name: "openai|a", limit: 0 }) }))

      const { claimed } = yield* turn("w", { want: 5, permits: [["openai", 5]] })

      expect(claimed).toHaveLength(1)
    })

    promise("is none of a queue that is paused: it hands out nothing, whatever waits where", function* () {
      const { rang } = yield* Bell
      yield* submit(aTask(), aTask({ box: boxOf("a") }))
      yield* pause(true)
      yield* rang

      expect(yield* claim("w", 5)).toEqual([])
      expect(yield* rang).toBe(false)
      yield* pause(false)
      expect(yield* rang).toBe(true)
      expect(yield* claim("w", 5)).toHaveLength(2)
    })
  })

  describe(`a submit that a queue has no place for, in ${name}`, () => {
    /** It is refused as a whole, before anything of it is stored. */
    const isRefused = Effect.fnUntraced(function* (
      full: Pick<QueueFull, "bound" | "limit">,
      ...some: ReturnType<typeof tasks>
    ) {
      const before = yield* (yield* Store).depth(partition)
      const refused = yield* Effect.flip(submit(...some))
      expect(refused).toEqual(new QueueFull({ partition, ...full }))
      expect(yield* (yield* Store).depth(partition)).toEqual(before)
      for (const { ulid } of some) expect(yield* found(ulid)).toBeUndefined()
      expect((yield* turn("ear")).nextDue).toBeUndefined()
    })

    promise("is refused where too many have not ended, and taken once enough have", function* () {
      yield* limit({ maxDepth: 2 })
      const [running, waiting] = tasks(2)
      yield* submit(running!, waiting!)
      yield* claim("w", 1)
      const alarmed = aTask({ expiresAt: startOfTime + 1, due: { afterMs: 1 }, box: boxOf("a") })

      yield* isRefused({ bound: "maxDepth", limit: 2 }, alarmed)

      yield* turn("w", { settled: [end(running!.entry, "F")] })
      yield* isRefused({ bound: "maxDepth", limit: 2 }, ...tasks(2))
      yield* submit(aTask())
    })

    promise("is refused where the oldest has waited too long, and taken once that is claimed", function* () {
      yield* limit({ maxAgeMs: 1_000 })
      yield* submit(aTask({ ulid: aUlid(startOfTime), lane: "low" }))
      yield* advance(1_000)
      yield* submit(aTask({ ulid: aUlid(startOfTime + 1_000), lane: "urgent" }))
      yield* advance(1)

      yield* isRefused({ bound: "maxAgeMs", limit: 1_000 }, aTask())

      yield* claim("w", 2)
      yield* submit(aTask())
    })

    promise("is taken where what waits was due only later than it was submitted", function* () {
      const late = aTask({ ulid: aUlid(startOfTime), due: { afterMs: 1_500 } })
      const envelope = { name: "test", dueAt: startOfTime + 1_500, input: { text: '"dueAt":9' } }
      yield* limit({ maxAgeMs: 1_000 })
      yield* submit({ ...late, record: `Qn1.0${JSON.stringify(envelope)}` })
      yield* advance(2_000)
      yield* turn("w")

      yield* submit(aTask({ ulid: aUlid(startOfTime + 2_000) }))
      yield* advance(501)
      yield* isRefused({ bound: "maxAgeMs", limit: 1_000 }, aTask())
    })

    promise("is taken where what waits was tried before, and is due again only now", function* () {
      const first = aTask({ ulid: aUlid(startOfTime) })
      yield* limit({ maxAgeMs: 1_000 })
      yield* submit(first)
      yield* claim("w", 1)
      const envelope = {
        name: "test",
        input: '"dueAt":9}',
        past: [{ attempt: 1 }],
        dueAt: startOfTime + 1_500
      }
      const record = `Qn2.0${JSON.stringify(envelope)}`
      yield* turn("w", { settled: [{ kind: "retry", entry: first.entry, delayMs: 1_500, record }] })
      yield* advance(2_000)
      yield* turn("w")

      yield* submit(aTask({ ulid: aUlid(startOfTime + 2_000) }))
      yield* advance(501)
      yield* isRefused({ bound: "maxAgeMs", limit: 1_000 }, aTask())
    })

    promise("is refused where too many of its key wait, though those of another do not", function* () {
      yield* limit({ maxKeyDepth: 2 })
      yield* submit(...tasks(2, { box: boxOf("a") }))

      yield* isRefused(
        { bound: "maxKeyDepth", limit: 2 },
        aTask({ box: boxOf("b") }),
        aTask({ box: boxOf("a") })
      )
      yield* isRefused({ bound: "maxKeyDepth", limit: 2 }, ...tasks(3, { box: boxOf("b") }))

      yield* submit(...tasks(2, { box: boxOf("b") }), ...tasks(5))
      yield* claim("w", 1)
      yield* turn("w", { want: 5 })
      yield* submit(aTask({ box: boxOf("a") }))
    })

    promise("is not refused when it is said again", function* () {
      yield* limit({ maxDepth: 1 })
      const task = aTask()
      yield* submit(task)

      yield* submit(task)

      expect(yield* claim("w", 5)).toEqual([task.entry])
    })
  })

  const drain = Effect.fnUntraced(function* () {
    const { claimed } = yield* turn("w", { want: 1_000 })
    yield* turn("w", { settled: claimed.map(({ entry }) => end(entry)) })
    return claimed.length
  })
}
