/** Reads what is said in addresses and headers. */
import { Effect, Schema } from "effect"
import { reasonMax } from "../../actors/dispatch/dispatcher.ts"
import { readPosition, start } from "../../actors/follow/follow.ts"
import { TaskId } from "../../runtime/task.ts"
import { InvalidTaskId } from "../client/errors.ts"
import { BodyRefused, ParameterInvalid } from "./refusals.ts"
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

const keyHeader = "Idempotency-Key"

/** Several headers of one name come as one, with commas, and letters beyond ASCII as the bytes that they were sent in. */
const unclear = (key: string): string | undefined => {
  if (/\P{ASCII}/u.test(key)) return "is not in ASCII"
  return key.includes(", ") ? "is said twice, or has a comma and a space" : undefined
}

/**
 * What is submitted, with the key of the header in its field, which is the only one or the same. It must be certain which it is:
 * of another the task would be another.
 */
export const withKey = (
  c: ApiContext,
  given: unknown,
  field: "idempotencyKey" | "dedupe"
): Effect.Effect<unknown, ParameterInvalid | BodyRefused> => {
  const key = c.req.header(keyHeader)
  if (key === undefined || typeof given !== "object" || given === null || Array.isArray(given))
    return Effect.succeed(given)
  const why = unclear(key)
  if (why !== undefined) return refuseHeader(`${why}: say it in the field ${field}`)
  const { [field]: said = key } = given as Readonly<Record<string, unknown>>
  return said === key
    ? Effect.succeed({ ...given, [field]: key })
    : Effect.fail(
        new BodyRefused({
          faults: [{ path: `/${field}`, message: `is not what the header ${keyHeader} says` }]
        })
      )
}

/** Refuses the header where there are several tasks. */
export const withoutKey = (c: ApiContext): Effect.Effect<void, ParameterInvalid> =>
  c.req.header(keyHeader) === undefined
    ? Effect.void
    : refuseHeader("is of one task: each of these says its own in the field idempotencyKey")

const refuseHeader = (reason: string) => Effect.fail(new ParameterInvalid({ parameter: keyHeader, reason }))

/** Whether it is only asked how many it would be. In an address, `1` and `0` will do. */
export const DryRun = Schema.Struct({ dryRun: Schema.optionalKey(Schema.Boolean) })

/** Why something is ended, as it is kept with every task that is. */
export const Reason = Schema.Struct({
  reason: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(reasonMax)))
})

/** The one part of an address that names a task. */
export const ofTaskId = { id: { schema: TaskId, example: "default.0.01M80PCCPYYG3XYDT2W3PRW6KG" } }
