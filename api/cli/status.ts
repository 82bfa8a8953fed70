/** `troupe status`: prints a task's record. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { taskJson } from "../http/view.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { recordText } from "./record.ts"

export const status = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "status",
    { id: Flags.id, redis: Flags.redis, json: Flags.json },
    Effect.fnUntraced(function* ({ id, json, redis }) {
      yield* Flags.taskIds([id])
      yield* Effect.gen(function* () {
        const task = yield* (yield* Troupe).task(id)
        yield* Output.print(json ? JSON.stringify(taskJson(task)) : recordText(task))
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription("Prints a task's record: state, progress, times, attempts with their errors"),
    Command.withShortDescription("Prints a task's record"),
    Command.withExamples([
      {
        command: "troupe status default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --json",
        description: "The record as JSON"
      }
    ])
  )
