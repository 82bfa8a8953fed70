import { describe, expect, test } from "bun:test"
import { Effect, Exit, Fiber, Layer, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Follow from "../../actors/follow.ts"
import * as Replies from "../../actors/replies.ts"
import * as Memory from "../../runtime/memory/store.ts"
import * as Redis from "../../runtime/redis/store.ts"
import { Store, StoreError } from "../../runtime/store.ts"
import { idIn, type State, TaskId, ulidOfId } from "../../runtime/task.ts"
import { it } from "../support/effect.ts"
import { aReader } from "../support/reader.ts"
import { memorySettings, redisSettings } from "../support/redis.ts"
import { partition } from "../support/stores.ts"
import { aTask, submit } from "../support/tasks.ts"
import { aWorker } from "../support/worker.ts"

type Services = Follow.Follow | Replies.Replies | Store

/** What following takes, on a store. */
const on = <E>(store: Layer.Layer<Store, E>): Layer.Layer<Services> =>
  Layer.orDie(Follow.layer.pipe(Layer.provideMerge(Replies.layer), Layer.provideMerge(store)))

const memory = () => on(Memory.layer.pipe(Layer.provide(memorySettings())))
const redis = () => on(Redis.layer().pipe(Layer.provide(redisSettings())))

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
    return { ended: failing(store.ended), events: failing(store.events), read: failing(store.read) }
  })

/** Follows from the first event on, or after the one of this id. */
const follow = Effect.fnUntraced(function* (id: TaskId, last?: string) {
  const position = last === undefined ? Follow.start : Result.getOrThrow(Follow.readPosition(last))
  if (position === "end") throw new Error("there is nothing after the end")
  return (yield* Follow.Follow).follow(id, position)
})

/** One who follows a task, and does not care how it stands. */
const aFollower = Effect.fnUntraced(function* (id: TaskId, last?: string) {
  return yield* aReader(Stream.filter(yield* follow(id, last), ({ type }) => type !== "state"))
})

const aQueuedTask = Effect.gen(function* () {
  const task = aTask()
  yield* submit(task)
  return idIn(partition, task.ulid)
})

/** A task that a worker runs. */
const aRun = Effect.gen(function* () {
  yield* aQueuedTask
  const worker = yield* aWorker()
  return { worker, run: yield* worker.claimOne }
})

const stands = (state: State, attempt: number) => ({ type: "state", state, attempt }) as const
const chunk = (attempt: number, seq: number, chunk: unknown) =>
  ({ type: "chunk", id: `${attempt}-${seq}`, attempt, seq, chunk }) as const
const reset = (attempt: number) => ({ type: "attempt", attempt, reset: true }) as const
const succeeded = (attempt: number) => ({ type: "end", id: `${attempt}-end`, state: "succeeded" }) as const
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

