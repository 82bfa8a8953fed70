/** What every store promises of how long it keeps what has ended: for its retention, and a child as long as its parent lives. */
import { describe, expect } from "bun:test"
import { Duration, Effect } from "effect"
import { askedAgainMs, type Remembered, Store } from "../../runtime/store.ts"
import { type Entry, idIn, segmentOf, ulidOfEntry } from "../../runtime/task.ts"
import { adopt, aChildOf, type Child } from "../support/children.ts"
import { advance, promisesOn, type StoreWith } from "../support/promises.ts"
import { elsewhere, partition } from "../support/stores.ts"
import { anEnd, aTask, aUlid, claim, end, found, submit, tasks, turn } from "../support/tasks.ts"

const settings = { retention: Duration.minutes(1), deadRetention: Duration.minutes(5) }

const sweep = (limit = 100) => Store.use((store) => store.sweep(partition, limit))

const dropped = (limit?: number) => Effect.map(sweep(limit), ({ dropped }) => dropped)

const forget = (remembered: Remembered) => Store.use((store) => store.forget(partition, remembered))

/** Submits tasks, and lets `worker` claim them. */
const held = Effect.fnUntraced(function* (worker: string, count: number) {
  const submitted = tasks(count)
  yield* submit(...submitted)
  const entries = yield* claim(worker, count)
  expect(entries).toEqual(submitted.map(({ entry }) => entry))
  return entries
})

const heldOne = (worker: string) => Effect.map(held(worker, 1), ([entry]) => entry!)

const idOf = (entry: Entry) => idIn(partition, ulidOfEntry(entry))

/** When tasks of another segment than all others were submitted. */
const otherTime = 1_000_000_000_000

/** A child of a run that worker `w` holds, in a segment of another time than its parent's. */
const aChild = Effect.fnUntraced(function* (parent: Entry, at = otherTime) {
  const child = aChildOf(parent, { ulid: aUlid(at) })
  yield* adopt(parent, child)
  yield* submit(child)
  yield* claim("w", 1)
  return child
})

const endOf = ({ entry }: Child, letter?: "S" | "F") => turn("w", { settled: [end(entry, letter)] })

