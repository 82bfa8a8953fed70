/** Reads what is said in addresses and headers. */
import { Effect, Schema } from "effect"
import { readPosition, start } from "../../actors/follow/follow.ts"
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

/** Everything that is said after the `?`; of nothing, nothing. What is a number to whom it is said is one here. */
export const parameters = (c: ApiContext, numbers: ReadonlyArray<string> = []): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(c.req.query())
      .filter(([, text]) => text !== "")
      .map(([name, text]) => [name, numbers.includes(name) && /^\d{1,15}$/.test(text) ? Number(text) : text])
  )

/** Whether it is only asked how many it would be: `?dryRun=1`. */
export const dryRun = (c: ApiContext) => {
  const text = c.req.query("dryRun") ?? "0"
  return /^(0|1|true|false)$/.test(text)
    ? Effect.succeed(text === "1" || text === "true")
    : Effect.fail(new ParameterInvalid({ parameter: "dryRun", reason: "is not 1 or 0" }))
}

/** Of how many minutes, up to as many as are kept: `?minutes=`. */
export const minutes = (c: ApiContext, otherwise: number, most: number) => {
  const text = c.req.query("minutes") ?? String(otherwise)
  return /^[1-9]\d{0,3}$/.test(text) && Number(text) <= most
    ? Effect.succeed(Number(text))
    : Effect.fail(
        new ParameterInvalid({ parameter: "minutes", reason: `is not a whole number from 1 to ${most}` })
      )
}
