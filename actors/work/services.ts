/** What handlers need: each one's layer is built once, on first use, and what the layers of several have in common once for all. */
import { type Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { Services } from "./attempt.ts"

/** The layers stay for as long as `scope` is open. One that failed is built again by the next run. */
export const makeServices = Effect.fnUntraced(function* (scope: Scope.Scope) {
  const settings = yield* Settings
  const settled = Layer.succeed(Settings, settings)
  const memoMap = yield* Layer.makeMemoMap
  const built = new Map<unknown, Deferred.Deferred<Context.Context<unknown>, unknown>>()
  const services: Services = (layer) =>
    Effect.suspend(() => {
      const there = built.get(layer)
      if (there !== undefined) return Deferred.await(there)
      const fresh = Deferred.makeUnsafe<Context.Context<unknown>, unknown>()
      built.set(layer, fresh)
      // With a scope of its own, one that failed leaves nothing behind that others would be given.
      const own = Scope.forkUnsafe(scope)
      return Layer.buildWithMemoMap(Layer.provide(layer, settled), memoMap, own).pipe(
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            if (Exit.isFailure(exit)) built.delete(layer)
            Deferred.doneUnsafe(fresh, exit)
            return Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void
          })
        )
      ) as Effect.Effect<Context.Context<unknown>, unknown>
    })
  return services
})
