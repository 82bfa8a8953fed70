/** Listening to what becomes of all tasks, as server-sent events that resume where they broke off. */
import { Effect, Schema } from "effect"
import { LifecycleFilter, type LifecycleNews, LifecycleType } from "../../../actors/follow/lifecycle.ts"
import { callerOf } from "../caller.ts"
import { lifecycleJson } from "../lifecycle-view.ts"
import { listen } from "../listening.ts"
import type { Serve } from "../mount.ts"
import { row } from "../row.ts"
import { ParameterInvalid } from "../refusals.ts"
import { type EventStreams, frame, headers } from "../sse.ts"

/** Several, with a comma between two. */
const list = Schema.optionalKey(Schema.String.check(Schema.isMaxLength(8_000)))

export const rows = {
  listen: row({
    name: "listenToTasks",
    method: "GET",
    path: "/v1/events",
    group: "Tasks",
    summary: "Streams what becomes of all tasks: submitted, started, completed, and so on",
    needs: "read",
    reach: "tenant",
    query: Schema.Struct({
      type: list,
      name: list,
      queue: list,
      key: list,
      tag: list,
      after: Schema.optionalKey(Schema.String),
      ticket: Schema.optionalKey(Schema.String)
    }),
    headers: { "last-event-id": { schema: Schema.String, example: "default.0@m3k9x2ab.1c" } },
    answers: {
      200: {
        description: `Server-sent events, without an end: ${LifecycleType.literals.join(", ")}`,
        schema: Schema.String,
        type: "text/event-stream"
      }
    },
    problems: ["LifecyclePositionInvalid", "StoreError"]
  })
}

const frameOf = (news: LifecycleNews): Uint8Array => {
  const { id, ...event } = news
  return frame(event.type, id, "at" in event ? lifecycleJson(event) : event)
}

const fields = { type: "types", name: "names", queue: "queues", key: "keys", tag: "tags" } as const
const readField = {
  type: Schema.decodeUnknownResult(LifecycleFilter.fields.types.schema),
  name: Schema.decodeUnknownResult(LifecycleFilter.fields.names.schema),
  queue: Schema.decodeUnknownResult(LifecycleFilter.fields.queues.schema),
  key: Schema.decodeUnknownResult(LifecycleFilter.fields.keys.schema),
  tag: Schema.decodeUnknownResult(LifecycleFilter.fields.tags.schema)
}

/** A filter as an address says it: `type=task.completed,task.failed&queue=default`. */
export const filterIn = Effect.fnUntraced(function* (query: {
  readonly [field in keyof typeof fields]?: string
}): Effect.fn.Return<LifecycleFilter, ParameterInvalid> {
  const filter: Record<string, unknown> = {}
  for (const field of Object.keys(fields) as ReadonlyArray<keyof typeof fields>) {
    const said = query[field]
    if (said === undefined) continue
    const read = readField[field](said.split(","))
    if (read._tag === "Failure") {
      const reason = field === "type" ? `is none of ${LifecycleType.literals.join(", ")}` : "cannot be one"
      return yield* new ParameterInvalid({ parameter: field, reason })
    }
    filter[fields[field]] = read.success
  }
  return filter
})

export const lifecycle = (serve: Serve, streams: EventStreams) => {
  serve(
    rows.listen,
    Effect.fnUntraced(function* (c, query) {
      const filter = yield* filterIn(query)
      const last = c.req.header("last-event-id") ?? query.after
      const news = yield* listen(filter, last === undefined || last === "" ? undefined : last)
      const to = { signal: c.req.raw.signal, caller: callerOf(c) }
      return c.body(yield* streams.open(news, frameOf, to), 200, headers)
    })
  )
}
