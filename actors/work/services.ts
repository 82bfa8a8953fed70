/** What handlers need: each one's layer is built once, on first use, and what the layers of several have in common once for all. */
import { type Context, Deferred, Effect, Exit, Layer, type Scope } from "effect"
import type { Census } from "../../runtime/census.ts"
import { Settings } from "../../runtime/config.ts"
import type { Services } from "./attempt.ts"

/**
 * The layers stay for as long as `scope` is open. One that failed is built again by the next run. They may ask for
 * `Settings`, and for `Census` where there is one: in a process of an isolated run there is none.
 */
export const makeServices = Effect.fnUntraced(function* (scope: Scope.Scope, census?: Layer.Layer<Census>) {
  const settings = yield* Settings
  const given = Layer.merge(Layer.succeed(Settings, settings), census ?? Layer.empty)
  const memoMap = yield* Layer.makeMemoMap
  const built = new Map<unknown, Deferred.Deferred<Context.Context<unknown>, unknown>>()
  const services: Services = (layer) =>
    Effect.suspend(() => {
      const there = built.get(layer)
      if (there !== undefined) return Deferred.await(there)
      const fresh = Deferred.makeUnsafe<Context.Context<unknown>, unknown>()
      built.set(layer, fresh)
      return Layer.buildWithMemoMap(Layer.provide(layer, given), memoMap, scope).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) built.delete(layer)
            Deferred.doneUnsafe(fresh, exit)
          })
        )
      ) as Effect.Effect<Context.Context<unknown>, unknown>
    })
  return services
})
