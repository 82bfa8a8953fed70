/** What every store promises of parents that wait for their children, wherever those are, and of what is told twice. */
import { describe, expect } from "bun:test"
import { Effect } from "effect"
import type { Message } from "../../runtime/mailbox.ts"
import { Operations } from "../../runtime/operations.ts"
import { Store } from "../../runtime/store.ts"
import { type Entry, idIn, nextRun, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import { adopt, adopted, aChildOf, type Child } from "../support/children.ts"
import { advance, boxOf, letterOf, promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, elsewhere, partition } from "../support/stores.ts"
import {
  anEnvelope,
  aRetry,
  aTask,
  aTurn,
  claim,
  end,
  found,
  retry,
  submit,
  turn,
  wait
} from "../support/tasks.ts"

/** A task that worker `w` runs. */
const aRun = Effect.fnUntraced(function* (over: Parameters<typeof aTask>[0] = {}) {
  yield* submit(aTask(over))
  return (yield* claim("w", 1))[0]!
})

const placeOf = (entry: Entry) => Effect.map(found(ulidOfEntry(entry)), (task) => task?.place.kind)

/** A child in another partition, which worker `w` runs there. */
const aChildElsewhere = Effect.fnUntraced(function* (parent: Entry) {
  const store = yield* Store
  const child = aChildOf(parent, { home: elsewhere })
  yield* adopt(parent, child)
  yield* store.submit(elsewhere, [child])
  yield* store.turn(elsewhere, aTurn("w", { want: 1 }))
  return child
})

/** Ends a child in another partition, and gives the messages that are to be relayed from there. */
const endElsewhere = Effect.fnUntraced(function* (child: Child) {
  const store = yield* Store
  const { outbox } = yield* store.turn(elsewhere, aTurn("w", { settled: [end(child.entry)] }))
  expect(outbox).toBe(true)
  return yield* store.outbox(elsewhere, 10)
})

const idOf = (entry: Entry): TaskId => idIn(partition, ulidOfEntry(entry))

const childEnded = (parent: TaskId, child: TaskId) =>
  Store.use((store) => store.childrenEnded(partition, [{ parent, child }]))

/** Puts a dead child back to work, and gives its next run. */
const revive = Effect.fnUntraced(function* ({ entry, ulid }: Child, parent: Entry) {
  const { record: expected } = (yield* found(ulid))!
  const again = nextRun(entry)
  const revival = { ulid, expected, record: `Qn2.0${anEnvelope()}`, entry: again, parent: idOf(parent) }
  yield* (yield* Operations).revive(partition, [revival])
  return again
})

export const waitingSuite = (name: string, storeWith: StoreWith): void => {
  const promise = promisesOn(storeWith)

  describe(`a parent that waits, in ${name}`, () => {
    promise("runs again when one call tells of all children of it and of others", function* () {
      const [one, other] = [yield* aRun(), yield* aRun()]
      const [first, second] = yield* adopted(one, 2)
      const [third] = yield* adopted(other, 1)
      yield* turn("w", { settled: [wait(one, first!.id, second!.id), wait(other, third!.id)] })
      const ends = [
        { parent: idOf(one), child: first!.id },
        { parent: idOf(other), child: third!.id },
        { parent: idOf(one), child: second!.id }
      ]

      yield* (yield* Store).childrenEnded(partition, ends)

      expect((yield* claim("v", 5)).toSorted()).toEqual([nextRun(one), nextRun(other)].toSorted())
    })

    promise("holds no worker and no place, and is read as waiting under its next run", function* () {
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)

      const { lost } = yield* turn("w", { settled: [wait(parent, child!.id)] })

      expect(lost).toEqual([])
      expect(yield* found(ulidOfEntry(parent))).toEqual({
        record: aRetry(parent),
        place: { kind: "waiting" }
      })
      expect(yield* (yield* Store).depth(partition)).toMatchObject({ held: 1, waiting: 1 })
    })

    promise("runs once the last of those it waits for has ended, in whichever way", function* () {
      const parent = yield* aRun()
      const [first, second, third, fourth] = yield* adopted(parent, 4)
      yield* turn("w", { settled: [wait(parent, ...[first!, second!, third!].map(({ id }) => id))] })
      yield* turn("w", { settled: [end(first!.entry, "F")] })
      yield* (yield* Store).cancel(partition, second!.ulid, "no more")
      expect(yield* placeOf(parent)).toBe("waiting")

      yield* turn("w", { settled: [end(third!.entry)] })

      expect(yield* claim("v", 5)).toEqual([nextRun(parent)])
      expect(yield* letterOf(fourth!.ulid)).toBe("Q")
    })

    promise("goes on waiting while a child is tried again", function* () {
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [wait(parent, child!.id), retry(child!.entry, 0)] })
      expect(yield* claim("w", 5)).toEqual([nextRun(child!.entry)])

      yield* turn("w", { settled: [end(nextRun(child!.entry))] })

      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("waits again for a child that was dead and is tried again", function* () {
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [end(child!.entry, "F")] })

      const again = yield* revive(child!, parent)
      yield* turn("w", { settled: [wait(parent, child!.id)] })

      expect(yield* claim("w", 5)).toEqual([again])
      yield* turn("w", { settled: [end(again)] })
      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("is forgotten by a child that is tried again once it has ended itself", function* () {
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [end(child!.entry, "F"), end(parent)] })

      const again = yield* revive(child!, parent)

      expect(yield* claim("w", 5)).toEqual([again])
      yield* turn("w", { settled: [end(again)] })
      expect(yield* claim("w", 5)).toEqual([])
    })

    promise("does not wait for what it never adopted", function* () {
      const parent = yield* aRun()

      yield* turn("w", { settled: [wait(parent, idIn(partition, aTask().ulid))] })

      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("goes to the head of its lane and rings the bell when it wakes", function* () {
      const { rang } = yield* Bell
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [wait(parent, child!.id)] })
      const other = aTask()
      yield* submit(other)
      yield* rang

      yield* childEnded(idOf(parent), child!.id)

      expect(yield* rang).toBe(true)
      expect(yield* claim("w", 5)).toEqual([nextRun(parent), other.entry])
    })

    promise("keeps its place among the tasks of its key where they are ordered", function* () {
      const parent = yield* aRun({ box: boxOf("a") })
      const [child] = yield* adopted(parent, 1)
      const later = aTask({ box: boxOf("a") })
      yield* submit(later)
      yield* turn("w", { settled: [wait(parent, child!.id)] })
      expect(yield* claim("w", 5)).toEqual([])

      yield* turn("w", { settled: [end(child!.entry)] })

      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("gives its room to others of its key where they are not", function* () {
      const box = boxOf("a", { ordered: false })
      const parent = yield* aRun({ box })
      const [child] = yield* adopted(parent, 1)
      const later = aTask({ box })
      yield* submit(later)

      yield* turn("w", { settled: [wait(parent, child!.id)] })

      expect(yield* claim("w", 5)).toEqual([later.entry])
    })

    promise("waits once however often that is said", function* () {
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      const settled = [wait(parent, child!.id)]
      yield* turn("w", { settled })

      expect((yield* turn("w", { settled, again: true })).lost).toEqual([])
      yield* turn("w", { settled: [end(child!.entry)] })
      expect((yield* turn("w", { settled, again: true })).lost).toEqual([])

      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("may wait again, for others", function* () {
      const parent = yield* aRun()
      const [first] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [wait(parent, first!.id)] })
      yield* turn("w", { settled: [end(first!.entry)], want: 1 })
      const [second] = yield* adopted(nextRun(parent), 1)

      yield* turn("w", { settled: [wait(nextRun(parent), first!.id, second!.id)] })

      expect(yield* placeOf(parent)).toBe("waiting")
      yield* turn("w", { settled: [end(second!.entry)] })
      expect(yield* claim("w", 5)).toEqual([nextRun(nextRun(parent))])
    })

    promise("stays as it ended when it is told of a child afterwards", function* () {
      const store = yield* Store
      const parent = yield* aRun()
      const [child] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [wait(parent, child!.id)] })
      yield* store.cancel(partition, ulidOfEntry(parent), "no more")
      expect((yield* store.depth(partition)).waiting).toBe(0)

      yield* childEnded(idOf(parent), child!.id)

      expect(yield* claim("w", 5)).toEqual([])
      expect(yield* letterOf(ulidOfEntry(parent))).toBe("C")
    })
  })

  describe(`a parent that is hasty, in ${name}`, () => {
    const hastily = (entry: Entry, ...children: ReadonlyArray<Child>) => ({
      ...wait(entry, ...children.map(({ id }) => id)),
      hasty: true as const
    })

    for (const [letter, how] of [
      ["F", "has failed"],
      ["C", "was cancelled"],
      ["E", "has expired"]
    ] as const)
      promise(`runs as soon as one of those it waits for ${how}, and not before`, function* () {
        const parent = yield* aRun()
        const [first, second, third] = yield* adopted(parent, 3)
        yield* turn("w", { settled: [hastily(parent, first!, second!, third!)] })
        yield* turn("w", { settled: [end(first!.entry)] })
        expect(yield* placeOf(parent)).toBe("waiting")

        yield* turn("w", { settled: [end(second!.entry, letter)] })

        expect(yield* claim("v", 5)).toEqual([nextRun(parent)])
        expect(yield* letterOf(third!.ulid)).toBe("Q")
        yield* turn("w", { settled: [end(third!.entry)] })
        expect(yield* claim("v", 5)).toEqual([])
      })

    promise("runs once the last has ended where none has failed", function* () {
      const parent = yield* aRun()
      const [first, second] = yield* adopted(parent, 2)
      yield* turn("w", { settled: [hastily(parent, first!, second!)] })
      yield* turn("w", { settled: [end(first!.entry)] })

      yield* turn("w", { settled: [end(second!.entry)] })

      expect(yield* claim("v", 5)).toEqual([nextRun(parent)])
    })

    promise("does not begin to wait where one has ended since it looked", function* () {
      const parent = yield* aRun()
      const [first, second] = yield* adopted(parent, 2)
      yield* turn("w", { settled: [end(first!.entry, "F")] })

      yield* turn("w", { settled: [hastily(parent, first!, second!)] })

      expect(yield* claim("v", 5)).toEqual([nextRun(parent)])
    })

    promise("is not woken by one that it did not wait for", function* () {
      const parent = yield* aRun()
      const [first, second] = yield* adopted(parent, 2)
      yield* turn("w", { settled: [hastily(parent, first!)] })

      yield* turn("w", { settled: [end(second!.entry, "F")] })

      expect(yield* placeOf(parent)).toBe("waiting")
    })

    promise("may be patient afterwards", function* () {
      const parent = yield* aRun()
      const [first, second, third] = yield* adopted(parent, 3)
      yield* turn("w", { settled: [hastily(parent, first!, second!, third!)] })
      yield* turn("w", { settled: [end(first!.entry, "F")] })
      const [again] = yield* claim("w", 1)
      yield* turn("w", { settled: [wait(again!, second!.id, third!.id)] })

      yield* turn("w", { settled: [end(second!.entry, "F")] })

      expect(yield* placeOf(parent)).toBe("waiting")
      yield* turn("w", { settled: [end(third!.entry)] })
      expect(yield* claim("v", 5)).toEqual([nextRun(again!)])
    })

    promise("is told of one that has failed in another partition, and woken once", function* () {
      const parent = yield* aRun()
      const [first, second] = [yield* aChildElsewhere(parent), yield* aChildElsewhere(parent)]
      yield* turn("w", { settled: [hastily(parent, first, second)] })
      const store = yield* Store
      yield* store.turn(elsewhere, aTurn("w", { settled: [end(first.entry, "F")] }))
      const [message] = yield* store.outbox(elsewhere, 10)
      expect(message).toMatchObject({ kind: "ended", child: first.id, failed: true })
      expect(yield* placeOf(parent)).toBe("waiting")
      const tell = store.childrenEnded(partition, [message as Extract<Message, { kind: "ended" }>])

      yield* tell
      const [again] = yield* claim("w", 5)
      expect(again).toBe(nextRun(parent))
      yield* turn("w", { settled: [hastily(again!, second)] })
      yield* tell

      expect(yield* placeOf(parent)).toBe("waiting")
      yield* store.drop(elsewhere, [message!])
      expect(yield* store.outbox(elsewhere, 10)).toEqual([])
    })
  })

  describe(`a child in another partition, in ${name}`, () => {
    promise("leaves a message for its parent, which wakes when it is told", function* () {
      const parent = yield* aRun()
      const child = yield* aChildElsewhere(parent)
      yield* turn("w", { settled: [wait(parent, child.id)] })

      const messages = yield* endElsewhere(child)

      expect(messages).toEqual([{ kind: "ended", child: child.id, parent: idOf(parent), run: 1 }])
      expect(yield* placeOf(parent)).toBe("waiting")
      yield* childEnded(idOf(parent), child.id)
      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("may be told of again and again", function* () {
      const parent = yield* aRun()
      const child = yield* aChildElsewhere(parent)
      const [other] = yield* adopted(parent, 1)
      yield* turn("w", { settled: [wait(parent, child.id, other!.id)] })

      yield* childEnded(idOf(parent), child.id)
      yield* childEnded(idOf(parent), child.id)
      expect(yield* placeOf(parent)).toBe("waiting")
      yield* turn("w", { settled: [end(other!.entry)] })
      yield* childEnded(idOf(parent), child.id)
      yield* childEnded(idOf(parent), other!.id)

      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
      yield* childEnded(idOf(parent), child.id)
      expect(yield* claim("w", 5)).toEqual([])
    })

    promise("that was told of before its parent waits is not waited for", function* () {
      const parent = yield* aRun()
      const child = yield* aChildElsewhere(parent)
      yield* childEnded(idOf(parent), child.id)

      yield* turn("w", { settled: [wait(parent, child.id)] })

      // It may be one that is tried again, of whose end nobody will tell: its parent looks again, but not all the time.
      expect(yield* claim("w", 5)).toEqual([])
      yield* advance("50 millis")
      expect(yield* claim("w", 5)).toEqual([nextRun(parent)])
    })

    promise("is in the outbox until it is dropped from there, which may be said twice", function* () {
      const store = yield* Store
      const parent = yield* aRun()
      const [one, other] = [yield* aChildElsewhere(parent), yield* aChildElsewhere(parent)]
      yield* endElsewhere(one)
      const messages = yield* endElsewhere(other)
      expect(yield* store.outbox(elsewhere, 1)).toEqual(messages.slice(0, 1))

      yield* store.drop(elsewhere, messages.slice(0, 1))
      yield* store.drop(elsewhere, structuredClone(messages.slice(0, 1)))

      expect(yield* store.outbox(elsewhere, 10)).toEqual(messages.slice(1))
      yield* store.drop(elsewhere, structuredClone(messages))
      expect((yield* store.turn(elsewhere, aTurn("w"))).outbox).toBe(false)
    })

    promise("is to be cancelled when its parent was, and by nothing else", function* () {
      const store = yield* Store
      const [cancelled, ended] = [yield* aRun(), yield* aRun()]
      const child = yield* aChildElsewhere(cancelled)
      yield* aChildElsewhere(ended)
      yield* turn("w", { settled: [end(ended)] })

      yield* store.cancel(partition, ulidOfEntry(cancelled), "no more")

      expect(yield* store.outbox(partition, 10)).toEqual([{ kind: "cancel", task: child.id }])
    })

    promise("is told of although a purge ended it", function* () {
      const store = yield* Store
      const parent = yield* aRun()
      const child = aChildOf(parent, { home: elsewhere })
      yield* adopt(parent, child)
      yield* store.submit(elsewhere, [child])

      yield* Operations.use((operations) => operations.purge(elsewhere, 10, "no more"))

      expect(yield* store.outbox(elsewhere, 10)).toEqual([
        { kind: "ended", child: child.id, parent: idOf(parent), run: 1, failed: true }
      ])
    })
  })
}
