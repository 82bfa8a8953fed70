/** `troupe cancel`: ends tasks as cancelled, wherever they are. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"

const config = {
  ids: Flags.id.pipe(Argument.variadic({ min: 1 })),
  reason: Flag.String("reason").pipe(
    Flag.withDescription("What is kept with the task as its reason"),
    Flag.withMetavar("TEXT"),
    Flag.optional
  ),
  redis: Flags.redis,
  json: Flags.json
}

export const cancel = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "cancel",
    config,
    Effect.fnUntraced(function* ({ ids, json, reason, redis }) {
      const options = Option.match(reason, { onNone: () => ({}), onSome: (reason) => ({ reason }) })
      yield* Flags.taskIds(ids)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        for (const id of ids) {
          yield* troupe.cancel(id, options)
          yield* Output.print(json ? JSON.stringify({ id, state: "cancelled" }) : id)
        }
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Ends tasks as cancelled, wherever they are, and their children after them; stops at the first that cannot be"
    ),
    Command.withShortDescription("Cancels tasks"),
    Command.withExamples([
      {
        command: `troupe cancel default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --reason "sent twice"`,
        description: "Cancel a task"
      }
    ])
  )
