/** Following a task: its output while it is made, as server-sent events that resume where they broke off. */
import { Effect, Schema } from "effect"
import { Follow } from "../../../actors/follow/follow.ts"
import type { Position } from "../../../runtime/store.ts"
import type { TaskId } from "../../../runtime/task.ts"
import type { Serve } from "../mount.ts"
import { ofTaskId, position, taskId } from "../parameters.ts"
import { row } from "../row.ts"
import type { ApiContext } from "../run.ts"
import type { EventStreams } from "../sse.ts"

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

/** Nobody on the way may keep the stream, or hold it back. */
const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no"
}

/** Answers with what happens to a task after a place in its events, up to its end. */
export const following = Effect.fnUntraced(function* (
  c: ApiContext,
  streams: EventStreams,
  id: TaskId,
  after: Position,
  more: Readonly<Record<string, string>> = {}
) {
  c.env?.untimed?.(c.req.raw)
  const { follow } = yield* Follow
  return c.body(yield* streams.open(follow(id, after), c.req.raw.signal), 200, { ...headers, ...more })
})

export const events = (serve: Serve, streams: EventStreams) => {
  serve(
    rows.follow,
    Effect.fnUntraced(function* (c) {
      const id = yield* taskId(c)
      const after = yield* position(c)
      // To a browser it means: do not come back.
      if (after === "end") return c.body(null, 204)
      return yield* following(c, streams, id, after)
    })
  )
}
