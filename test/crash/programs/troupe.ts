/** The program `troupe worker`, with the workload of the crash tests for its own handlers: its signals are the real ones. */
import { Command } from "effect/cli"
import { runProgram } from "../../../api/cli/program.ts"
import { worker } from "../../../api/cli/service.ts"
import { all } from "./workload.ts"

runProgram(Command.make("troupe").pipe(Command.withSubcommands([worker(all)])), { version: "0.0.0" })
