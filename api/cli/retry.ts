/** `troupe retry`: puts failed tasks back to work. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { UsageError } from "./exit.ts"
import * as Flags from "./flags.ts"
import { anotherInput, readInput } from "./input.ts"
import * as Output from "./output.ts"

const config = {
  ids: Flags.id.pipe(Argument.variadic({ min: 1 })),
  ...anotherInput,
  redis: Flags.redis,
  json: Flags.json
}

const command = "troupe retry"

export const retry = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "retry",
    config,
    Effect.fnUntraced(function* ({ ids, input, inputFile, json, redis }) {
      const another = yield* readInput({ input, inputFile }, command)
      if (another !== undefined && ids.length > 1) {
        return yield* new UsageError({ command, problem: "another input is for one task" })
      }
      yield* Flags.taskIds(ids)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        for (const id of ids) {
          yield* troupe.retry(id, another === undefined ? {} : { input: another })
          yield* Output.print(json ? JSON.stringify({ id, state: "queued" }) : id)
        }
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Puts failed tasks back to work, under their ids and with their histories; their attempts are counted anew"
    ),
    Command.withShortDescription("Puts failed tasks back to work"),
    Command.withExamples([
      {
        command: "troupe retry default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE",
        description: "Try a failed task again"
      },
      {
        command: `troupe retry default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --input '{"path": "guide.pdf"}'`,
        description: "Try it again with another input"
      }
    ])
  )
