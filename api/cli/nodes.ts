/** `troupe nodes`: lists the nodes of a system, on whatever machines they are. */
import { Clock, Effect } from "effect"
import { Command } from "effect/cli"
import type { NodeView } from "../../actors/operate/crew.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { nodeJson } from "../http/view.ts"
import * as Flags from "./flags.ts"
import { type Column, printList } from "./table.ts"
import { ago, since } from "./workers.ts"

const columnsAt = (now: number): ReadonlyArray<Column<NodeView>> => [
  ["ID", ({ id }) => id],
  ["STATE", ({ state }) => state],
  ["HOST", ({ host }) => host],
  ["PID", ({ pid }) => pid],
  ["WORKERS", ({ max, min, workers }) => `${workers} of ${min === max ? min : `${min}..${max}`}`],
  ["UP", ({ startedAt }) => since(startedAt, now)],
  ["HEARTBEAT", ({ silentMs }) => ago(silentMs)]
]

export const nodes = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "nodes",
    { redis: Flags.redis, json: Flags.json },
    Effect.fnUntraced(function* ({ json, redis }) {
      yield* Effect.gen(function* () {
        const found = yield* (yield* Troupe).nodes.list()
        const columns = columnsAt(yield* Clock.currentTimeMillis)
        yield* printList(found, { json, toJson: nodeJson, columns })
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Lists the nodes, those that were lost lately among them"),
    Command.withShortDescription("Lists nodes"),
    Command.withExamples([{ command: "troupe nodes --json", description: "One node a line, as JSON" }])
  )
