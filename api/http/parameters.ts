/** Reads what is said in addresses and headers. */
import { Effect, Schema } from "effect"
import { readPosition, start } from "../../actors/follow/follow.ts"
import { TaskId } from "../../runtime/task.ts"
import { InvalidTaskId } from "../client/errors.ts"
import type { ApiContext } from "./run.ts"

/** The longest that a request may wait for a result, in milliseconds. */
export const waitMsMax = 60_000

const isTaskId = Schema.is(TaskId)

/** The task that a route is about. */
export const taskId = (c: ApiContext) => {
  const id = c.req.param("id") ?? ""
  return isTaskId(id) ? Effect.succeed(id) : Effect.fail(new InvalidTaskId({ id }))
}

/** Where to go on in a stream. A browser that comes back says it in a header, whatever the address said at first. */
export const position = (c: ApiContext) => {
  const text = c.req.header("last-event-id") ?? c.req.query("after")
  return text === undefined || text === "" ? Effect.succeed(start) : Effect.fromResult(readPosition(text))
}

/** Whether it is only asked how many it would be. In an address, `1` and `0` will do. */
export const DryRun = Schema.Struct({ dryRun: Schema.optionalKey(Schema.Boolean) })

/** The one part of an address that names a task. */
export const ofTaskId = { id: { schema: TaskId, example: "default.0.01M80PCCPYYG3XYDT2W3PRW6KG" } }
