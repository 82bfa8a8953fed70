import { describe, expect } from "bun:test"
import { Context, Effect, Layer, Scope } from "effect"
import { makeServices } from "../../../actors/work/services.ts"
import type { Whatever } from "../../../runtime/check.ts"
import { it } from "../../support/effect.ts"
import { memorySettings } from "../../support/redis.ts"

class Part extends Context.Service<Part, { readonly number: number }>()("test/Part") {}
class Whole extends Context.Service<Whole, { readonly of: number }>()("test/Whole") {}

/** A part that says how often it was made, and fails as often as it is told to. */
const counted = (failures = 0) => {
  const made = { times: 0, open: 0 }
  const part = Layer.effect(
    Part,
    Effect.acquireRelease(
      Effect.suspend(() => {
        made.times++
        if (made.times <= failures) return Effect.fail("not yet")
        made.open++
        return Effect.succeed({ number: made.times })
      }),
      () => Effect.sync(() => made.open--)
    )
  )
  /** Another layer each time, as each handler has its own. */
  const handler = (): Layer.Layer<Whatever, unknown, Whatever> =>
    Layer.effect(
      Whole,
      Effect.map(Part, ({ number }) => ({ of: number }))
    ).pipe(Layer.provide(part))
  return { made, part, handler }
}

const build = Effect.gen(function* () {
  const scope = yield* Scope.make()
  return { scope, services: yield* makeServices(scope) }
}).pipe(Effect.provide(memorySettings()))

describe("what handlers need", () => {
  it.effect("is made once for all handlers that need the same, and closed with the worker", () =>
    Effect.gen(function* () {
      const { scope, services } = yield* build
      const { handler, made } = counted()
      const [one, other] = [handler(), handler()]
      yield* Effect.all([services(one), services(other), services(one)], { concurrency: "unbounded" })
      expect(made).toEqual({ times: 1, open: 1 })
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      expect(made.open).toBe(0)
    })
  )

  it.effect("is made again by the next run when it could not be made", () =>
    Effect.gen(function* () {
      const { services } = yield* build
      const { handler, made } = counted(2)
      const [one, other] = [handler(), handler()]
      expect(yield* Effect.flip(services(one))).toBe("not yet")
      expect(yield* Effect.flip(services(other))).toBe("not yet")
      yield* services(one)
      yield* services(other)
      expect(made).toEqual({ times: 3, open: 1 })
    })
  )

  it.effect("is closed where the rest of it could not be made", () =>
    Effect.gen(function* () {
      const { services } = yield* build
      const { made, part } = counted()
      const failing: Layer.Layer<Whatever, unknown, Whatever> = Layer.effect(
        Whole,
        Effect.flatMap(Part, () => Effect.fail("not ever"))
      ).pipe(Layer.provide(part))
      expect(yield* Effect.flip(services(failing))).toBe("not ever")
      expect(made).toEqual({ times: 1, open: 0 })
    })
  )
})
