/** `troupe result`: prints what a task gave, waiting for it if asked to. */
import { Duration, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Troupe } from "../client/effect.ts"
import * as Bar from "./bar.ts"
import { printFailed } from "./failed-task.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"

/** The task has no result yet, and nobody wants to wait for it. */
export class NotEnded extends Schema.TaggedError<NotEnded>()("NotEnded", {
  id: Schema.String,
  state: Schema.String
}) {
  override get message() {
    return `${this.id} is ${this.state}; --wait waits for its end`
  }
}

const config = {
  id: Flags.id,
  wait: Flags.duration("wait").pipe(
    Flag.withDescription("Wait so long for the end; default: not at all"),
    Flag.optional
  ),
  redis: Flags.redis,
  json: Flags.json
}

export const result = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "result",
    config,
    Effect.fnUntraced(function* ({ id, json, redis, wait }) {
      yield* Flags.taskIds([id])
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        if (Option.isNone(wait)) {
          const { finishedAt, state } = yield* troupe.task(id)
          if (finishedAt === undefined) return yield* new NotEnded({ id, state })
        }
        const timeout = Option.getOrElse(wait, () => Duration.infinity)
        const output = Option.isNone(wait)
          ? troupe.result(id, { timeout })
          : Bar.during(troupe.result(id, { timeout }), troupe.events(id))
        yield* Output.printOutput(yield* printFailed(json)(output), json)
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Prints a task's result; exits with 1 if the task failed, with 124 if it has not ended"
    ),
    Command.withShortDescription("Prints a task's result"),
    Command.withExamples([
      {
        command: "troupe result default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --wait 30s",
        description: "Wait at most 30 seconds"
      }
    ])
  )
