/** What handlers need: each one's layer is built once, on first use. */
import { type Context, Deferred, Effect, Exit, Layer, type Scope } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Services } from "./attempt.ts"

/** The layers stay for as long as `scope` is open. One that failed is built again by the next run. */
export const makeServices = Effect.fnUntraced(function* (scope: Scope.Scope) {
  const settings = yield* Settings
  const built = new Map<unknown, Deferred.Deferred<Context.Context<unknown>, unknown>>()
  const services: Services = (layer) =>
    Effect.suspend(() => {
      const there = built.get(layer)
      if (there !== undefined) return Deferred.await(there)
      const fresh = Deferred.makeUnsafe<Context.Context<unknown>, unknown>()
      built.set(layer, fresh)
      return Layer.buildWithScope(Layer.provide(layer, Layer.succeed(Settings, settings)), scope).pipe(
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
