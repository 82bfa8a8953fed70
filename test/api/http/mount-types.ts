/**
 * What mounting a route promises: an answer fails with what its row names, and with nothing else. `tsc` reads this file, and
 * nothing runs it. The line below a `@ts-expect-error` must not compile; were it to, `tsc` would complain of the comment.
 */
// @effect-diagnostics missingEffectError:off
import { Effect, Schema } from "effect"
import { TaskNotFound } from "../../../actors/dispatch/replies.ts"
import { refuseField } from "../../../actors/operate/fields.ts"
import type { Serve } from "../../../api/http/mount.ts"
import { row } from "../../../api/http/row.ts"
import { TaskId } from "../../../runtime/task.ts"

declare const serve: Serve

const one = row({
  name: "one",
  method: "GET",
  path: "/v1/one",
  group: "One",
  summary: "One",
  needs: "read",
  reach: "tenant",
  query: Schema.Struct({ limit: Schema.Int }),
  answers: { 200: { description: "One" } },
  problems: ["StoreError"]
})

const id = Schema.decodeSync(TaskId)("default.0.01JCKZ4M8Q6T3V5W7X9Y0ABCDE")

serve(one, (c, { limit }) => Effect.succeed(c.json({ limit: limit + 1 })))

// What is said after the `?` may be refused by any.
serve(one, () => Effect.fail(refuseField("limit", "is too many")))

// @ts-expect-error: its row does not name it
serve(one, () => Effect.fail(new TaskNotFound({ id })))

// @ts-expect-error: its row knows no such parameter
serve(one, (c, { most }) => Effect.succeed(c.json({ most })))
