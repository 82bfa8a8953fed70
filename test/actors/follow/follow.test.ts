import { describe, expect, test } from "bun:test"
import { Effect, Exit, Fiber, Layer, Result, Scope, Stream } from "effect"
import * as Follow from "../../../actors/follow/follow.ts"
import * as Memory from "../../../runtime/memory/stores.ts"
import * as Redis from "../../../runtime/redis/stores.ts"
import { TaskId } from "../../../runtime/task.ts"
import { it } from "../../support/effect.ts"
import {
  aFollower,
  aQueuedTask,
  aRun,
  chunk,
  follow,
  numbers,
  on,
  reset,
  type Services,
  stands,
  succeeded
} from "../../support/follow.ts"
import { aReader } from "../../support/reader.ts"
import { memorySettings, redisSettings } from "../../support/redis.ts"
import { aWorker } from "../../support/worker.ts"

const memory = () => on(Memory.layer.pipe(Layer.provide(memorySettings())))
const redis = () => on(Redis.layer().pipe(Layer.provide(redisSettings())))

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

describe("the id of an event", () => {
  test("says where to go on", () => {
    expect(Follow.readPosition("3-17")).toEqual(Result.succeed({ run: 3, seq: 17 }))
  })

  test("says that the end was seen", () => {
    const end = Result.getOrThrow(Follow.readPosition("3-end"))
    expect(end.run).toBe(3)
    expect(end.seq).toBeGreaterThan(Result.getOrThrow(Follow.readPosition("3-999999999")).seq)
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
