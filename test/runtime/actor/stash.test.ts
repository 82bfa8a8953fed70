import { describe, expect } from "bun:test"
import { Effect, Fiber, Request, Schedule } from "effect"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor } from "../../../runtime/actor/definition.ts"
import { it } from "../../support/effect.ts"

class Get extends Request.TaggedClass("Get")<{ readonly key: string }, string> {}
class Seen extends Request.TaggedClass("Seen")<{}, ReadonlyArray<number>> {}
type Message =
  | { readonly _tag: "Note"; readonly n: number }
  | { readonly _tag: "Open"; readonly count?: number }
  | { readonly _tag: "Crash" }
  | Get
  | Seen

const note = (n: number): Message => ({ _tag: "Note", n })

/**
 * Puts aside what it is told, or asked to get, until it is open. It is opened by a message, which says how many it lets
 * out, or because it had to be started again.
 */
const gate = (stashCapacity = 10) => {
  let restarts = 0
  return defineActor<Message>()({
    name: "gate",
    stashCapacity,
    onStart: () => Effect.sync(() => ({ isOpen: restarts > 0, seen: new Array<number>() })),
    onRestart: () => Effect.sync(() => void (restarts += 1)),
    handle: {
      Note: ({ n }, { stash, state }) => (state.isOpen ? Effect.sync(() => void state.seen.push(n)) : stash),
      Get: ({ key }, { stash, state }) => (state.isOpen ? Effect.succeed(`value of ${key}`) : stash),
      Open: ({ count }, { state, unstash }) => {
        state.isOpen = true
        return unstash(count)
      },
      Crash: () => Effect.die("crash"),
      Seen: (_, { state }) => Effect.sync(() => [...state.seen])
    }
  })
}

describe("an actor that stashes", () => {
  it.effect("handles what it has put aside in the order in which it came, and before what waits", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(gate())
      yield* Effect.forEach([1, 2, 3], (n) => tell(note(n)))
      yield* tell({ _tag: "Open" })
      yield* tell(note(4))

      expect(yield* ask(new Seen())).toEqual([1, 2, 3, 4])
    })
  )

  it.effect("answers an ask that it has put aside once it handles it", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(gate())
      const asking = yield* Effect.forkChild(ask(new Get({ key: "a" })))
      yield* Effect.yieldNow
      yield* ask(new Seen())
      expect(asking.pollUnsafe()).toBeUndefined()

      yield* tell({ _tag: "Open" })

      expect(yield* Fiber.join(asking)).toBe("value of a")
    })
  )

  it.effect("takes out as many as it wants", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(gate())
      yield* Effect.forEach([1, 2, 3], (n) => tell(note(n)))
      yield* tell({ _tag: "Open", count: 2 })
      expect(yield* ask(new Seen())).toEqual([1, 2])

      yield* tell({ _tag: "Open" })

      expect(yield* ask(new Seen())).toEqual([1, 2, 3])
    })
  )

  it.effect("does nothing when it takes out of an empty stash", () =>
    Effect.gen(function* () {
      const { ask, tell } = yield* Actor.start(gate())
      yield* tell({ _tag: "Open" })

      expect(yield* ask(new Seen())).toEqual([])
    })
  )

  it.effect("may put aside again what it has taken out, and keeps the order", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const { ask, tell } = yield* Actor.start(
        defineActor<{ readonly _tag: "Note"; readonly n: number } | { readonly _tag: "Next" } | Seen>()({
          name: "one at a time",
          onStart: () => Effect.succeed({ mayTake: 0 }),
          handle: {
            Note: ({ n }, { stash, state }) => {
              if (state.mayTake === 0) return stash
              state.mayTake -= 1
              return Effect.sync(() => void seen.push(n))
            },
            Next: (_, { state, unstash }) => {
              state.mayTake = 1
              return unstash()
            },
            Seen: () => Effect.sync(() => [...seen])
          }
        })
      )
      yield* Effect.forEach([1, 2, 3], (n) => tell({ _tag: "Note", n }))
      const after: Array<ReadonlyArray<number>> = []
      for (let times = 0; times < 3; times++) {
        yield* tell({ _tag: "Next" })
        after.push(yield* ask(new Seen()))
      }

      expect(after).toEqual([[1], [1, 2], [1, 2, 3]])
    })
  )

  it.effect("takes out what came first before what it has taken out and not handled yet", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { ask, tell } = yield* Actor.start(
        defineActor<{ readonly _tag: "Note"; readonly name: string } | { readonly _tag: "Open" } | Seen>()({
          name: "reluctant",
          onStart: () => Effect.succeed({ turns: 0 }),
          handle: {
            // "a" waits for a third time, and "b" lets it out before "c".
            Note: ({ name }, { stash, state, unstash }) => {
              state.turns += 1
              if (state.turns <= 4) return stash
              seen.push(name)
              return unstash()
            },
            Open: (_, { unstash }) => unstash(),
            Seen: () => Effect.succeed([])
          }
        })
      )
      yield* Effect.forEach(["a", "b", "c"], (name) => tell({ _tag: "Note", name }))
      yield* tell({ _tag: "Open" })

      yield* ask(new Seen())

      expect(seen).toEqual(["b", "a", "c"])
    })
  )

  it.effect("fails when its stash is full", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(gate(2))
      yield* Effect.forEach([1, 2, 3], (n) => ref.tell(note(n)))

      expect(yield* Effect.flip(life)).toMatchObject({ _tag: "StashFull", actor: "gate", capacity: 2 })
    })
  )

  it.effect("finds what it has put aside in front of its mailbox when it is started again", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(gate())
      const asking = yield* Effect.forkChild(ref.ask(new Get({ key: "a" })))
      yield* Effect.yieldNow
      yield* Effect.forEach([note(1), { _tag: "Crash" } as const, note(2)], (message) => ref.tell(message))

      yield* life.pipe(Effect.sandbox, Effect.retry(Schedule.recurs(1)), Effect.forkScoped)

      expect(yield* Fiber.join(asking)).toBe("value of a")
      expect(yield* ref.ask(new Seen())).toEqual([1, 2])
    })
  )

  it.effect("tells those whose asks it has put aside when it stops", () =>
    Effect.gen(function* () {
      const { life, ref } = yield* Actor.make(
        defineActor<Get | { readonly _tag: "Stop" }>()({
          name: "closed",
          onStart: () => Effect.void,
          handle: { Get: (_, { stash }) => stash, Stop: (_, { stop }) => stop }
        })
      )
      const asking = yield* Effect.forkChild(Effect.flip(ref.ask(new Get({ key: "a" }))))
      yield* Effect.yieldNow
      yield* ref.tell({ _tag: "Stop" })

      yield* life

      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "ActorStopped" })
    })
  )
})
