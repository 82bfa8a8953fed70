import { describe, expect } from "bun:test"
import { Cause, Deferred, Effect, Exit, Fiber, Request, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor } from "../../../runtime/actor/definition.ts"
import { it } from "../../support/effect.ts"

class Total extends Request.TaggedClass("Total")<{}, number> {}
class Hang extends Request.TaggedClass("Hang")<{}, never> {}
class Crash extends Request.TaggedClass("Crash")<{ readonly with: unknown }, never> {}
class Slow extends Request.TaggedClass("Slow")<{ readonly go: Deferred.Deferred<string, Error> }, string> {}

type Message =
  | { readonly _tag: "Add"; readonly amount: number }
  | { readonly _tag: "Stop" }
  | Total
  | Hang
  | Crash
  | Slow

const add = (amount: number): Message => ({ _tag: "Add", amount })

/** Adds up, and tells what its hooks were called with. */
const counter = (told: (what: string) => void = () => {}) =>
  defineActor<Message>()({
    name: "counter",
    onStart: () =>
      Effect.sync(() => {
        told("start")
        return { sum: 0 }
      }),
    onRestart: (cause) => Effect.sync(() => told(`restart after ${String(Cause.squash(cause))}`)),
    onStop: (reason) =>
      Effect.sync(() =>
        told(
          Exit.match(reason, {
            onSuccess: () => "stop",
            onFailure: (cause) =>
              Cause.hasInterruptsOnly(cause) ? "interrupted" : `failed with ${String(Cause.squash(cause))}`
          })
        )
      ),
    handle: {
      Add: ({ amount }, { state }) =>
        Effect.sync(() => {
          state.sum += amount
        }),
      Total: (_, { state }) => Effect.sync(() => state.sum),
      Hang: () => Effect.never,
      Crash: (message) => Effect.die(message.with),
      Slow: ({ go }, self) => self.beside(Deferred.await(go)),
      Stop: (_, self) => self.stop
    }
  })

/** The hooks that were called, and a definition that tells of them. */
const watched = () => {
  const hooks: Array<string> = []
  return { hooks, definition: counter((what) => hooks.push(what)) }
}

describe("an actor", () => {
  it.effect("handles one message at a time, in the order in which they came", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const one = yield* Actor.start(
        defineActor<{ readonly _tag: "Work"; readonly name: string } | Total>()({
          name: "one",
          onStart: () => Effect.void,
          handle: {
            Work: ({ name }) =>
              Effect.gen(function* () {
                seen.push(`${name} begins`)
                yield* Effect.yieldNow
                seen.push(`${name} ends`)
              }),
            Total: () => Effect.succeed(seen.length)
          }
        })
      )
      yield* one.tell({ _tag: "Work", name: "a" })
      yield* one.tell({ _tag: "Work", name: "b" })

      yield* one.ask(new Total())

      expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends"])
    })
  )

  it.effect("answers an ask after what was told before it", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(counter())
      yield* tell(add(2))
      yield* tell(add(3))

      expect(yield* ask(new Total())).toBe(5)
    })
  )

  it.effect("takes messages before its life begins", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(counter())
      yield* ref.tell(add(2))

      yield* Effect.forkScoped(life)

      expect(yield* ref.ask(new Total())).toBe(2)
    })
  )

  it.effect("tells who asks that no answer came in time, and handles the message all the same", () =>
    Effect.gen(function* () {
      const { ask } = yield* Actor.start(counter())
      const asking = yield* Effect.forkChild(Effect.flip(ask(new Hang(), { timeout: "3 seconds" })))
      const byDefault = yield* Effect.forkChild(Effect.flip(ask(new Total())))

      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(asking)).toMatchObject({
        _tag: "AskTimeout",
        actor: "counter",
        waitedMs: 3_000
      })
      expect(byDefault.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(byDefault)).toMatchObject({ _tag: "AskTimeout", waitedMs: 5_000 })
    })
  )

  it.effect("goes on with the next message while a work beside the mailbox makes up an answer", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(counter())
      const go = yield* Deferred.make<string, Error>()
      const slow = yield* Effect.forkChild(ask(new Slow({ go })))
      yield* Effect.yieldNow
      yield* tell(add(1))
      expect(yield* ask(new Total())).toBe(1)
      expect(slow.pollUnsafe()).toBeUndefined()

      yield* Deferred.succeed(go, "done")

      expect(yield* Fiber.join(slow)).toBe("done")
    })
  )

  it.effect("refuses a definition without room for a message, and names the field", () =>
    Effect.sync(() => {
      const define = () =>
        defineActor<{ readonly _tag: "Any" }>()({
          name: "narrow",
          capacity: 0,
          onStart: () => Effect.void,
          handle: { Any: () => Effect.void }
        })
      expect(define).toThrow("capacity of the actor narrow is 0")
    })
  )
})

