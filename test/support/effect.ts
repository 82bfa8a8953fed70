/** `bun:test` for effects: `it.effect` on a test clock, `it.live` on the real one; both close the test's scope. */
import { test } from "bun:test"
import { Cause, Effect, Exit, Layer, type Scope } from "effect"
import { TestClock, TestConsole } from "effect/testing"

const testEnvironment = Layer.mergeAll(TestConsole.layer, TestClock.layer())

const run = async <A, E>(effect: Effect.Effect<A, E>) => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) return
  const [first, ...others] = Cause.prettyErrors(exit.cause)
  for (const other of others) console.error(other)
  throw first ?? new Error("interrupted")
}

type Body<A, E> = () => Effect.Effect<A, E, Scope.Scope>

export const it = {
  effect: <A, E>(name: string, body: Body<A, E>, timeoutMs?: number) =>
    test(
      name,
      () => run(Effect.suspend(body).pipe(Effect.scoped, Effect.provide(testEnvironment))),
      timeoutMs
    ),
  live: <A, E>(name: string, body: Body<A, E>, timeoutMs?: number) =>
    test(name, () => run(Effect.suspend(body).pipe(Effect.scoped)), timeoutMs)
}
