/** What every store promises of tasks that a submit hands to a worker which stands by, past the lanes. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { Operations } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import { nextRun, ulidOfEntry } from "../../runtime/task.ts"
import { advance, boxOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import { aTask, claim, end, entriesOf, found, submit, tasks, turn } from "../support/tasks.ts"

/** Workers hear their orders, have nothing to do, and stand by in this order. */
const standingBy = Effect.fnUntraced(function* (...workers: ReadonlyArray<string>) {
  const store = yield* Store
  const heard = []
  for (const worker of workers) {
    heard.push(yield* store.orders(worker, [partition]))
    yield* advance(1)
    expect(yield* turn(worker, { want: 2, standsBy: true })).toMatchObject({ claimed: [], standsBy: true })
  }
  return heard as [(typeof heard)[number], ...typeof heard]
})

const placeOf = (entry: string) => Effect.map(found(ulidOfEntry(entry)), (task) => task?.place)

export const handoverSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`a hand-over, in ${name}`, () => {
    promise("makes a task the claim of the worker that stands by, and orders it to be run", function* () {
      const [orders] = yield* standingBy("w")
      const task = aTask()

      yield* submit(task)

      const { entry, record } = task
      expect(yield* orders.next).toEqual({
        kind: "run",
        partition,
        claim: { entry, record }
      })
      expect(yield* placeOf(entry)).toEqual({ kind: "held", worker: "w", note: undefined })
      expect(yield* (yield* Bell).rang).toBe(false)
      expect((yield* turn("w", { settled: [end(entry)] })).lost).toEqual([])
      expect(yield* placeOf(entry)).toEqual({ kind: "ended" })
    })

    promise("takes the worker that has stood by the longest, and each once", function* () {
      const [first, second] = yield* standingBy("w", "v")
      const [one, other, third] = tasks(3)

      for (const task of [one!, other!, third!]) yield* submit(task)

      expect(yield* first.next).toMatchObject({ claim: { entry: one!.entry } })
      expect(yield* second!.next).toMatchObject({ claim: { entry: other!.entry } })
      expect(yield* placeOf(third!.entry)).toEqual({ kind: "lane" })
      expect(yield* (yield* Bell).rang).toBe(true)
    })

    promise("takes one off what the worker wants next, and says that it happened", function* () {
      yield* standingBy("w")
      const [handed, ...others] = tasks(3)
      yield* submit(handed!)
      yield* submit(...others)

      const reply = yield* turn("w", { want: 2, stoodBy: true, standsBy: true })

      expect(entriesOf(reply.claimed)).toEqual([others[0]!.entry])
      expect(reply).toMatchObject({ handed: true, standsBy: false })
      expect(yield* (yield* Bell).rang).toBe(true)
    })

    promise("does not happen once the worker has taken another turn", function* () {
      yield* standingBy("w")

      expect(yield* turn("w", { want: 2, stoodBy: true })).toMatchObject({ handed: false, standsBy: false })
      const task = aTask()
      yield* submit(task)

      expect(yield* placeOf(task.entry)).toEqual({ kind: "lane" })
    })

    promise("is only for a worker that found less than it wanted", function* () {
      yield* submit(...tasks(2))
      expect((yield* turn("w", { want: 2, standsBy: true })).standsBy).toBe(false)
      expect((yield* turn("w", { want: 0, standsBy: true })).standsBy).toBe(false)
    })

    promise("passes nothing that waits, in a lane or a box", function* () {
      for (const over of [{ lane: "low" }, { box: boxOf("a") }] as const) {
        yield* standingBy("w")
        const [waiting, late] = [aTask(over), aTask({ lane: "urgent" })]
        // Two at once wait in their lanes.
        yield* submit(waiting, aTask(over))
        yield* submit(late)

        expect(yield* placeOf(late.entry)).toEqual({ kind: "lane" })
        const { claimed } = yield* turn("w", { want: 9, stoodBy: true })
        expect(claimed).toHaveLength(over.box === undefined ? 3 : 2)
        yield* turn("w", { settled: claimed.map(({ entry }) => end(entry)) })
        for (const { entry } of (yield* turn("w", { want: 9 })).claimed)
          yield* turn("w", { settled: [end(entry)] })
      }
    })

    promise("is for a single task of which nothing more is to be said", function* () {
      yield* standingBy("w")
      const boxed = aTask({ box: boxOf("a") })
      const large = aTask({ input: "x".repeat(5_000) })

      yield* submit(boxed)
      yield* turn("w", { want: 9, stoodBy: true })
      yield* standingBy("v")
      yield* submit(large)

      expect(yield* placeOf(large.entry)).toEqual({ kind: "lane" })
    })

    promise("counts for nobody while its queue is paused or bounded", function* () {
      yield* standingBy("w")
      const operations = yield* Operations
      for (const [hold, let_go] of [
        [operations.pause(partition, true), operations.pause(partition, false)],
        [operations.limit(partition, { concurrency: 5 }), operations.limit(partition, {})],
        [operations.limit(partition, { rate: { count: 5, perMs: 60_000 } }), operations.limit(partition, {})]
      ] as const) {
        const task = aTask()
        yield* hold
        yield* submit(task)
        expect(yield* placeOf(task.entry)).toEqual({ kind: "lane" })
        yield* let_go
        yield* turn("v", { settled: (yield* claim("v", 1)).map((entry) => end(entry)) })
      }
    })

    promise("is for no worker that was evicted, has left, or has taken no turn for 2.5 s", function* () {
      yield* standingBy("evicted", "left", "frozen")
      yield* (yield* Store).evict(partition, "evicted")
      yield* (yield* Store).leave(partition, "left")
      yield* advance(2_501)
      const task = aTask()

      yield* submit(task)

      expect(yield* placeOf(task.entry)).toEqual({ kind: "lane" })
    })

    promise("passes a worker that hears no orders, which goes on standing by", function* () {
      yield* turn("deaf", { want: 1, standsBy: true })
      const [orders] = yield* standingBy("w")
      const [one, other] = tasks(2)

      yield* submit(one!)
      yield* submit(other!)

      expect(yield* orders.next).toMatchObject({ claim: { entry: one!.entry } })
      expect(yield* placeOf(other!.entry)).toEqual({ kind: "lane" })
      expect((yield* turn("deaf", { want: 1, stoodBy: true })).handed).toBe(false)
    })

    promise("said again hands nothing twice", function* () {
      const [orders] = yield* standingBy("w", "v")
      const task = aTask()
      yield* submit(task)
      yield* orders.next

      yield* submit(task)

      expect((yield* turn("v", { stoodBy: true })).handed).toBe(false)
    })

    promise("whose order is lost is found by a turn that asks for everything held", function* () {
      yield* standingBy("w")
      const task = aTask()
      yield* submit(task)

      expect((yield* turn("w", { again: true, stoodBy: true })).held).toEqual([task.entry])
    })

    promise("to a worker that dies goes to another one, and counts as a crash", function* () {
      yield* standingBy("w")
      const task = aTask()
      yield* submit(task)
      yield* (yield* Store).evict(partition, "w")

      expect(yield* claim("v", 1)).toEqual([nextRun(task.entry)])
    })
  })
}
