/** What every store promises of guards, in sentences. Each runs in a namespace of its own, on a clock that it moves itself. */
import { describe, expect } from "bun:test"
import { Duration, Effect } from "effect"
import { Admission, type Guard } from "../../runtime/admission.ts"
import { Store } from "../../runtime/store.ts"
import type { NewTask } from "../../runtime/mailbox.ts"
import type { Settlement } from "../../runtime/turn.ts"
import { decodeRecord, readOutcome } from "../../runtime/record.ts"
import { type Entry, idIn } from "../../runtime/task.ts"
import { promisesOn, type StoreWith } from "../support/promises.ts"
import { Bell, partition } from "../support/stores.ts"
import { aTask, claim, end, found, headerOf, release, retry, type TestTask, turn } from "../support/tasks.ts"
import { startOfTime, TestTime } from "../support/time.ts"

const idempotency = (over: { readonly name?: string; readonly hash?: string } = {}): Guard => ({
  kind: "idempotency",
  name: "k",
  hash: "h",
  keepMs: 60_000,
  ...over
})
const unique = (until: "started" | "ended"): Guard => ({ kind: "unique", name: "k", until })
const throttle: Guard = { kind: "throttle", name: "k", forMs: 60_000 }
const cache: Guard = { kind: "cache", name: "k", forMs: 60_000 }
const debounce: Guard = { kind: "debounce", name: "k" }

const admit = Effect.fnUntraced(function* (task: NewTask, ...guards: ReadonlyArray<Guard>) {
  return yield* (yield* Admission).admit(partition, task, guards)
})

/** Submits a task that is expected to be stored. */
const stored = Effect.fnUntraced(function* (guard: Guard, over: Parameters<typeof aTask>[0] = {}) {
  const task = aTask(over)
  expect(yield* admit(task, guard)).toEqual({ kind: "stored" })
  return task
})

/** What another submit of the same work gets. */
const another = (...guards: ReadonlyArray<Guard>) => admit(aTask(), ...guards)

const isFound = (task: TestTask, by: Guard["kind"]) => ({ kind: "found", ulid: task.ulid, by }) as const

/** Runs a task to an end. */
const run = Effect.fnUntraced(function* (settle: (entry: Entry) => Settlement) {
  const [entry] = yield* claim("w", 1)
  yield* turn("w", { settled: [settle(entry!)] })
})

