/** `troupe reschedule`: gives tasks that wait for their time another one, or lets them run now. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import { UsageError } from "./exit.ts"
import { given } from "./filters.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import * as TaskFlags from "./task-flags.ts"

const config = {
  ids: Flags.id.pipe(Argument.variadic({ min: 1 })),
  ...TaskFlags.due,
  now: Flag.Boolean("now").pipe(Flag.withDescription("Due at once"), Flag.withDefault(false)),
  redis: Flags.redis,
  json: Flags.json
}

const command = "troupe reschedule"

export const reschedule = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "reschedule",
    config,
    Effect.fnUntraced(function* ({ delay, ids, json, now, redis, runAt }) {
      const options = { ...given({ delay, runAt }), ...(now ? { delay: 0 } : {}) }
      if ([delay, runAt].filter(({ _tag }) => _tag === "Some").length + (now ? 1 : 0) !== 1) {
        return yield* new UsageError({ command, problem: "say when: one of --delay, --run-at and --now" })
      }
      yield* Flags.taskIds(ids)
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        for (const id of ids) {
          const { dueAt, state } = yield* troupe.reschedule(id, options)
          const answer = { id, state, dueAt: new Date(dueAt).toISOString() }
          yield* Output.print(json ? JSON.stringify(answer) : id)
        }
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Gives tasks another time that are scheduled or retrying, or lets them run now; stops at the first that cannot be given one"
    ),
    Command.withShortDescription("Gives delayed tasks another time"),
    Command.withExamples([
      {
        command: "troupe reschedule default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --now",
        description: "Run a delayed task, or one that is to be tried again, now"
      },
      {
        command: "troupe reschedule default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --run-at 2030-01-31T09:00:00Z",
        description: "Let it be due at another time"
      }
    ])
  )
