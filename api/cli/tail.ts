/** `troupe tail`: follows what a task puts out, up to its end. */
import { Effect, Option, Stream } from "effect"
import { Command } from "effect/cli"
import type { FollowEvent } from "../../actors/follow/follow.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { TaskId } from "../../runtime/task.ts"
import { TaskFailed, Troupe } from "../client/effect.ts"
import * as Flags from "./flags.ts"
import * as Output from "./output.ts"
import { makeTranscript } from "./transcript.ts"

/** An event as a web socket would send it. */
const eventJson = (task: TaskId, { type, ...event }: FollowEvent): string => {
  const { id, ...data } = "id" in event ? event : { id: undefined, ...event }
  return JSON.stringify({ event: type, task, ...(id === undefined ? {} : { id }), data })
}

const failureOf = (id: TaskId, event: FollowEvent): Effect.Effect<void, TaskFailed> =>
  event.type !== "end" || event.state === "succeeded"
    ? Effect.void
    : Effect.fail(
        new TaskFailed({
          id,
          state: event.state,
          error: event.error ?? { type: event.state, message: "no reason is kept" }
        })
      )

export const tail = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "tail",
    { id: Flags.id, after: Flags.after, redis: Flags.redis, json: Flags.json },
    Effect.fnUntraced(function* ({ after, id, json, redis }) {
      const transcript = makeTranscript()
      const show = (event: FollowEvent) => (json ? Output.print(eventJson(id, event)) : transcript(event))
      yield* Effect.gen(function* () {
        const troupe = yield* Troupe
        const events = troupe.events(
          id,
          Option.match(after, { onNone: () => ({}), onSome: (after) => ({ after }) })
        )
        yield* Stream.runForEach(events, (event) => Effect.andThen(show(event), failureOf(id, event)))
      }).pipe(Flags.connected(handlers, { redis }))
    })
  ).pipe(
    Command.withDescription(
      "Follows a task to its end: the text it puts out on stdout, its logs and progress on a terminal; exits with 1 if it failed"
    ),
    Command.withShortDescription("Follows a task to its end"),
    Command.withExamples([
      { command: "troupe tail default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE", description: "Read along" },
      {
        command: "troupe tail default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE --after 1-17 --json",
        description: "Every event after 1-17, as JSON"
      }
    ])
  )