for (const [name, layer] of [
  ["memory", memory],
  ["Redis", redis]
] as const) {
  const promise = <A, E>(sentence: string, body: () => Effect.Effect<A, E, Services | Scope.Scope>) =>
    it.live(sentence, () => Effect.suspend(body).pipe(Effect.provide(layer())))

  describe(`one who follows a task, on ${name}`, () => {
    promise("is told of every event in its order, and of the end", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        const follower = yield* aFollower(run.id)

        yield* run.chunks("a")
        yield* run.emit("log", { level: "info", message: "half" })
        yield* run.emit("progress", { fraction: 0.5, message: "of it" })
        yield* run.succeed("done")

        expect(yield* follower.take(4)).toEqual([
          chunk(1, 1, "a"),
          { type: "log", id: "1-2", attempt: 1, seq: 2, level: "info", message: "half" },
          { type: "progress", id: "1-3", attempt: 1, seq: 3, fraction: 0.5, message: "of it" },
          succeeded(1)
        ])
        expect(Exit.isFailure(yield* Effect.exit(follower.one))).toBe(true)
      })
    )

    promise("is told how it stands at first, and whenever that changes", () =>
      Effect.gen(function* () {
        const id = yield* aQueuedTask
        const { one } = yield* aReader(yield* follow(id))
        expect(yield* one).toEqual(stands("queued", 0))
        const run = yield* (yield* aWorker()).claimOne

        yield* run.note()
        expect(yield* one).toEqual(stands("running", 1))
        yield* run.retry({ type: "Flaky", message: "again" }, 60_000)
        expect(yield* one).toEqual(stands("retrying", 1))
      })
    )

    promise("is told that it runs before it is told what the run puts out", () =>
      Effect.gen(function* () {
        const { one, take } = yield* aReader(yield* follow(yield* aQueuedTask))
        yield* one
        const run = yield* (yield* aWorker()).claimOne

        yield* run.chunks("a")

        expect(yield* take(2)).toEqual([stands("running", 1), chunk(1, 1, "a")])
      })
    )

    promise("that has ended gets what is stored of it and the end", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        yield* run.chunks(...numbers(1, 120))
        yield* run.fail({ type: "Boom", message: "no", stack: "at secret (file)" })

        const all = yield* Stream.runCollect(yield* follow(run.id))

        expect(all).toEqual([
          ...numbers(1, 120).map((n) => chunk(1, n, n)),
          { type: "end", id: "1-end", state: "failed", error: { type: "Boom", message: "no" } }
        ])
      })
    )

    promise("and comes back goes on after the event seen last, without a gap or a repetition", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        const before = yield* aFollower(run.id)
        yield* run.chunks("a", "b", "c")
        yield* before.take(2)
        yield* run.chunks("d")

        const after = yield* aFollower(run.id, "1-2")
        yield* run.chunks("e")

        expect(yield* after.take(3)).toEqual([chunk(1, 3, "c"), chunk(1, 4, "d"), chunk(1, 5, "e")])
      })
    )

    promise("and comes late gets everything from the first event on", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        const early = yield* aFollower(run.id)
        yield* run.chunks(...numbers(1, 300))
        yield* early.take(300)

        const late = yield* aFollower(run.id)

        expect(yield* late.take(300)).toEqual(numbers(1, 300).map((n) => chunk(1, n, n)))
      })
    )

    promise("and falls far behind those who keep up misses nothing", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        const [quick, slow] = [yield* aFollower(run.id), yield* aFollower(run.id)]
        yield* run.chunks(0)
        yield* Effect.all([quick.one, slow.one])
        const ahead = yield* Effect.forkScoped(quick.take(500), { startImmediately: true })
        for (let at = 1; at < 500; at += 50) yield* run.chunks(...numbers(at, at + 49))
        yield* Fiber.join(ahead)
        yield* run.succeed("done")

        expect(yield* slow.take(501)).toEqual([
          ...numbers(1, 500).map((n) => chunk(1, n + 1, n)),
          succeeded(1)
        ])
      })
    )

    promise("is told that an earlier run is void when a later one puts something out", () =>
      Effect.gen(function* () {
        const { run, worker } = yield* aRun
        const follower = yield* aFollower(run.id)
        yield* run.chunks("a")
        yield* run.retry({ type: "Flaky", message: "again" }, 0)

        yield* (yield* worker.claimOne).chunks("b")

        expect(yield* follower.take(3)).toEqual([chunk(1, 1, "a"), reset(2), chunk(2, 1, "b")])
      })
    )

    promise("is told that an earlier run is void when the last one ended without a word", () =>
      Effect.gen(function* () {
        const { run, worker } = yield* aRun
        yield* run.chunks("a")
        yield* run.release
        yield* (yield* worker.claimOne).succeed("done")

        const follower = yield* aFollower(run.id, "1-1")

        expect(yield* follower.take(2)).toEqual([reset(2), succeeded(2)])
      })
    )

    promise("is told which events are no longer there", () =>
      Effect.gen(function* () {
        const { run } = yield* aRun
        run.skip(4)
        yield* run.chunks("e")
        run.skip(2)
        yield* run.chunks("h")

        const follower = yield* aFollower(run.id)

        expect(yield* follower.take(4)).toEqual([
          { type: "gap", attempt: 1, from: 1, to: 4 },
          chunk(1, 5, "e"),
          { type: "gap", attempt: 1, from: 6, to: 7 },
          chunk(1, 8, "h")
        ])
      })
    )

    promise("that is not there is told so", () =>
      Effect.gen(function* () {
        const id = TaskId.make("default.0.01ARZ3NDEKTSV4RRFFQ69G5FAV")

        const error = yield* Effect.flip(Stream.runDrain(yield* follow(id)))

        expect(error).toMatchObject({ _tag: "TaskNotFound", id })
      })
    )

    promise("leaves nothing behind when it goes", () =>
      Effect.gen(function* () {
        const { topics } = yield* Follow.Follow
        const { run } = yield* aRun
        const scope = yield* Scope.make()
        const [one, another] = yield* Effect.all([aFollower(run.id), aFollower(run.id)]).pipe(
          Scope.provide(scope)
        )
        yield* run.chunks("a")
        yield* Effect.all([one.one, another.one])
        expect(yield* topics).toBe(1)

        yield* Scope.close(scope, Exit.void)

        expect(yield* topics).toBe(0)
      })
    )
  })
}

