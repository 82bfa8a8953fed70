/** Who watches a child is told once when it is gone for good. */
import { describe, expect } from "bun:test"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Supervisor from "../../../runtime/supervision/supervisor.ts"
import { type Notice, Reason } from "../../../runtime/supervision/watch.ts"
import { it } from "../../support/effect.ts"
import { Broken, newStage, type Part, quiet, started } from "../../support/supervised.ts"

const watched = (over: Record<string, Part> = {}, options: Supervisor.StaticOptions = {}, ids = ["a", "b"]) =>
  Effect.gen(function* () {
    const stage = newStage()
    const children = ids.map((id) => stage.part(id, over[id]))
    const { stop, supervisor } = yield* started(
      Supervisor.start({ name: "shop", intensity: 10, ...options, children })
    )
    const notices: Array<Notice> = []
    const watch = (id: string) =>
      Effect.flatMap(supervisor.monitor(id), (notice) =>
        Effect.forkScoped(Effect.map(notice, (told) => notices.push(told)))
      )
    /** What was told since the last time, as text. */
    const told = Effect.map(quiet, () =>
      notices.splice(0).map(({ child, reason }) => `${child} ${reason._tag}`)
    )
    return { ...stage, stop, supervisor, notices, watch, told }
  })

describe("who watches a child", () => {
  it.effect("is told when it has ended and is not started again, with how it ended", () =>
    Effect.gen(function* () {
      const { fail, notices, watch } = yield* watched({ a: { restart: "temporary" } })
      yield* watch("a")

      yield* fail("a")

      expect(notices).toEqual([
        {
          supervisor: "shop",
          child: "a",
          reason: Reason.Ended({ exit: Exit.fail(new Broken({ message: "a broke" })) })
        }
      ])
    })
  )

  it.effect("is told nothing of a restart, however long it takes, and once of the end after it", () =>
    Effect.gen(function* () {
      const { fail, finish, told, watch } = yield* watched({ a: { restart: "transient" } })
      yield* watch("a")
      yield* fail("a")
      yield* fail("a")
      expect(yield* told).toEqual([])
      yield* TestClock.adjust("10 seconds")

      yield* finish("a")

      expect(yield* told).toEqual(["a Ended"])
    })
  )

  it.effect("may begin while the child waits to be started again", () =>
    Effect.gen(function* () {
      const { fail, supervisor, told, watch } = yield* watched()
      yield* fail("a")
      yield* fail("a")

      yield* watch("a")

      expect(yield* told).toEqual([])
      yield* supervisor.terminateChild("a")
      expect(yield* told).toEqual(["a Stopped"])
    })
  )

  it.effect("is told once each, however many there are", () =>
    Effect.gen(function* () {
      const { supervisor, told, watch } = yield* watched()
      for (const _ of [1, 2, 3]) yield* watch("a")

      yield* supervisor.terminateChild("a")
      yield* supervisor.restartChild("a")
      yield* supervisor.terminateChild("a")

      expect(yield* told).toEqual(["a Stopped", "a Stopped", "a Stopped"])
    })
  )

  it.effect("is told at once when the child is not there, or no more", () =>
    Effect.gen(function* () {
      const { supervisor, told, watch } = yield* watched()
      yield* supervisor.terminateChild("a")

      yield* watch("a")
      yield* watch("nobody")

      expect(yield* told).toEqual(["a NotThere", "nobody NotThere"])
    })
  )

  it.effect("is told when its supervisor is stopped", () =>
    Effect.gen(function* () {
      const { stop, told, watch } = yield* watched()
      yield* watch("a")
      yield* watch("b")

      yield* stop

      expect((yield* told).toSorted()).toEqual(["a Stopped", "b Stopped"])
    })
  )

  it.effect("is told when its supervisor is stopped in the middle of a restart", () =>
    Effect.gen(function* () {
      const { fail, stop, told, watch } = yield* watched(
        { a: { stopTakes: "3 seconds", shutdown: "infinity" } },
        { strategy: "one_for_all" },
        ["a", "b", "c"]
      )
      for (const id of ["a", "b", "c"]) yield* watch(id)
      yield* fail("c")

      yield* Effect.forkChild(stop)
      yield* quiet
      yield* TestClock.adjust("3 seconds")

      expect((yield* told).toSorted()).toEqual(["a Stopped", "b Stopped", "c Stopped"])
    })
  )

  it.effect("is told when its supervisor gives up, of each child why", () =>
    Effect.gen(function* () {
      const { fail, told, watch } = yield* watched({}, { intensity: 0 })
      yield* watch("a")
      yield* watch("b")

      yield* fail("a")

      expect(yield* told).toEqual(["a Ended", "b Stopped"])
    })
  )

  it.effect("is told of a temporary child that is stopped with its sibling, and of no other", () =>
    Effect.gen(function* () {
      const { fail, told, watch } = yield* watched(
        { b: { restart: "temporary" } },
        { strategy: "one_for_all" }
      )
      yield* watch("a")
      yield* watch("b")

      yield* fail("a")

      expect(yield* told).toEqual(["b Stopped"])
    })
  )

  it.effect("is told when a child did not stop in its time and was left alone", () =>
    Effect.gen(function* () {
      const stage = newStage()
      const { supervisor } = yield* started(
        Supervisor.start({ children: [stage.part("a", { shutdown: "1 second", stopTakes: "1 hour" })] })
      )
      const notice = yield* supervisor.monitor("a")

      const terminating = yield* Effect.forkChild(supervisor.terminateChild("a"))
      yield* quiet
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(terminating)

      expect((yield* notice).reason).toEqual(Reason.Abandoned())
    })
  )

  it.effect("may ask for the notice again, and gets the same", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* watched()
      const notice = yield* supervisor.monitor("a")
      yield* supervisor.terminateChild("a")

      expect(yield* notice).toBe(yield* notice)
    })
  )

  it.effect("is told nothing any more once its scope is closed", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* watched()
      const scope = yield* Scope.make()
      const notice = yield* Scope.provide(supervisor.monitor("a"), scope)
      const waiting = yield* Effect.forkChild(notice)
      yield* Scope.close(scope, Exit.void)

      yield* supervisor.terminateChild("a")
      yield* quiet

      expect(waiting.pollUnsafe()).toBeUndefined()
    })
  )
})
