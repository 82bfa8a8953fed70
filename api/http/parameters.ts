/** Reads what is said in addresses and headers. */
import { Effect, Schema } from "effect"
import { readPosition, start } from "../../actors/follow.ts"
import { TaskId } from "../../runtime/task.ts"
import { InvalidTaskId } from "../client/errors.ts"
import { ParameterInvalid } from "./refusals.ts"
import type { ApiContext } from "./run.ts"

/** The longest that a request may wait for a result, in milliseconds. */
export const waitMsMax = 60_000

const isTaskId = Schema.is(TaskId)

/** The task that a route is about. */
export const taskId = (c: ApiContext) => {
  const id = c.req.param("id") ?? ""
  return isTaskId(id) ? Effect.succeed(id) : Effect.fail(new InvalidTaskId({ id }))
}

/** How long to wait, in milliseconds: `?waitMs=`, by default not at all. */
export const waitMs = (c: ApiContext) => {
  const text = c.req.query("waitMs") ?? "0"
  return /^\d{1,5}$/.test(text) && Number(text) <= waitMsMax
    ? Effect.succeed(Number(text))
    : Effect.fail(
        new ParameterInvalid({ parameter: "waitMs", reason: `is not a whole number from 0 to ${waitMsMax}` })
      )
}

/** Where to go on in a stream. A browser that comes back says it in a header, whatever the address said at first. */
export const position = (c: ApiContext) => {
  const text = c.req.header("last-event-id") ?? c.req.query("after")
  return text === undefined || text === "" ? Effect.succeed(start) : Effect.fromResult(readPosition(text))
}
