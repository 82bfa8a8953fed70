/**
 * The program `troupe` with the tests' handlers for its own, and two commands more: `hold` serves, and runs a task that
 * holds the drain up a while or for ever; `stick` cannot stop.
 */
import { Duration, Effect, Layer } from "effect"
import { Argument, Command } from "effect/cli"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { Shutdown } from "../../../actors/shutdown.ts"
import * as Tree from "../../../actors/tree.ts"
import { commandsFor, using } from "../../../api/cli/commands.ts"
import * as Output from "../../../api/cli/output.ts"
import { runProgram } from "../../../api/cli/program.ts"
import { serves } from "../../../api/cli/run.ts"
import { logLevel } from "../../../api/client/settings.ts"
import { Settings } from "../../../runtime/config.ts"
import { defineTask } from "../../../runtime/handler.ts"
import * as shop from "../handlers/shop.ts"

const held = defineTask({
  name: "held",
  async run(howLong, { signal }) {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>()
    signal.addEventListener("abort", resolve)
    console.log("running")
    await (howLong === "a while" ? Bun.sleep(300) : aborted)
    console.log(signal.aborted ? "interrupted" : "finished")
  }
})

const system = Layer.mergeAll(serves, Tree.client).pipe(
  Layer.provideMerge(Tree.worker()),
  Layer.provide(logLevel),
  Layer.provide(Layer.mergeAll(Shutdown.layer, Tree.store("memory"), Tree.handlers([held]))),
  Layer.provide(Settings.layer({ log: "None", drain: Duration.seconds(30) }, {}))
)

const hold = Command.make(
  "hold",
  { howLong: Argument.Literals("how-long", ["a while", "for ever"]) },
  ({ howLong }) =>
    Dispatcher.use((dispatcher) => dispatcher.submit({ name: "held", input: howLong })).pipe(
      Effect.andThen(Effect.never),
      Effect.provide(system)
    )
)

const stick = Command.make("stick", {}, () =>
  Output.print("running").pipe(Effect.andThen(Effect.never), Effect.ensuring(Effect.never))
)

const root = Command.make("troupe").pipe(
  Command.withSubcommands([
    hold,
    stick,
    ...(await commandsFor(using, Object.values(shop), process.argv.slice(2)))
  ])
)

runProgram(root, { version: "0.0.0" })
