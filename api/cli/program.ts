/**
 * The command line as a program. What cannot be understood is said in a line, not with a page of help, and
 * exits with 2.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { completions } from "./completions.ts"
import { type Failure, UsageError } from "./exit.ts"
import { runMain } from "./run.ts"

/** Shows help and versions; what went wrong is told by the failure, once. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event)
})

const config = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completions] })

const problemOf = (error: CliError.CliError): string => {
  const [problem = ""] = error.message.split("\n", 1)
  const suggestions = "suggestions" in error ? error.suggestions : []
  return suggestions.length === 0 ? problem : `${problem}; did you mean ${suggestions.join(" or ")}?`
}

const lacksValue = (error: CliError.CliError) =>
  error._tag === "InvalidValue" && error.kind === "flag" && error.value === ""

/** Where a flag lacks its value, flags that do not exist are what was meant for one, as in `--delay -5s`. */
const problemsOf = (errors: ReadonlyArray<CliError.CliError>): string => {
  const others = errors.filter(({ _tag }) => _tag !== "UnrecognizedOption")
  if (others.length === errors.length || !errors.some(lacksValue)) return errors.map(problemOf).join("\n")
  return `${others.map(problemOf).join("\n")}; a value that begins with - is written --flag=-value`
}

/** Fails with what is wrong with a command line; help that was shown instead of running is no failure. */
const usageOf = (error: CliError.CliError, name: string): Effect.Effect<void, UsageError> => {
  if (error._tag !== "ShowHelp")
    return Effect.fail(new UsageError({ command: name, problem: problemOf(error) }))
  const { commandPath, errors } = error
  if (errors.length === 0) return Effect.void
  return Effect.fail(new UsageError({ command: commandPath.join(" "), problem: problemsOf(errors) }))
}

/** Runs the command line of this process, and ends it. */
export const runProgram = <Name extends string, Input, ContextInput>(
  root: Command.Command<Name, Input, ContextInput, Failure, Command.Environment>,
  options: { readonly version: string }
): void =>
  Command.run(root, options).pipe(
    Effect.catchIf(CliError.isCliError, (error) => usageOf(error, root.name)),
    Effect.provide(Layer.mergeAll(presenter, config, NodeServices.layer)),
    runMain
  )