export const retentionSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`the sweep, in ${name}`, () => {
    promise(
      "drops what has ended once it is past its retention, and not before",
      function* () {
        const [ended, buried] = yield* held("w", 2)
        yield* turn("w", { settled: [end(ended!), end(buried!, "F")] })
        yield* advance("59 seconds")
        expect(yield* dropped()).toBe(0)
        expect(yield* found(ulidOfEntry(ended!))).toBeDefined()

        yield* advance("1 second")

        expect(yield* dropped()).toBe(1)
        expect(yield* found(ulidOfEntry(ended!))).toBeUndefined()
        expect(yield* found(ulidOfEntry(buried!))).toBeDefined()
      },
      settings
    )

    promise(
      "drops a dead letter once it is past the retention of the dead",
      function* () {
        const entry = yield* heldOne("w")
        yield* turn("w", { settled: [end(entry, "F")] })
        yield* advance("299 seconds")
        expect(yield* dropped()).toBe(0)

        yield* advance("1 second")

        expect(yield* dropped()).toBe(1)
        expect(yield* found(ulidOfEntry(entry))).toBeUndefined()
        expect(yield* (yield* Store).depth(partition)).toMatchObject({ dead: 0 })
      },
      settings
    )

    promise(
      "leaves a segment alone in which a task lives",
      function* () {
        const [ended, living] = yield* held("w", 2)
        yield* turn("w", { settled: [end(ended!)] })
        yield* advance("1 hour")

        expect(yield* dropped()).toBe(0)
        expect(yield* found(ulidOfEntry(living!))).toMatchObject({ place: { kind: "held" } })
        expect(yield* found(ulidOfEntry(ended!))).toMatchObject({ place: { kind: "ended" } })
      },
      settings
    )

    promise(
      "keeps a task that lives, however long ago the others of its segment ended",
      function* () {
        const ended = yield* heldOne("w")
        yield* turn("w", { settled: [end(ended)] })
        const living = yield* heldOne("w")

        yield* advance("3 hours")

        expect(yield* found(ulidOfEntry(living))).toMatchObject({ place: { kind: "held" } })
      },
      settings
    )

    promise(
      "starts the retention anew for a segment that was given another task",
      function* () {
        const first = yield* heldOne("w")
        yield* turn("w", { settled: [end(first)] })
        yield* advance("50 seconds")
        const second = yield* heldOne("w")
        yield* advance("50 seconds")
        yield* turn("w", { settled: [end(second)] })

        yield* advance("59 seconds")
        expect(yield* dropped()).toBe(0)
        yield* advance("1 second")
        expect(yield* dropped()).toBe(1)
        expect(yield* found(ulidOfEntry(first))).toBeUndefined()
      },
      settings
    )

    promise(
      "drops no more than its limit at a time, the oldest first",
      function* () {
        const segments = Array.from({ length: 3 }, (_, at) =>
          aTask({ ulid: aUlid(1_900_000_000_000 + at * 10_000) })
        )
        for (const task of segments) {
          yield* submit(task)
          yield* turn("w", { settled: [end((yield* claim("w", 1))[0]!)] })
          yield* advance("1 second")
        }
        yield* advance("1 minute")

        expect(yield* dropped(2)).toBe(2)
        expect(yield* Effect.forEach(segments, ({ ulid }) => found(ulid))).toEqual([
          undefined,
          undefined,
          { record: anEnd(segments[2]!.entry), place: { kind: "ended" } }
        ])
        expect([yield* dropped(2), yield* dropped(2)]).toEqual([1, 0])
      },
      settings
    )

    promise(
      "keeps a child that has ended past its retention, and says who may remember it",
      function* () {
        const parent = yield* heldOne("w")
        const child = yield* aChild(parent)
        yield* endOf(child)
        yield* advance("59 seconds")
        expect(yield* sweep()).toEqual({ dropped: 0, remembered: [] })

        yield* advance("1 second")

        expect(yield* sweep()).toEqual({
          dropped: 0,
          remembered: [{ segment: segmentOf(child.ulid), parents: [idOf(parent)], again: expect.any(Number) }]
        })
        expect(yield* found(child.ulid)).toMatchObject({ place: { kind: "ended" } })
      },
      settings
    )

    promise(
      "says so of a parent in another partition, and of all parents of a segment",
      function* () {
        const parent = yield* heldOne("w")
        const child = yield* aChild(parent)
        const stranger = idIn(elsewhere, aUlid())
        const other = aTask({ ulid: aUlid(otherTime), parent: stranger })
        yield* submit(other)
        yield* claim("w", 1)
        yield* turn("w", { settled: [end(child.entry), end(other.entry)] })
        yield* advance("1 minute")

        const { remembered } = yield* sweep()

        expect(remembered.map(({ parents }) => parents)).toEqual([[idOf(parent), stranger].toSorted()])
      },
      settings
    )

    promise(
      "asks again after a while, and not before",
      function* () {
        const child = yield* aChild(yield* heldOne("w"))
        yield* endOf(child)
        yield* advance("1 minute")
        yield* sweep()
        yield* advance(askedAgainMs(60_000) - 1)
        expect((yield* sweep()).remembered).toEqual([])

        yield* advance(1)

        expect((yield* sweep()).remembered).toHaveLength(1)
      },
      settings
    )

    promise(
      "keeps a child however long nobody sweeps, though others of its segment end meanwhile",
      function* () {
        const parent = yield* heldOne("w")
        const child = yield* aChild(parent)
        const sibling = aTask({ ulid: aUlid(otherTime) })
        yield* submit(sibling)
        yield* claim("w", 1)
        yield* endOf(child)
        yield* turn("w", { settled: [end(sibling.entry)] })

        yield* advance("20 days")

        expect(yield* found(child.ulid)).toMatchObject({ place: { kind: "ended" } })
        expect((yield* sweep()).remembered).toHaveLength(1)
      },
      settings
    )

    promise(
      "drops it when its parents remember nothing any more",
      function* () {
        const child = yield* aChild(yield* heldOne("w"))
        yield* endOf(child)
        yield* advance("1 minute")
        const [remembered] = (yield* sweep()).remembered

        expect(yield* forget(remembered!)).toBe(true)

        expect(yield* found(child.ulid)).toBeUndefined()
        expect(yield* forget(remembered!)).toBe(false)
        yield* advance("1 hour")
        expect(yield* sweep()).toEqual({ dropped: 0, remembered: [] })
      },
      settings
    )

    promise(
      "keeps it while another parent may remember it, and asks about that one at once",
      function* () {
        const [one, other] = yield* held("w", 2)
        const children = [yield* aChild(one!), yield* aChild(other!)]
        yield* turn("w", { settled: children.map(({ entry }) => end(entry)) })
        yield* advance("1 minute")
        const [remembered] = (yield* sweep()).remembered

        expect(yield* forget({ ...remembered!, parents: [idOf(one!)] })).toBe(false)

        const again = (yield* sweep()).remembered
        expect(again.map(({ parents }) => parents)).toEqual([[idOf(other!)]])
        expect(yield* found(children[0]!.ulid)).toBeDefined()
      },
      settings
    )

    promise(
      "drops no segment into which something came since it was swept",
      function* () {
        const child = yield* aChild(yield* heldOne("w"))
        yield* endOf(child)
        yield* advance("1 minute")
        const [remembered] = (yield* sweep()).remembered
        const late = aTask({ ulid: aUlid(otherTime) })
        yield* submit(late)
        expect(yield* forget(remembered!)).toBe(false)
        expect(yield* found(late.ulid)).toBeDefined()
        yield* claim("w", 1)
        yield* turn("w", { settled: [end(late.entry)] })

        expect(yield* forget(remembered!)).toBe(false)

        expect(yield* found(late.ulid)).toBeDefined()
        yield* advance("1 minute")
        expect(yield* sweep()).toEqual({ dropped: 1, remembered: [] })
      },
      settings
    )

    promise(
      "asks nobody about a child that is a dead letter, which goes by the retention of the dead",
      function* () {
        const child = yield* aChild(yield* heldOne("w"))
        yield* endOf(child, "F")
        yield* advance("5 minutes")

        expect(yield* sweep()).toEqual({ dropped: 1, remembered: [] })
      },
      settings
    )

    promise(
      "looks at no more than its limit, those that stay included",
      function* () {
        const parent = yield* heldOne("w")
        const [first, last] = [yield* aChild(parent), yield* aChild(parent, otherTime + 10_000)]
        yield* endOf(first)
        yield* advance("1 second")
        yield* endOf(last)
        yield* advance("1 minute")

        const seen = [yield* sweep(1), yield* sweep(1), yield* sweep(1)]

        expect(seen.map(({ remembered }) => remembered.map(({ segment }) => segment))).toEqual([
          [segmentOf(first.ulid)],
          [segmentOf(last.ulid)],
          []
        ])
      },
      settings
    )
  })
}
