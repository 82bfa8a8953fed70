/**
 * Runs command lines in this process, one after the other, and says on stderr which of them came to an end that no caller
 * can be told of. The lines come on stdin, as JSON.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { commandsFor, using } from "../../api/cli/commands.ts"
import { answerToExit, exitCode } from "../../api/cli/exit.ts"
import * as Output from "../../api/cli/output.ts"

/** How long a command that has nothing to wait for may take, in seconds. */
const hangs = "20 seconds"

const { bench: _, doctor: __, init: ___, ...commands } = using
const root = Command.make("troupe").pipe(Command.withSubcommands(await commandsFor(commands, [], [])))
const silent = Layer.mergeAll(
  CliOutput.layerPresenter({ present: () => Effect.void }),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  NodeServices.layer,
  Output.messages
)

const lines = (await Bun.stdin.json()) as ReadonlyArray<ReadonlyArray<string>>
let wrong = 0
for (const args of lines) {
  const exit = await Effect.runPromiseExit(
    Command.runWith(root, { version: "0" })(args).pipe(
      Effect.provide(silent),
      Effect.timeoutOrElse({ duration: hangs, orElse: () => Effect.die(new Error(`no end within ${hangs}`)) })
    )
  )
  const refused = Exit.isFailure(exit) && Cause.findErrorOption(exit.cause)
  if (refused !== false && refused._tag === "Some" && CliError.isCliError(refused.value)) continue
  const { code, message } = answerToExit(exit, 0)
  if (code !== exitCode.bug) continue
  wrong += 1
  console.error(`${JSON.stringify(args).slice(0, 400)}: ${message ?? ""}`)
}
process.exit(wrong === 0 ? 0 : 1)
