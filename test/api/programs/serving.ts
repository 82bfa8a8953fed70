/**
 * A program that serves until it is told to stop. Its one task holds the drain up as its argument says: a while,
 * for ever, or not at all, and then a finalizer that never ends does.
 */
import { Duration, Effect, Layer } from "effect"
import { Dispatcher } from "../../../actors/dispatcher.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Tree from "../../../actors/tree.ts"
import { runMain, serves } from "../../../api/cli/run.ts"
import { logLevel } from "../../../api/client/settings.ts"
import { Settings } from "../../../runtime/config.ts"
import { defineTask } from "../../../runtime/handler.ts"

const [kind = ""] = process.argv.slice(2)

const hold = defineTask({
  name: "hold",
  async run(_, { signal }) {
    console.log("running")
    if (kind === "a while") await Bun.sleep(300)
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>()
    signal.addEventListener("abort", resolve)
    if (kind === "for ever") await aborted
    console.log(signal.aborted ? "interrupted" : "finished")
  }
})

const system = Layer.mergeAll(serves, Tree.client).pipe(
  Layer.provideMerge(Tree.worker()),
  Layer.provide(logLevel),
  Layer.provide(Layer.mergeAll(Shutdown.layer, Tree.store("memory"), Tree.handlers([hold]))),
  Layer.provide(Settings.layer({ log: "None", drain: Duration.seconds(kind === "stuck" ? 0 : 30) }, {}))
)

const program = Effect.gen(function*() {
  if (kind === "stuck") yield* Effect.addFinalizer(() => Effect.never)
  const dispatcher = yield* Dispatcher
  yield* dispatcher.submit({ name: "hold" })
  return yield* Effect.never
})

runMain(Effect.scoped(program).pipe(Effect.provide(system)))
