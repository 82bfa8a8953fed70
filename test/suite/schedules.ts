/** What every store promises of schedules, in sentences. Each runs in a namespace and on a clock of its own. */
import { describe, expect } from "bun:test"
import { Effect, Fiber, type Scope } from "effect"
import {
  type Change,
  ringWaitMaxMs,
  Schedules,
  schedulesAtOnce,
  schedulesPartition,
  slotNotesMax
} from "../../runtime/schedules.ts"
import { Store } from "../../runtime/store.ts"
import { it } from "../support/effect.ts"
import { advance } from "../support/promises.ts"
import type { SchedulesUnderTest, SchedulesWith } from "../support/schedules.ts"
import { partition } from "../support/stores.ts"
import { aTask } from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

const change = (over: Partial<Change> = {}) =>
  Schedules.use((schedules) =>
    schedules.change({
      id: "a",
      from: undefined,
      to: undefined,
      slot: undefined,
      notes: [],
      submits: [],
      ...over
    })
  )

const to = (version: string, lookAt?: number, text = `text of ${version}`) => ({ version, text, lookAt })

/** Schedules that are to be looked at when the test's time begins. */
const some = (ids: ReadonlyArray<string>, lookAt = startOfTime) =>
  Effect.forEach(ids, (id) => change({ id, to: to("1", lookAt) }), { discard: true })

const read = (id = "a") => Schedules.use((schedules) => schedules.read(id))
const due = (skip = 0) => Schedules.use((schedules) => schedules.due(skip))
const dueIds = Effect.map(due(), ({ schedules }) => schedules.map(({ id }) => id))
const owed = Store.use((store) => store.outbox(schedulesPartition, 100))

