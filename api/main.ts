#!/usr/bin/env bun
/** The program `troupe`. It alone knows every folder: it brings the handlers to the commands. */
import { Command } from "effect/cli"
import { agentBatch, agentBatchPart } from "../handlers/agent-batch/index.ts"
import { agentChat } from "../handlers/agent-chat/index.ts"
import { agentQuery } from "../handlers/agent-query/index.ts"
import { agentsCreate } from "../handlers/agents-create/index.ts"
import { analyticsAggregate } from "../handlers/analytics-aggregate/index.ts"
import { crawlDiscover } from "../handlers/crawl-discover/index.ts"
import { crawlFetch } from "../handlers/crawl-fetch/index.ts"
import { documentProcess } from "../handlers/document-process/index.ts"
import { documentsFolder, documentsPart } from "../handlers/documents-folder/index.ts"
import { httpRequest } from "../handlers/http-request/index.ts"
import { reportUsage } from "../handlers/report-usage/index.ts"
import { profileEnrich } from "../handlers/profile-enrich/index.ts"
import { shellRun } from "../handlers/shell-run/index.ts"
import { textKeywords } from "../handlers/text-keywords/index.ts"
import { embeddingsGenerate } from "../handlers/embeddings-generate/index.ts"
import { vectorsDelete } from "../handlers/vectors-delete/index.ts"
import { vectorsSearch } from "../handlers/vectors-search/index.ts"
import { vectorsUpsert } from "../handlers/vectors-upsert/index.ts"
import manifest from "../package.json" with { type: "json" }
import { commandsFor, serving, using } from "./cli/commands.ts"
import { runProgram } from "./cli/program.ts"

const handlers = [
  documentProcess,
  documentsFolder,
  documentsPart,
  agentQuery,
  agentBatch,
  agentBatchPart,
  agentChat,
  agentsCreate,
  profileEnrich,
  textKeywords,
  httpRequest,
  embeddingsGenerate,
  vectorsUpsert,
  vectorsSearch,
  vectorsDelete,
  shellRun,
  crawlDiscover,
  crawlFetch,
  analyticsAggregate,
  reportUsage
]

const troupe = Command.make("troupe").pipe(
  Command.withDescription("A durable actor runtime for AI-agent work"),
  Command.withExamples([
    { command: "troupe up", description: "The whole system on this machine" },
    { command: "troupe init shop", description: "A project with one handler that runs" },
    { command: "troupe submit --help", description: "The flags of a command, with examples" }
  ]),
  Command.withSubcommands(await commandsFor({ ...serving, ...using }, handlers, process.argv.slice(2)))
)

runProgram(troupe, { version: manifest.version })
