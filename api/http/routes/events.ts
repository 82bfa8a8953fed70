/** Following a task: its output while it is made, as server-sent events that resume where they broke off. */
import { Effect } from "effect"
import { Hono } from "hono"
import { Follow } from "../../../actors/follow/follow.ts"
import { position, taskId } from "../parameters.ts"
import type { Bindings, Respond } from "../run.ts"
import type { EventStreams } from "../sse.ts"

/** Nobody on the way may keep the stream, or hold it back. */
const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no"
}

export const events = (respond: Respond, streams: EventStreams) =>
  new Hono<{ Bindings: Bindings }>().get("/:id/events", (c) =>
    respond(
      c,
      Effect.gen(function* () {
        const id = yield* taskId(c)
        const after = yield* position(c)
        // To a browser it means: do not come back.
        if (after === "end") return c.body(null, 204)
        c.env?.untimed?.(c.req.raw)
        const { follow } = yield* Follow
        return c.body(yield* streams.open(follow(id, after), c.req.raw.signal), 200, headers)
      })
    )
  )