export const schedulesSuite = (name: string, schedulesWith: SchedulesWith): void => {
  const promise = <A, E>(
    sentence: string,
    body: () => Generator<Effect.Effect<unknown, E, SchedulesUnderTest | Scope.Scope>, A, never>
  ) => it.live(sentence, () => Effect.gen(body).pipe(Effect.provide(schedulesWith())))

  describe(`a schedule in ${name}`, () => {
    promise("is there once it was put there, as it was said", function* () {
      expect(yield* change({ to: to("1", startOfTime + 5, "a text with\nlines and spaces") })).toBe("changed")

      expect(yield* read()).toEqual({
        now: startOfTime,
        schedule: { id: "a", version: "1", text: "a text with\nlines and spaces" },
        notes: []
      })
      expect((yield* read("b")).schedule).toBeUndefined()
    })

    promise("is changed by whoever has read it last, and by nobody else", function* () {
      yield* change({ to: to("1") })

      expect(yield* change({ to: to("2") })).toBe("conflict")
      expect(yield* change({ from: "1", to: to("2") })).toBe("changed")
      expect(yield* change({ from: "1", to: to("3"), notes: ["n"], submits: [aSubmit()] })).toBe("conflict")
      expect(yield* change({ from: "1" })).toBe("conflict")
      expect(yield* change({ id: "b", from: "1", to: to("2") })).toBe("conflict")

      expect(yield* read()).toMatchObject({ schedule: { version: "2" }, notes: [] })
      expect(yield* owed).toEqual([])
    })

    promise("is changed once by a change that is said again", function* () {
      yield* change({ to: to("1") })
      const fired = { from: "1", to: to("2"), notes: ["n"], submits: [aSubmit()] }

      expect(yield* change(fired)).toBe("changed")
      expect(yield* change(fired)).toBe("changed")

      expect((yield* read()).notes).toEqual(["n"])
      expect(yield* owed).toHaveLength(1)
    })

    promise("is changed by many at once by one of them", function* () {
      yield* change({ to: to("1") })
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, at) => at),
        (at) => change({ from: "1", to: to(`2-${at}`), submits: [aSubmit()] }),
        { concurrency: "unbounded" }
      )

      expect(answers.filter((answer) => answer === "changed")).toHaveLength(1)
      expect(answers.filter((answer) => answer === "conflict")).toHaveLength(19)
      expect(yield* owed).toHaveLength(1)
    })

    promise("is not fired before its slot has come, on the store's clock", function* () {
      const { setBack } = yield* TestTime
      yield* change({ to: to("1") })
      const fired = { from: "1", to: to("2"), slot: startOfTime + 1_000, notes: ["n"], submits: [aSubmit()] }

      yield* advance(999)
      expect(yield* change(fired)).toBe("early")
      yield* advance(1)
      yield* setBack(1)
      expect(yield* change(fired)).toBe("early")
      expect(yield* read()).toMatchObject({ schedule: { version: "1" }, notes: [] })
      expect(yield* owed).toEqual([])
      yield* advance(1)
      expect(yield* change(fired)).toBe("changed")
    })

    promise("owes a task from the moment on that it was fired", function* () {
      const submit = aSubmit()
      yield* change({ to: to("1"), submits: [submit] })

      expect(yield* owed).toEqual([{ kind: "submit", ...submit }])
      expect((yield* due()).outbox).toBe(true)
    })

    promise("keeps the newest notes of its slots, newest first", function* () {
      yield* change({ to: to("0") })
      const notes = Array.from({ length: slotNotesMax + 3 }, (_, at) => `note ${at}`)
      yield* change({ from: "0", to: to("1"), notes: notes.slice(0, 10) })
      yield* change({ from: "1", to: to("2"), notes: notes.slice(10) })

      expect((yield* read()).notes).toEqual(notes.slice(3).toReversed())
    })

    promise("is gone with all its notes once it was deleted, also when that is said again", function* () {
      yield* change({ to: to("1", startOfTime), notes: ["n"] })

      expect(yield* change({ from: "1" })).toBe("changed")
      expect(yield* change({ from: "1" })).toBe("changed")

      expect(yield* read()).toEqual({ now: startOfTime, schedule: undefined, notes: [] })
      expect(yield* due()).toMatchObject({ schedules: [], next: undefined })
      expect((yield* Schedules.use((schedules) => schedules.list(undefined, 10))).schedules).toEqual([])
    })
  })

  describe(`schedules in ${name}`, () => {
    promise("are due when their time has come, the longest overdue first", function* () {
      yield* some(["late"], startOfTime - 5)
      yield* some(["b", "a"])
      yield* some(["soon"], startOfTime + 10)
      yield* some(["later"], startOfTime + 20)
      yield* change({ id: "never", to: to("1") })

      expect(yield* dueIds).toEqual(["late", "a", "b"])
      expect(yield* due()).toMatchObject({ now: startOfTime, next: startOfTime + 10, outbox: false })
      yield* advance(10)
      expect(yield* dueIds).toEqual(["late", "a", "b", "soon"])
      expect((yield* due()).next).toBe(startOfTime + 20)
    })

    promise("are changed together, each as if it were alone", function* () {
      yield* some(["a", "b", "c"])
      const one = { slot: undefined, notes: ["n"], submits: [] }
      const changes = [
        { ...one, id: "a", from: "1", to: to("2"), submits: [aSubmit()] },
        { ...one, id: "new", from: undefined, to: to("1", startOfTime - 1) },
        { ...one, id: "b", from: "other", to: to("2"), submits: [aSubmit()] },
        { ...one, id: "c", from: "1", to: to("2"), slot: startOfTime + 1, submits: [aSubmit()] },
        { ...one, id: "none", from: "1", to: undefined }
      ]
      const changeAll = Schedules.use((schedules) => schedules.changeAll(changes))

      expect(yield* changeAll).toEqual(["changed", "changed", "conflict", "early", "changed"])
      expect(yield* changeAll).toEqual(["changed", "changed", "conflict", "early", "changed"])

      expect(yield* owed).toEqual([{ kind: "submit", ...changes[0]!.submits[0]! }])
      expect(yield* dueIds).toEqual(["new", "b", "c"])
      expect((yield* read("a")).notes).toEqual(["n"])
      expect((yield* read("b")).notes).toEqual([])
    })

    promise("are changed together, any number of them and however large they are", function* () {
      const ids = Array.from(
        { length: 2 * schedulesAtOnce + 5 },
        (_, at) => `s${String(at).padStart(3, "0")}`
      )
      const large = "x".repeat(700_000)
      const changes = ids.map((id, at) => ({
        ...{ id, from: undefined, slot: undefined, notes: [], submits: [] },
        to: to("1", startOfTime, at % 50 === 0 ? large : "small")
      }))

      expect(yield* Schedules.use((schedules) => schedules.changeAll(changes))).toEqual(
        ids.map(() => "changed")
      )

      const { schedules } = yield* Schedules.use((schedules) => schedules.list(undefined, 1_000))
      expect(schedules.map(({ id }) => id)).toEqual(ids)
      expect(schedules[50]!.text).toBe(large)
    })

    promise("are no longer due once their time was changed", function* () {
      yield* some(["a", "b", "c"])
      yield* change({ id: "a", from: "1", to: to("2", startOfTime + 1) })
      yield* change({ id: "b", from: "1", to: to("2") })

      expect(yield* dueIds).toEqual(["c"])
    })

    promise("are given a bounded number at a time, after some that are left out", function* () {
      const ids = Array.from({ length: schedulesAtOnce + 5 }, (_, at) => `s${String(at).padStart(3, "0")}`)
      yield* some(ids)

      expect(yield* dueIds).toEqual(ids.slice(0, schedulesAtOnce))
      expect((yield* due(schedulesAtOnce - 2)).schedules.map(({ id }) => id)).toEqual(
        ids.slice(schedulesAtOnce - 2)
      )
    })

    promise("are listed in the order of their ids, page by page", function* () {
      yield* some(["b", "B", "a-1", "a", "10", "9"])
      const list = (after: string | undefined, most: number) =>
        Effect.map(
          Schedules.use((schedules) => schedules.list(after, most)),
          ({ schedules }) => schedules.map(({ id }) => id)
        )

      expect(yield* list(undefined, 10)).toEqual(["10", "9", "B", "a", "a-1", "b"])
      expect(yield* list(undefined, 2)).toEqual(["10", "9"])
      expect(yield* list("9", 3)).toEqual(["B", "a", "a-1"])
      expect(yield* list("a", 3)).toEqual(["a-1", "b"])
      expect(yield* list("b", 3)).toEqual([])
    })

    promise("ring when one is to be looked at before all others", function* () {
      const { wait } = yield* Schedules.use((schedules) => schedules.ear)
      yield* some(["a"], startOfTime + 50)
      yield* wait(ringWaitMaxMs)
      const waiting = yield* Effect.forkChild(wait(ringWaitMaxMs), { startImmediately: true })
      yield* some(["b"], startOfTime + 60)
      yield* change({ id: "c", to: to("1") })
      yield* Effect.yieldNow
      expect(waiting.pollUnsafe()).toBeUndefined()

      yield* some(["d"], startOfTime + 40)

      yield* Fiber.join(waiting)
    })
  })
}

let made = 0
const aSubmit = () => {
  const { ulid: _, ...task } = aTask({ input: `task ${++made}` })
  return { partition, task }
}