describe("an actor that has stopped", () => {
  it.effect("by itself runs its hook, takes nothing more, and says so at once", () =>
    Effect.gen(function* () {
      const { definition, hooks } = watched()
      const { life, ref } = yield* Actor.make(definition)
      const living = yield* Effect.forkChild(life)
      yield* ref.tell({ _tag: "Stop" })

      yield* Fiber.join(living)

      expect(hooks).toEqual(["start", "stop"])
      expect(yield* ref.tell(add(1))).toBe(false)
      expect(yield* Effect.flip(ref.ask(new Total()))).toMatchObject({
        _tag: "ActorStopped",
        actor: "counter"
      })
    })
  )

  it.effect("tells those whose asks still waited in its mailbox", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(counter())
      yield* ref.tell({ _tag: "Stop" })
      const asking = yield* Effect.forkChild(Effect.flip(ref.ask(new Total())))
      yield* Effect.yieldNow

      yield* life

      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "ActorStopped" })
    })
  )

  it.effect("because its scope closed interrupts what it did, and tells those who waited for it", () =>
    Effect.gen(function* () {
      const { definition, hooks } = watched()
      const scope = yield* Scope.make()
      const { ask } = yield* Scope.provide(Actor.start(definition), scope)
      const handled = yield* Effect.forkChild(Effect.flip(ask(new Hang())))
      const waiting = yield* Effect.forkChild(Effect.flip(ask(new Total())))
      yield* Effect.yieldNow
      yield* Effect.yieldNow

      yield* Scope.close(scope, Exit.void)

      expect(hooks).toEqual(["start", "interrupted"])
      expect(yield* Fiber.join(handled)).toMatchObject({ _tag: "ActorStopped" })
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "ActorStopped" })
    })
  )

  it.effect("because it failed and nobody supervises it takes nothing more", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(counter())

      expect(yield* Effect.flip(ask(new Crash({ with: new Error("bad") })))).toMatchObject({
        _tag: "ActorStopped"
      })

      expect(yield* tell(add(1))).toBe(false)
    })
  )
})

describe("an actor whose life ends with a failure", () => {
  it.effect("fails its supervisor with the cause", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(counter())
      const bad = new Error("bad")
      yield* ref.tell(new Crash({ with: bad }))

      expect(Cause.squash(yield* Effect.flip(Effect.sandbox(life)))).toBe(bad)
    })
  )

  it.effect("does so, too, when work beside its mailbox fails", () =>
    Effect.gen(function* () {
      const { definition, hooks } = watched()
      const { life, ref } = yield* Actor.make(definition)
      const go = yield* Deferred.make<string, Error>()
      const living = yield* Effect.forkChild(Effect.flip(life))
      const asking = yield* Effect.forkChild(Effect.flip(ref.ask(new Slow({ go }))))
      yield* Effect.yieldNow

      yield* Deferred.fail(go, new Error("bad"))

      expect(yield* Fiber.join(living)).toEqual(new Error("bad"))
      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "ActorStopped" })
      expect(hooks).toEqual(["start", "failed with Error: bad"])
    })
  )

  it.effect("tells who asked for what failed, and not those who wait in its mailbox", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(counter())
      const failed = yield* Effect.forkChild(Effect.flip(ref.ask(new Crash({ with: "bad" }))))
      const waiting = yield* Effect.forkChild(ref.ask(new Total()))
      yield* Effect.yieldNow

      yield* Effect.exit(life)

      expect(yield* Fiber.join(failed)).toMatchObject({ _tag: "ActorStopped" })
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* Effect.forkScoped(life)
      expect(yield* Fiber.join(waiting)).toBe(0)
    })
  )

  it.effect("starts again with a fresh state and its mailbox, without the message that failed", () =>
    Effect.gen(function* () {
      const { definition, hooks } = watched()
      const { life, ref } = yield* Actor.make(definition)
      yield* ref.tell(add(1))
      yield* ref.tell(new Crash({ with: new Error("bad") }))
      yield* ref.tell(add(10))
      yield* ref.tell(add(100))

      yield* life.pipe(Effect.sandbox, Effect.retry(Schedule.recurs(1)), Effect.forkScoped)

      expect(yield* ref.ask(new Total())).toBe(110)
      expect(hooks).toEqual(["start", "failed with Error: bad", "restart after Error: bad", "start"])
    })
  )

  it.effect("takes messages between two lives", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(counter())
      yield* ref.tell(new Crash({ with: "bad" }))
      yield* Effect.exit(life)

      expect(yield* ref.tell(add(1))).toBe(true)

      yield* Effect.forkScoped(life)
      expect(yield* ref.ask(new Total())).toBe(1)
    })
  )

  it.effect("fails with what its start failed with, and has no stop to run", () =>
    Effect.gen(function* () {
      let stops = 0
      const { life } = yield* Actor.make(
        defineActor<{ readonly _tag: "Any" }>()({
          name: "stillborn",
          onStart: () => Effect.fail("no luck" as const),
          onStop: () => Effect.sync(() => void (stops += 1)),
          handle: { Any: () => Effect.void }
        })
      )

      expect(yield* Effect.flip(life)).toBe("no luck")
      expect(stops).toBe(0)
    })
  )

  it.effect("releases what it acquired at its start, after its stop", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const { life } = yield* Actor.make(
        defineActor<{ readonly _tag: "Any" }>()({
          name: "holder",
          onStart: (self) =>
            Effect.acquireRelease(self.stop, () => Effect.sync(() => void order.push("released"))),
          onStop: () => Effect.sync(() => void order.push("stopped")),
          handle: { Any: () => Effect.void }
        })
      )

      yield* life

      expect(order).toEqual(["stopped", "released"])
    })
  )
})

describe("an actor that stopped itself and is started again", () => {
  it.effect("starts with an empty mailbox", () =>
    Effect.gen(function* () {
      const { definition, hooks } = watched()
      const { life, ref } = yield* Actor.make(definition)
      yield* ref.tell({ _tag: "Stop" })
      yield* ref.tell(add(1))
      yield* life

      yield* Effect.forkScoped(life)
      yield* Effect.yieldNow

      expect(yield* ref.ask(new Total())).toBe(0)
      expect(hooks).toEqual(["start", "stop", "start"])
    })
  )
})
