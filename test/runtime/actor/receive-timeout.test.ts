import { describe, expect } from "bun:test"
import { Deferred, Effect, Request, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor } from "../../../runtime/actor/definition.ts"
import { it } from "../../support/effect.ts"

class Timeouts extends Request.TaggedClass("Timeouts")<{}, number> {}
type Message =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Work"; readonly until?: Deferred.Deferred<void> }
  | { readonly _tag: "Enough" }
  | { readonly _tag: "Crash" }
  | Timeouts

/** Counts how often nothing came for 10 seconds. */
const patient = (lives: { left: number } = { left: Infinity }) => {
  const counted = { timeouts: 0 }
  const definition = defineActor<Message>()({
    name: "patient",
    onStart: ({ setReceiveTimeout }) =>
      Effect.suspend(() => {
        lives.left -= 1
        return lives.left >= 0 ? setReceiveTimeout("10 seconds", { _tag: "Idle" }) : Effect.void
      }),
    handle: {
      Idle: () => Effect.sync(() => void (counted.timeouts += 1)),
      Work: ({ until }) => (until === undefined ? Effect.void : Deferred.await(until)),
      Enough: (_, self) => self.cancelReceiveTimeout,
      Crash: () => Effect.die("crash"),
      Timeouts: () => Effect.sync(() => counted.timeouts)
    }
  })
  return { counted, definition }
}

describe("a receive timeout", () => {
  it.effect("tells the actor that nothing has come for so long, again and again", () =>
    Effect.gen(function* () {
      const { counted, definition } = patient()
      yield* Actor.start(definition)
      yield* TestClock.adjust("9 seconds")
      expect(counted.timeouts).toBe(0)

      yield* TestClock.adjust("1 second")
      expect(counted.timeouts).toBe(1)
      yield* TestClock.adjust("20 seconds")

      expect(counted.timeouts).toBe(3)
    })
  )

  it.effect("starts anew with every message", () =>
    Effect.gen(function* () {
      const { counted, definition } = patient()
      const { tell } = yield* Actor.start(definition)
      yield* TestClock.adjust("9 seconds")
      yield* tell({ _tag: "Work" })

      yield* TestClock.adjust("9 seconds")
      expect(counted.timeouts).toBe(0)
      yield* TestClock.adjust("1 second")

      expect(counted.timeouts).toBe(1)
    })
  )

  it.effect("does not count the time in which a message is handled", () =>
    Effect.gen(function* () {
      const { counted, definition } = patient()
      const { tell } = yield* Actor.start(definition)
      const until = yield* Deferred.make<void>()
      yield* tell({ _tag: "Work", until })
      yield* tell({ _tag: "Work" })
      yield* TestClock.adjust("1 minute")

      yield* Deferred.succeed(until, undefined)
      yield* TestClock.adjust("9 seconds")

      expect(counted.timeouts).toBe(0)
    })
  )

  it.effect("can be cancelled", () =>
    Effect.gen(function* () {
      const { counted, definition } = patient()
      const { tell } = yield* Actor.start(definition)
      yield* tell({ _tag: "Enough" })

      yield* TestClock.adjust("1 minute")

      expect(counted.timeouts).toBe(0)
    })
  )

  it.effect("ends with the life that set it", () =>
    Effect.gen(function* () {
      const { counted, definition } = patient({ left: 1 })
      const { life, ref } = yield* Actor.make(definition)
      yield* life.pipe(Effect.sandbox, Effect.retry(Schedule.recurs(1)), Effect.forkScoped)
      yield* ref.tell({ _tag: "Crash" })
      expect(yield* ref.ask(new Timeouts())).toBe(0)

      yield* TestClock.adjust("1 minute")

      expect(counted.timeouts).toBe(0)
    })
  )
})
