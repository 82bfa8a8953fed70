/** Following a task: its output while it is made, as server-sent events that resume where they broke off. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Follow } from "../../../actors/follow/follow.ts"
import type { Position } from "../../../runtime/store.ts"
import type { TaskId } from "../../../runtime/task.ts"
import { position, taskId } from "../parameters.ts"
import type { ApiContext, Bindings, Respond } from "../run.ts"
import type { EventStreams } from "../sse.ts"

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

export const events = (respond: Respond, streams: EventStreams) =>
  new Hono<{ Bindings: Bindings }>().get("/:id/events", (c) =>
    respond(
      c,
      Effect.gen(function* () {
        const id = yield* taskId(c)
        const after = yield* position(c)
        // To a browser it means: do not come back.
        if (after === "end") return c.body(null, 204)
        return yield* following(c, streams, id, after)
      })
    )
  )
