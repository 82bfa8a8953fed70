import { describe, expect } from "bun:test"
import { Deferred, Effect, Exit, Fiber, Request, Scope } from "effect"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor } from "../../../runtime/actor/definition.ts"
import type { WhenFull } from "../../../runtime/actor/mailbox.ts"
import { it } from "../../support/effect.ts"

class Seen extends Request.TaggedClass("Seen")<{}, ReadonlyArray<number>> {}
type Message = { readonly _tag: "Note"; readonly n: number } | Seen

const note = (n: number): Message => ({ _tag: "Note", n })

/** An actor with room for two, which handles nothing before `go`. */
const narrow = <F extends WhenFull>(whenFull: F, scope?: Scope.Scope) =>
  Effect.gen(function* () {
    const go = yield* Deferred.make<void>()
    const started = Actor.start(
      defineActor<Message>()({
        name: "narrow",
        capacity: 2,
        whenFull,
        onStart: () => Effect.as(Deferred.await(go), new Array<number>()),
        handle: {
          Note: ({ n }, { state }) => Effect.sync(() => void state.push(n)),
          Seen: (_, { state }) => Effect.sync(() => [...state])
        }
      })
    )
    const ref = yield* scope === undefined ? started : Scope.provide(started, scope)
    return { ref, go: Deferred.succeed(go, undefined) }
  })

describe("a full mailbox", () => {
  it.effect("that drops does not take the newest, and says so to its sender", () =>
    Effect.gen(function* () {
      const { go, ref } = yield* narrow("drop")
      const taken = yield* Effect.forEach([1, 2, 3], (n) => ref.tell(note(n)))

      expect(taken).toEqual([true, true, false])

      yield* go
      expect(yield* Effect.eventually(ref.ask(new Seen()))).toEqual([1, 2])
    })
  )

  it.effect("that drops refuses an ask, whose answer would never come", () =>
    Effect.gen(function* () {
      const { ref } = yield* narrow("drop")
      yield* ref.tell(note(1))
      yield* ref.tell(note(2))

      expect(yield* Effect.flip(ref.ask(new Seen()))).toMatchObject({ _tag: "MailboxFull" })
    })
  )

  it.effect("that fails does so with its name and its capacity, and keeps what it has", () =>
    Effect.gen(function* () {
      const { go, ref } = yield* narrow("fail")
      yield* ref.tell(note(1))
      yield* ref.tell(note(2))

      expect(yield* Effect.flip(ref.tell(note(3)))).toMatchObject({
        _tag: "MailboxFull",
        actor: "narrow",
        capacity: 2
      })

      yield* go
      expect(yield* Effect.eventually(ref.ask(new Seen()))).toEqual([1, 2])
    })
  )

  it.effect("that suspends lets its senders wait for room, and takes theirs in order", () =>
    Effect.gen(function* () {
      const { go, ref } = yield* narrow("suspend")
      yield* ref.tell(note(1))
      yield* ref.tell(note(2))
      const third = yield* Effect.forkChild(ref.tell(note(3)), { startImmediately: true })
      const fourth = yield* Effect.forkChild(ref.tell(note(4)), { startImmediately: true })
      yield* Effect.yieldNow
      expect(third.pollUnsafe()).toBeUndefined()

      yield* go

      expect(yield* Fiber.join(third)).toBe(true)
      expect(yield* Fiber.join(fourth)).toBe(true)
      expect(yield* ref.ask(new Seen())).toEqual([1, 2, 3, 4])
    })
  )

  it.effect("that suspends forgets a sender who no longer waits", () =>
    Effect.gen(function* () {
      const { go, ref } = yield* narrow("suspend")
      yield* ref.tell(note(1))
      yield* ref.tell(note(2))
      const third = yield* Effect.forkChild(ref.tell(note(3)), { startImmediately: true })

      yield* Fiber.interrupt(third)

      yield* go
      expect(yield* ref.ask(new Seen())).toEqual([1, 2])
    })
  )

  it.effect("tells those who wait for room when its actor stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { ref } = yield* narrow("suspend", scope)
      yield* ref.tell(note(1))
      yield* ref.tell(note(2))
      const telling = yield* Effect.forkChild(ref.tell(note(3)), { startImmediately: true })
      const asking = yield* Effect.forkChild(Effect.flip(ref.ask(new Seen())), { startImmediately: true })

      yield* Scope.close(scope, Exit.void)

      expect(yield* Fiber.join(telling)).toBe(false)
      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "ActorStopped" })
    })
  )
})