export const admissionSuite = (name: string, storeWith: StoreWith) => {
  const promise = promisesOn(storeWith)

  describe(`a guarded submit, in ${name}`, () => {
    promise("puts the task where a plain submit would", function* () {
      const plain = yield* stored(idempotency({ name: "a" }), { lane: "high" })
      const delayed = yield* stored(idempotency({ name: "b" }), { due: { afterMs: 1_000 } })
      const timed = yield* stored(idempotency({ name: "c" }), { due: { at: startOfTime + 2_000 } })
      const box = { name: "|key", limit: 1, ordered: true }
      const boxed = yield* stored(idempotency({ name: "d" }), { box })

      expect(yield* claim("w", 10)).toEqual([plain.entry, boxed.entry])
      expect((yield* found(delayed.ulid))?.place).toEqual({ kind: "later", due: startOfTime + 1_000 })
      expect((yield* found(timed.ulid))?.place).toEqual({ kind: "later", due: startOfTime + 2_000 })
    })

    promise("counts what it says of a box, as a plain submit's counts", function* () {
      const box = { name: "|key", limit: 1, ordered: true }
      yield* stored(idempotency({ name: "a" }), { box })
      yield* stored(idempotency({ name: "b" }), { box: { ...box, limit: 2 } })

      expect(yield* claim("w", 10)).toHaveLength(2)
    })

    promise("rings the bell for a task that is due, and for one that is the next to be", function* () {
      const { rang } = yield* Bell
      yield* stored(idempotency({ name: "a" }))
      expect(yield* rang).toBe(true)
      yield* stored(idempotency({ name: "b" }), { due: { afterMs: 9_000 } })
      expect(yield* rang).toBe(true)
      yield* stored(idempotency({ name: "c" }), { due: { afterMs: 10_000 } })
      expect(yield* rang).toBe(false)
      yield* stored(idempotency({ name: "d" }), {
        due: { afterMs: 12_000 },
        expiresAt: startOfTime + 1_000
      })
      expect(yield* rang).toBe(true)
    })

    promise("keeps a task's alarms and its parent", function* () {
      const time = yield* TestTime
      const expiring = yield* stored(idempotency({ name: "a" }), { expiresAt: startOfTime + 1_000 })
      const overdue = yield* stored(idempotency({ name: "b" }), { deadlineAt: startOfTime + 1_000 })
      yield* time.advance(1_000)
      yield* turn("w")

      expect(headerOf((yield* found(expiring.ulid))!.record).letter).toBe("E")
      expect(headerOf((yield* found(overdue.ulid))!.record).letter).toBe("F")
    })

    promise("said again finds its own task, whatever became of it", function* () {
      const task = aTask()
      const guards = [idempotency(), unique("ended"), throttle, cache, debounce]
      yield* admit(task, ...guards)

      expect(yield* admit(task, ...guards)).toEqual({ kind: "stored" })
      expect(yield* claim("w", 10)).toEqual([task.entry])
      yield* turn("w", { settled: [end(task.entry, "F")] })
      expect(yield* admit(task, ...guards)).toEqual({ kind: "stored" })
      expect(yield* claim("w", 10)).toEqual([])
    })

    promise("of two that come at once, one is stored and the other finds it", function* () {
      for (const guard of [idempotency(), unique("started"), unique("ended"), throttle, cache]) {
        const named = { ...guard, name: guard.kind + JSON.stringify(guard) }
        const both = yield* Effect.all([another(named), another(named)], { concurrency: 2 })

        expect(both.map(({ kind }) => kind).toSorted()).toEqual(["found", "stored"])
      }
    })

    promise("takes guards of one name and different kinds for different ones", function* () {
      yield* stored(unique("ended"))

      expect((yield* another(throttle)).kind).toBe("stored")
      expect((yield* another(cache)).kind).toBe("stored")
    })

    promise("leaves nothing of a task that it does not store", function* () {
      const first = yield* stored(unique("ended"))
      const second = aTask({ box: { name: "|key", limit: 1, ordered: true }, deadlineAt: startOfTime + 1 })
      yield* admit(second, unique("ended"), throttle)

      expect(yield* found(second.ulid)).toBeUndefined()
      expect((yield* (yield* Store).depth(partition)).later).toBe(0)
      yield* run(end)
      expect(yield* another(throttle)).toEqual({ kind: "stored" })
      expect(headerOf((yield* found(first.ulid))!.record).letter).toBe("S")
    })
  })

  describe(`an idempotency key, in ${name}`, () => {
    promise("gives the first task, whatever became of it, while its time lasts", function* () {
      const time = yield* TestTime
      const first = yield* stored(idempotency())

      expect(yield* another(idempotency())).toEqual(isFound(first, "idempotency"))
      yield* run((entry) => end(entry, "F"))
      yield* time.advance(59_999)
      expect(yield* another(idempotency())).toEqual(isFound(first, "idempotency"))
      yield* time.advance(1)
      expect(yield* another(idempotency())).toEqual({ kind: "stored" })
    })

    promise("refuses another input", function* () {
      const first = yield* stored(idempotency())

      expect(yield* another(idempotency({ hash: "other" }))).toEqual({ kind: "conflict", ulid: first.ulid })
    })

    promise("gives again what another guard found for it, when that holds no more", function* () {
      const first = yield* stored(unique("ended"))
      expect(yield* another(idempotency(), unique("ended"))).toEqual(isFound(first, "unique"))
      yield* run(end)

      expect(yield* another(idempotency(), unique("ended"))).toEqual(isFound(first, "idempotency"))
    })
  })

  describe(`a unique task, in ${name}`, () => {
    promise("is found until it has started, or until it has ended", function* () {
      const first = yield* stored(unique("ended"))
      expect(yield* another(unique("started"))).toEqual(isFound(first, "unique"))
      expect(yield* another(unique("ended"))).toEqual(isFound(first, "unique"))

      const [entry] = yield* claim("w", 1)
      expect(yield* another(unique("ended"))).toEqual(isFound(first, "unique"))
      yield* turn("w", { settled: [end(entry!)] })
      expect(yield* another(unique("ended"))).toEqual({ kind: "stored" })
    })

    promise("that has started lets another one wait, which is then found", function* () {
      yield* stored(unique("started"))
      const [running] = yield* claim("w", 1)

      const second = yield* stored(unique("started"))
      expect(yield* another(unique("started"))).toEqual(isFound(second, "unique"))
      yield* turn("w", { settled: [end(running!)] })
      expect(yield* another(unique("started"))).toEqual(isFound(second, "unique"))
    })

    promise("has started when it waits to be tried again, or was given back", function* () {
      yield* stored(unique("started"))
      const [entry] = yield* claim("w", 1)
      yield* turn("w", { settled: [retry(entry!, 60_000)] })
      yield* stored(unique("started"))
      const [second] = yield* claim("w", 1)
      yield* turn("w", { settled: [release(second!)] })

      expect((yield* another(unique("started"))).kind).toBe("stored")
    })

    promise("lives while it waits to be tried again", function* () {
      const first = yield* stored(unique("ended"))
      yield* run((entry) => retry(entry, 60_000))

      expect(yield* another(unique("ended"))).toEqual(isFound(first, "unique"))
    })

    promise("waits while it is delayed, or in its box", function* () {
      for (const over of [
        { due: { afterMs: 1_000 } },
        { box: { name: "|key", limit: 1, ordered: true } }
      ] as const) {
        const guard = { ...unique("started"), name: JSON.stringify(over) }
        const first = yield* stored(guard, over)

        expect(yield* another(guard)).toEqual(isFound(first, "unique"))
      }
    })

    promise("is free again when it fails, is cancelled or expires", function* () {
      const time = yield* TestTime
      yield* stored(unique("ended"))
      yield* run((entry) => end(entry, "F"))
      const second = yield* stored(unique("ended"))
      yield* (yield* Store).cancel(partition, second.ulid, "")
      yield* stored(unique("ended"), { expiresAt: startOfTime + 1_000 })
      yield* time.advance(1_000)
      yield* turn("w")

      expect(yield* another(unique("ended"))).toEqual({ kind: "stored" })
    })
  })

  describe(`a throttled task, in ${name}`, () => {
    promise("is found for its time from its submit on, whatever became of it", function* () {
      const time = yield* TestTime
      const first = yield* stored(throttle)
      yield* run((entry) => end(entry, "F"))
      yield* time.advance(59_999)

      expect(yield* another(throttle)).toEqual(isFound(first, "throttle"))
      yield* time.advance(1)
      expect(yield* another(throttle)).toEqual({ kind: "stored" })
    })
  })

  describe(`a cached task, in ${name}`, () => {
    promise("is found while it lives, and for its time after it has succeeded", function* () {
      const time = yield* TestTime
      const first = yield* stored(cache)
      yield* time.advance(100_000)
      expect(yield* another(cache)).toEqual(isFound(first, "cache"))
      const [entry] = yield* claim("w", 1)
      expect(yield* another(cache)).toEqual(isFound(first, "cache"))
      yield* turn("w", { settled: [end(entry!)] })

      yield* time.advance(59_999)
      expect(yield* another(cache)).toEqual(isFound(first, "cache"))
      yield* time.advance(1)
      expect(yield* another(cache)).toEqual({ kind: "stored" })
    })

    promise(
      "is run again when its result is no longer kept",
      function* () {
        const time = yield* TestTime
        yield* stored(cache)
        yield* run(end)
        yield* time.advance(10_000)
        yield* (yield* Store).sweep(partition, 10)

        expect(yield* another(cache)).toEqual({ kind: "stored" })
      },
      { retention: Duration.seconds(10) }
    )

    promise("that failed is run again", function* () {
      yield* stored(cache)
      yield* run((entry) => end(entry, "F"))

      expect(yield* another(cache)).toEqual({ kind: "stored" })
    })
  })

  describe(`a debounced task, in ${name}`, () => {
    const delayed = { due: { afterMs: 1_000 } }

    promise("takes the place of the one that waits, which is cancelled and names it", function* () {
      const time = yield* TestTime
      const first = yield* stored(debounce, delayed)
      yield* time.advance(999)
      const last = yield* stored(debounce, delayed)

      const { header, json } = decodeRecord((yield* found(first.ulid))!.record)
      expect(header.letter).toBe("C")
      expect(readOutcome(json).error).toEqual({
        type: "Superseded",
        message: `${idIn(partition, last.ulid)} has taken its place`
      })
      yield* time.advance(999)
      expect(yield* claim("w", 10)).toEqual([])
      yield* time.advance(1)
      expect(yield* claim("w", 10)).toEqual([last.entry])
    })

    promise("leaves the one that runs alone", function* () {
      const time = yield* TestTime
      const first = yield* stored(debounce, delayed)
      yield* time.advance(1_000)
      expect(yield* claim("w", 10)).toEqual([first.entry])
      const second = yield* stored(debounce, delayed)

      yield* turn("w", { settled: [end(first.entry)] })
      expect(headerOf((yield* found(first.ulid))!.record).letter).toBe("S")
      const third = yield* stored(debounce, delayed)
      expect(headerOf((yield* found(second.ulid))!.record).letter).toBe("C")
      yield* time.advance(1_000)
      expect(yield* claim("w", 10)).toEqual([third.entry])
    })
  })
}
