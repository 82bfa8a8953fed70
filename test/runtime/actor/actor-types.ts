/**
 * What the types of an actor promise: `tsc` reads this file, and nothing runs it. Each line below a `@ts-expect-error`
 * must not compile.
 */
import { Context, Effect, Request, type Scope } from "effect"
import * as Actor from "../../../runtime/actor/actor.ts"
import { defineActor } from "../../../runtime/actor/definition.ts"
import type { MailboxFull } from "../../../runtime/actor/mailbox.ts"
import type { ActorStopped, AskTimeout } from "../../../runtime/actor/ref.ts"

class Total extends Request.TaggedClass("Total")<{}, number> {}
type Message = { readonly _tag: "Add"; readonly amount: number } | Total

class Prices extends Context.Service<Prices, { readonly of: (item: string) => number }>()("test/Prices") {}

const define = defineActor<Message>()
const basics = { name: "counter", onStart: () => Effect.succeed({ sum: 0 }) } as const

const counter = define({
  ...basics,
  handle: {
    Add: ({ amount }, self) => Effect.sync(() => void (self.state.sum += amount)),
    Total: (_, self) => self.beside(Effect.succeed(self.state.sum))
  }
})

/** What its handlers fail with and need is what a life fails with and needs; a scope is the life's own. */
const needy = define({
  ...basics,
  whenFull: "suspend",
  handle: {
    Add: () => Effect.fail("too much" as const),
    Total: () =>
      Effect.gen(function* () {
        yield* Effect.scope
        return (yield* Prices).of("tea")
      })
  }
})

export const program = Effect.gen(function* () {
  const { ref } = yield* Actor.make(counter)
  const told: Effect.Effect<boolean, MailboxFull> = ref.tell({ _tag: "Add", amount: 1 })
  const asked: Effect.Effect<number, AskTimeout | ActorStopped | MailboxFull> = ref.ask(new Total())
  // @ts-expect-error nothing of this tag is taken
  yield* ref.tell({ _tag: "Remove", amount: 1 })
  // @ts-expect-error the message has no answer
  yield* ref.ask({ _tag: "Add", amount: 1 })

  const { life, ref: patient } = yield* Actor.make(needy)
  const lived: Effect.Effect<void, "too much", Prices> = life
  const begun: Effect.Effect<unknown, "too much", Prices | Scope.Scope> = Actor.start(needy)
  const waits: Effect.Effect<boolean> = patient.tell({ _tag: "Add", amount: 1 })
  const answered: Effect.Effect<number, AskTimeout | ActorStopped> = patient.ask(new Total())
  return { told, asked, lived, begun, waits, answered }
})

// What a start makes is known to the handlers, also when it uses what it is given.
define({
  name: "starting",
  whenFull: "drop",
  onStart: ({ ref }) =>
    Effect.gen(function* () {
      const told: Effect.Effect<boolean> = ref.tell(new Total())
      return { first: yield* told }
    }),
  handle: {
    Add: (_, { state }) => Effect.succeed(!state.first),
    // @ts-expect-error there is no such thing in its state
    Total: (_, { state }) => Effect.succeed(state.second)
  }
})

define({
  ...basics,
  // @ts-expect-error every message needs its handler
  handle: { Add: () => Effect.void }
})

define({
  ...basics,
  handle: {
    Add: () => Effect.void,
    // @ts-expect-error the answer is a number
    Total: () => Effect.succeed("five")
  }
})
