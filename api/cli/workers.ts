/** `troupe workers`: lists workers, or asks one, or those of a node, to go. */
import { Clock, Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { WorkerView } from "../../actors/operate/crew.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { workerJson } from "../http/view.ts"
import { UsageError } from "./exit.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { type Column, printList } from "./table.ts"

const mebibytes = (bytes: number | undefined) =>
  bytes === undefined ? "" : `${Math.round(bytes / 1024 / 1024)} MiB`

/** How long ago something was heard of, in words. */
export const ago = (silentMs: number | undefined) => {
  if (silentMs === undefined) return ""
  const seconds = Math.round(silentMs / 1_000)
  return seconds === 0 ? "now" : `${Duration.format(Duration.seconds(seconds))} ago`
}

/** How long ago something has started, in words. */
export const since = (startedAt: number | undefined, now: number) =>
  startedAt === undefined
    ? ""
    : Duration.format(Duration.seconds(Math.max(0, Math.round((now - startedAt) / 1_000))))

const columnsAt = (now: number): ReadonlyArray<Column<WorkerView>> => [
  ["ID", ({ id }) => id],
  ["STATE", ({ state }) => state],
  ["QUEUES", ({ queues }) => queues.join(",")],
  ["RUNNING", ({ running }) => running.length],
  ["DONE", ({ done }) => done],
  ["MEMORY", ({ memoryBytes }) => mebibytes(memoryBytes)],
  ["UP", ({ startedAt }) => since(startedAt, now)],
  ["NODE", ({ node }) => node],
  ["HOST", ({ host }) => host],
  ["HEARTBEAT", ({ silentMs }) => ago(silentMs)]
]

const neither = (problem: string) => Effect.fail(new UsageError({ command: "troupe workers drain", problem }))

const drain = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "drain",
    {
      worker: Argument.String("worker").pipe(Argument.withDescription("A worker's id"), Argument.optional),
      node: Flag.String("node").pipe(
        Flag.withDescription("Ask a node to stop all it runs, and to end; troupe nodes lists them"),
        Flag.withMetavar("NODE"),
        Flag.optional
      ),
      redis: Flags.redis,
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ json, node, redis, worker }) {
      if (Option.isSome(worker) && Option.isSome(node))
        return yield* neither("name a worker or a node, not both")
      const id = Option.getOrUndefined(Option.orElse(worker, () => node))
      if (id === undefined) return yield* neither("name a worker, or a node with --node")
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        yield* Option.isSome(node) ? troupe.nodes.drain(id) : troupe.workers.drain(id)
        yield* Output.print(json ? JSON.stringify({ id, state: "draining" }) : id)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Asks a worker to claim no more, and to go when what it runs has ended; or a node to stop all of its own"
    ),
    Command.withShortDescription("Asks a worker or a node to go"),
    Command.withExamples([
      { command: "troupe workers drain vm-31255-b464f5e5", description: "Empty one worker, and end it" },
      { command: "troupe workers drain --node vm-31240", description: "Stop a node in order, from anywhere" }
    ])
  )

export const workers = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "workers",
    { redis: Flags.redis, json: Flags.json },
    Effect.fnUntraced(function* ({ json, redis }) {
      yield* Effect.gen(function* () {
        const found = yield* (yield* Troupe).workers.list()
        const columns = columnsAt(yield* Clock.currentTimeMillis)
        yield* printList(found, { json, toJson: workerJson, columns })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Lists the workers of all queues, with what they run"),
    Command.withShortDescription("Lists workers"),
    Command.withExamples([{ command: "troupe workers --json", description: "One worker a line, as JSON" }]),
    Command.withSubcommands([drain(handlers)])
  )
