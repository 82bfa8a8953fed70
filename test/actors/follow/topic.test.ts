import { describe, expect } from "bun:test"
import { Effect, Exit, Fiber, Latch, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Replies } from "../../../actors/dispatch/replies.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import { type Hint, hintEventMax, Store, StoreError } from "../../../runtime/store.ts"
import { idIn, ulidOfId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import { aFollower, aRun, chunk, follow, numbers, on, stands, succeeded } from "../../support/follow.ts"
import { aReader } from "../../support/reader.ts"
import { memorySettings } from "../../support/redis.ts"
import { partition } from "../../support/stores.ts"
import { aTask, submit, tasks } from "../../support/tasks.ts"
import { aWorker } from "../../support/worker.ts"

/** What no hint brings along. */
const large = "x".repeat(hintEventMax)

/** The memory store with some of its methods changed. */
const changed = (change: (store: Store["Service"]) => Partial<Store["Service"]>) =>
  on(
    Layer.effect(
      Store,
      Store.useSync((store) => Store.of({ ...store, ...change(store) }))
    ).pipe(Layer.provide(Memory.layer), Layer.provide(memorySettings()))
  )

/** No hint arrives. */
const deaf = () =>
  changed(({ inbox }) => ({ inbox: Effect.map(inbox, (inbox) => ({ ...inbox, next: Effect.never })) }))

/** Nothing can be read during an outage. */
const unreliable = (outage: { readonly begun: boolean }) =>
  changed((store) => {
    const failing =
      <Args extends ReadonlyArray<unknown>, A>(method: (...args: Args) => Effect.Effect<A, StoreError>) =>
      (...args: Args): Effect.Effect<A, StoreError> =>
        Effect.suspend(() =>
          outage.begun
            ? Effect.fail(new StoreError({ operation: "test", cause: "no answer" }))
            : method(...args)
        )
    return {
      ended: failing(store.ended),
      events: failing(store.events),
      eventsOf: failing(store.eventsOf),
      read: failing(store.read)
    }
  })

describe("one who follows a task with others, or in trouble,", () => {
  /** Someone takes the next events, and waits for them by now. */
  const waiting = <A>(take: Effect.Effect<A, unknown>) =>
    Effect.tap(Effect.forkScoped(take), () => TestClock.adjust("1 second"))

  it.effect(
    "and asks to go on from nowhere keeps nothing from others, who do not look for it again and again",
    () => {
      let reads = 0
      const layer = changed(({ events, eventsOf }) => ({
        events: (...page) => Effect.suspend(() => (reads++, events(...page))),
        eventsOf: (...wanted) => Effect.suspend(() => (reads++, eventsOf(...wanted)))
      }))
      return Effect.gen(function* () {
        const { run } = yield* aRun
        yield* run.chunks("a")
        yield* waiting((yield* aFollower(run.id, "7-999")).one)
        const follower = yield* aFollower(run.id)
        expect(yield* follower.one).toEqual(chunk(1, 1, "a"))
        const next = yield* waiting(follower.one)
        expect(reads).toBeLessThan(10)

        yield* run.chunks("b")

        expect(yield* Fiber.join(next)).toEqual(chunk(1, 2, "b"))
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("misses nothing when no hint arrives", () =>
    Effect.gen(function* () {
      const { run } = yield* aRun
      const follower = yield* aFollower(run.id)
      const next = yield* waiting(follower.one)
      yield* run.chunks("a")

      yield* TestClock.adjust("2 seconds")

      expect(yield* Fiber.join(next)).toEqual(chunk(1, 1, "a"))
    }).pipe(Effect.provide(deaf()))
  )

  it.effect("misses nothing while the store does not answer", () => {
    const outage = { begun: false }
    return Effect.gen(function* () {
      const { run } = yield* aRun
      const follower = yield* aFollower(run.id)
      const next = yield* waiting(follower.one)
      outage.begun = true
      yield* run.chunks("a")
      yield* TestClock.adjust("10 seconds")
      outage.begun = false

      yield* TestClock.adjust("3 seconds")

      expect(yield* Fiber.join(next)).toEqual(chunk(1, 1, "a"))
    }).pipe(Effect.provide(unreliable(outage)))
  })

  it.effect("is told at once when the store does not answer at first", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(yield* follow(idIn(partition, aTask().ulid))))

      expect(error).toMatchObject({ _tag: "StoreError" })
    }).pipe(Effect.provide(unreliable({ begun: true })))
  )

  it.effect("hears of a retry that shared its hint with the last event", () =>
    Effect.gen(function* () {
      const { run } = yield* aRun
      const { one, take } = yield* aReader(yield* follow(run.id))
      yield* one
      yield* run.chunks("a")
      yield* run.retry({ type: "Flaky", message: "again" }, 60_000)
      expect(yield* one).toEqual(chunk(1, 1, "a"))
      const next = yield* Effect.forkScoped(take(1))

      yield* TestClock.adjust("2 seconds")

      expect(yield* Fiber.join(next)).toEqual([stands("retrying", 1)])
    }).pipe(Effect.provide(changed(() => ({}))))
  )

  for (const nth of [1, 2, 3]) {
    it.effect(
      `is not told of the end before the last event, which comes after look ${nth} at nothing`,
      () => {
        /** What is stored right after the store has said that there are no more events. */
        let ending: Effect.Effect<void, unknown> = Effect.void
        let looks = 0
        const layer = changed(({ eventsOf }) => ({
          eventsOf: (...wanted) =>
            Effect.tap(eventsOf(...wanted), ([events]) => {
              if (events!.length > 0 || ++looks !== nth) return Effect.void
              return Effect.orDie(ending)
            })
        }))
        return Effect.gen(function* () {
          const { run } = yield* aRun
          const follower = yield* aFollower(run.id)
          const all = yield* waiting(follower.take(2))
          looks = 0
          ending = Effect.andThen(run.chunks("a"), run.succeed("done"))

          yield* run.note()
          yield* TestClock.adjust("10 seconds")

          expect(yield* Fiber.join(all)).toEqual([chunk(1, 1, "a"), succeeded(1)])
        }).pipe(Effect.provide(layer))
      }
    )
  }

  it.effect("is told when the task is gone", () => {
    const gone = { yes: false }
    const layer = changed(({ ended }) => ({
      ended: (...task) =>
        Effect.map(ended(...task), (records) => (gone.yes ? records.map(() => undefined) : records))
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      const follower = yield* aFollower(run.id)
      const next = yield* waiting(Effect.flip(follower.one))
      gone.yes = true

      yield* TestClock.adjust("2 seconds")

      expect(yield* Fiber.join(next)).toMatchObject({ _tag: "TaskNotFound" })
    }).pipe(Effect.provide(layer))
  })

  it.effect("shares what is read with all who follow it", () => {
    const reads: Array<string> = []
    const counted =
      <Args extends ReadonlyArray<unknown>, A>(name: string, method: (...args: Args) => A) =>
      (...args: Args) => {
        reads.push(name)
        return method(...args)
      }
    const layer = changed((store) => ({
      ended: counted("ended", store.ended),
      events: counted("events", store.events),
      eventsOf: counted("eventsOf", store.eventsOf),
      read: counted("read", store.read)
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      const followers = yield* Effect.forEach(numbers(1, 50), () => aFollower(run.id))
      yield* run.chunks("a")
      for (const { one } of followers) yield* one
      const next = yield* Effect.forEach(followers, ({ one }) => waiting(one))
      reads.length = 0

      yield* run.chunks(large)

      for (const fiber of next) expect(yield* Fiber.join(fiber)).toEqual(chunk(1, 2, large))
      expect(reads).toEqual(["eventsOf"])

      const last = yield* Effect.forEach(followers, ({ one }) => waiting(one))
      reads.length = 0
      yield* run.chunks("c")

      for (const fiber of last) expect(yield* Fiber.join(fiber)).toEqual(chunk(1, 3, "c"))
      expect(reads).toEqual([])
    }).pipe(Effect.provide(layer))
  })

  it.effect("has every event once and in order when hints that bring them are lost, or come twice", () => {
    const hinted = (change: (hint: Hint) => ReadonlyArray<Hint>) =>
      changed(({ inbox }) => ({
        inbox: Effect.gen(function* () {
          const heard = yield* inbox
          const hints: Array<Hint> = []
          const next = Effect.gen(function* () {
            while (hints.length === 0) hints.push(...change(yield* heard.next))
            return hints.shift()!
          })
          return { ...heard, next }
        })
      }))
    const brings = (hint: Hint, seq: number) =>
      hint !== "all" && hint.news.some(({ event }) => event?.seq === seq)
    const scene = Effect.gen(function* () {
      const { run } = yield* aRun
      const follower = yield* aFollower(run.id)
      const taken: Array<unknown> = []
      yield* Effect.forkScoped(Effect.forever(Effect.map(follower.one, (event) => taken.push(event))))
      yield* TestClock.adjust("1 second")
      for (const text of ["a", "b", "c", "d"]) {
        yield* run.chunks(text)
        yield* TestClock.adjust("1 milli")
      }
      yield* TestClock.adjust("1 second")
      return taken
    })
    const all = ["a", "b", "c", "d"].map((text, at) => chunk(1, at + 1, text))
    return Effect.gen(function* () {
      const lossy = hinted((hint) => (brings(hint, 1) || brings(hint, 3) ? [] : [hint]))
      expect(yield* Effect.provide(scene, lossy)).toEqual(all)
      expect(
        yield* Effect.provide(
          scene,
          hinted((hint) => [hint, hint])
        )
      ).toEqual(all)
    })
  })

  it.effect("has what many tasks put out while a read was on its way from one more read", () => {
    const asked: Array<number> = []
    const gate = Latch.makeUnsafe(true)
    const layer = changed(({ eventsOf }) => ({
      eventsOf: (partition, wanted, limit) => {
        asked.push(wanted.length)
        return Effect.andThen(gate.await, eventsOf(partition, wanted, limit))
      }
    }))
    return Effect.gen(function* () {
      yield* submit(...tasks(20))
      const runs = yield* (yield* aWorker()).claim(20)
      const next: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const { id } of runs) next.push(yield* waiting((yield* aFollower(id)).one))
      yield* TestClock.adjust("1 second")
      asked.length = 0

      let hints = 0
      for (const { id } of runs) (yield* Replies).subscribe(id, () => void (hints += 1))
      gate.closeUnsafe()
      for (const { chunks } of runs) yield* chunks(large)
      while (hints < runs.length) yield* Effect.yieldNow
      gate.openUnsafe()

      for (const fiber of next) expect(yield* Fiber.join(fiber)).toEqual(chunk(1, 1, large))
      expect(asked.length).toBeLessThanOrEqual(2)
      expect(asked.reduce((sum, count) => sum + count, 0)).toBe(20)
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps up though the task always puts out more before it has looked again", () => {
    let pages = 0
    let more: Effect.Effect<unknown> = Effect.void
    const layer = changed(({ events }) => ({
      events: (...page) =>
        Effect.tap(events(...page), () => {
          pages += 1
          return more
        })
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      yield* run.chunks("a")
      more = Effect.orDie(run.chunks("b"))
      const { take } = yield* aFollower(run.id)

      const first = yield* take(2)
      yield* run.chunks("c")
      const rest = yield* take(1)

      expect([...first, ...rest]).toEqual([chunk(1, 1, "a"), chunk(1, 2, "b"), chunk(1, 3, "c")])
      expect(pages).toBe(1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes the wish for hints back when it is the last to go, and not before", () => {
    const unwatched: Array<string> = []
    const layer = changed(() => ({
      unwatch: (_, ulids) => Effect.sync(() => void unwatched.push(...ulids))
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      yield* run.chunks("a")
      const [first, last] = [yield* Scope.make(), yield* Scope.make()]
      for (const scope of [first, last]) {
        yield* Effect.flatMap(aFollower(run.id), ({ one }) => one).pipe(Scope.provide(scope))
      }
      yield* Effect.forkScoped(Effect.flatMap(aFollower(run.id, "1-1"), ({ one }) => one)).pipe(
        Scope.provide(last)
      )
      yield* TestClock.adjust("1 second")

      yield* Scope.close(first, Exit.void)
      expect(unwatched).toEqual([])
      yield* Scope.close(last, Exit.void)
      expect(unwatched).toEqual([ulidOfId(run.id)])
    }).pipe(Effect.provide(layer))
  })
})
