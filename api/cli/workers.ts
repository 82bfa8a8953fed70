/** `troupe workers`: lists workers, or asks one to go. */
import { Clock, Duration, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import type { WorkerView } from "../../actors/operate/crew.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { workerJson } from "../http/view.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { type Column, printList } from "./table.ts"

const mebibytes = (bytes: number | undefined) =>
  bytes === undefined ? "" : `${Math.round(bytes / 1024 / 1024)} MiB`

const columnsAt = (now: number): ReadonlyArray<Column<WorkerView>> => [
  ["ID", ({ id }) => id],
  ["STATE", ({ state }) => state],
  ["QUEUES", ({ queues }) => queues.join(",")],
  ["RUNNING", ({ running }) => running.length],
  ["DONE", ({ done }) => done],
  ["MEMORY", ({ memoryBytes }) => mebibytes(memoryBytes)],
  [
    "UP",
    ({ startedAt }) =>
      startedAt === undefined
        ? ""
        : Duration.format(Duration.seconds(Math.max(0, Math.round((now - startedAt) / 1_000))))
  ]
]

const drain = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "drain",
    {
      worker: Argument.String("worker").pipe(Argument.withDescription("A worker's id")),
      redis: Flags.redis,
      json: Flags.json
    },
    Effect.fnUntraced(function* ({ json, redis, worker }) {
      yield* Effect.gen(function* () {
        yield* (yield* Troupe).workers.drain(worker)
        yield* Output.print(json ? JSON.stringify({ id: worker, state: "draining" }) : worker)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Asks a worker to claim no more, and to go when what it runs has ended"),
    Command.withShortDescription("Asks a worker to go"),
    Command.withExamples([
      { command: "troupe workers drain vm-31255-b464f5e5", description: "Empty one worker" }
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
