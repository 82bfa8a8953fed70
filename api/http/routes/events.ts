/** Following a task: its output while it is made, as server-sent events that resume where they broke off. */
import { Effect, Schema } from "effect"
import { Follow, start } from "../../../actors/follow/follow.ts"
import type { Position } from "../../../runtime/store.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { makeUiFrames, uiAway, uiHeaders } from "../ai-sdk.ts"
import { callerOf } from "../caller.ts"
import type { Serve } from "../mount.ts"
import { ofTaskId, position, taskId } from "../parameters.ts"
import { row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import { type EventStreams, frameOf, headers } from "../sse.ts"

/** How a task's events are written: as our own, or as the AI SDK's UI message stream. */
export const Format = Schema.Literals(["events", "ai-sdk"])
export type Format = typeof Format.Type

export const rows = {
  follow: row({
    name: "followTask",
    method: "GET",
    path: "/v1/tasks/:id/events",
    group: "Tasks",
    summary: "Streams what the task puts out",
    needs: "follow",
    reach: "tenant",
    parts: ofTaskId,
    query: Schema.Struct({
      after: Schema.optionalKey(Schema.String),
      format: Schema.optionalKey(Format),
      ticket: Schema.optionalKey(Schema.String)
    }),
    headers: { "last-event-id": { schema: Schema.String, example: "1-0" } },
    answers: {
      200: {
        description: "Server-sent events up to the task's end",
        schema: Schema.String,
        type: "text/event-stream"
      },
      204: { description: "There is nothing after the end: do not come back" }
    },
    problems: ["InvalidTaskId", "PositionInvalid", "TaskNotFound", "StoreError"]
  })
}

/** Answers with what happens to a task after a place in its events, up to its end. */
export const following = Effect.fnUntraced(function* (
  c: ApiContext,
  streams: EventStreams,
  id: TaskId,
  {
    after = start,
    format,
    more = {}
  }: {
    readonly after?: Position
    readonly format?: Format | undefined
    readonly more?: Readonly<Record<string, string>>
  } = {}
) {
  const { open } = yield* Follow
  const follower = open(id, after)
  const to = { signal: c.req.raw.signal, caller: callerOf(c) }
  if (format !== "ai-sdk") {
    return c.body(yield* streams.openSource(follower, frameOf, to), 200, { ...headers, ...more })
  }
  const body = yield* streams.openSource(follower, makeUiFrames(id), { ...to, away: uiAway })
  return c.body(body, 200, { ...headers, ...uiHeaders, ...more })
})

export const events = (serve: Serve, streams: EventStreams) => {
  serve(
    rows.follow,
    Effect.fnUntraced(function* (c, { format }) {
      const id = yield* taskId(c)
      const after = yield* position(c)
      // To a browser it means: do not come back.
      if (yield* Follow.use(({ isOver }) => isOver(id, after))) return c.body(null, 204)
      return yield* following(c, streams, id, { after, format })
    })
  )
}
