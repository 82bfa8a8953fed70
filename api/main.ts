#!/usr/bin/env bun
/** The program `troupe`. It alone knows every folder: it brings the handlers to the commands. */
import { Command } from "effect/cli"
import { agentBatchPart } from "../handlers/agent-batch/index.ts"
import { documentsPart } from "../handlers/documents-folder/index.ts"
import * as handlers from "../handlers/index.ts"
import manifest from "../package.json" with { type: "json" }
import { commandsFor, serving, using } from "./cli/commands.ts"
import { runProgram } from "./cli/program.ts"

/** Those that anybody submits to, and the parts that these make of their work. */
const comeAlong = [...Object.values(handlers), agentBatchPart, documentsPart]

const troupe = Command.make("troupe").pipe(
  Command.withDescription("A durable actor runtime for AI-agent work"),
  Command.withExamples([
    { command: "troupe up", description: "The whole system on this machine" },
    { command: "troupe init shop", description: "A project with one handler that runs" },
    { command: "troupe submit --help", description: "The flags of a command, with examples" }
  ]),
  Command.withSubcommands(await commandsFor({ ...serving, ...using }, comeAlong, process.argv.slice(2)))
)

runProgram(troupe, { version: manifest.version })