describe("one who follows a task", () => {
  /** Someone takes the next events, and waits for them by now. */
  const waiting = <A>(take: Effect.Effect<A, unknown>) =>
    Effect.tap(Effect.forkScoped(take), () => TestClock.adjust("1 second"))

  it.effect(
    "and asks to go on from nowhere keeps nothing from others, who do not look for it again and again",
    () => {
      let reads = 0
      const layer = changed(({ events }) => ({
        events: (...page) => Effect.suspend(() => (reads++, events(...page)))
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
    }).pipe(Effect.provide(memory()))
  )

  it.effect("is not told of the end before the last event, however close together they are", () => {
    // The last event and the end are stored right after the store has said that there are no more events.
    let ending: Effect.Effect<void, unknown> = Effect.void
    const layer = changed(({ events }) => ({
      events: (...page) =>
        Effect.tap(events(...page), () => {
          const now = ending
          ending = Effect.void
          return Effect.orDie(now)
        })
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      const follower = yield* aFollower(run.id)
      const all = yield* waiting(follower.take(3))
      ending = Effect.andThen(run.chunks("b"), run.succeed("done"))

      yield* run.chunks("a")

      expect(yield* Fiber.join(all)).toEqual([chunk(1, 1, "a"), chunk(1, 2, "b"), succeeded(1)])
    }).pipe(Effect.provide(layer))
  })

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
      read: counted("read", store.read)
    }))
    return Effect.gen(function* () {
      const { run } = yield* aRun
      const followers = yield* Effect.forEach(numbers(1, 50), () => aFollower(run.id))
      yield* run.chunks("a")
      for (const { one } of followers) yield* one
      const next = yield* Effect.forEach(followers, ({ one }) => waiting(one))
      reads.length = 0

      yield* run.chunks("b")

      for (const fiber of next) expect(yield* Fiber.join(fiber)).toEqual(chunk(1, 2, "b"))
      expect(reads).toEqual(["events"])
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

describe("the id of an event", () => {
  test("says where to go on", () => {
    expect(Follow.readPosition("3-17")).toEqual(Result.succeed({ run: 3, seq: 17 }))
  })

  test("says that the end was seen", () => {
    expect(Follow.readPosition("3-end")).toEqual(Result.succeed("end"))
  })

  for (const text of [
    "",
    "17",
    "1-",
    "-1",
    "1-2-3",
    "a-b",
    "1-END",
    "1 - 2",
    "1e3-1",
    "9999999999-1",
    "1-2\r\nx: y"
  ]) {
    test(`is not ${JSON.stringify(text)}`, () => {
      expect(Follow.readPosition(text)).toMatchObject({ failure: { _tag: "PositionInvalid", text } })
    })
  }
})
