/**
 * Measures the product beside its peers, in the same run and on the same work.
 *
 *     bun run bench                                  lists the benches
 *     bun run bench NAME… [--json] [--quick]         runs some of them
 *
 * Results go to stdout, everything else to stderr. It exits 0 when it could measure, whatever came out.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { parseArgs } from "node:util"
import { nearest } from "../runtime/nearest.ts"
import { agents } from "./agents.ts"
import { delays } from "./delays.ts"
import { run } from "./frame.ts"
import { latency } from "./latency.ts"
import { mixes } from "./mixes.ts"
import { payloads } from "./payloads.ts"
import { peers } from "./peers.ts"
import { pipeline } from "./pipeline.ts"
import { replies } from "./replies.ts"
import { toJson, toTables } from "./report.ts"
import { retries } from "./retries.ts"
import { schedules } from "./schedules.ts"
import { sealing } from "./sealing.ts"
import { streamsBench } from "./streams.ts"
import { throughput } from "./throughput.ts"
import { tokensBench } from "./tokens.ts"
import { workers } from "./workers.ts"

const benches = [
  throughput,
  payloads,
  workers,
  peers,
  latency,
  mixes,
  retries,
  delays,
  schedules,
  tokensBench,
  streamsBench,
  agents,
  replies,
  sealing,
  pipeline
]

const usage = `bun run bench NAME… [--json] [--quick]

${benches.map(({ name, says }) => `  ${name.padEnd(12)}${says}`).join("\n")}

  --json      prints a line of JSON for each figure and each ratio, and nothing else
  --quick     takes under a minute for each bench`

const refuse = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const readArguments = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: "boolean", default: false }, quick: { type: "boolean", default: false } }
    })
  } catch (error) {
    return refuse(`${(error as Error).message}\n\n${usage}`)
  }
}

const benchOf = (name: string) => {
  const found = benches.find((bench) => bench.name === name)
  if (found !== undefined) return found
  const near = nearest(
    name,
    benches.map((bench) => bench.name)
  )
  return refuse(`there is no bench ${name}${near === undefined ? "" : `; did you mean ${near}?`}`)
}

const {
  positionals,
  values: { json, quick }
} = readArguments()
const chosen = positionals.map(benchOf)

const program = Effect.gen(function* () {
  if (chosen.length === 0) return yield* Console.log(usage)
  for (const bench of chosen) {
    const results = yield* run(bench, quick)
    yield* Console.log(json ? toJson(results).join("\n") : `${toTables(results)}\n`)
  }
})

NodeRuntime.runMain(Effect.provide(program, NodeServices.layer))
