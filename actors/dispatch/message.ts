/**
 * A message to an agent as callers describe it, made into the task that it is; and what such a task is refused for, told
 * in the caller's words. Decisions over plain values.
 */
import { Result, Schema } from "effect"
import { readerOf } from "../../runtime/known-fields.ts"
import { SubmitRefused } from "./new-task.ts"

/** With the longest key before it, it still is an idempotency key. */
const dedupeMax = 120

export const NewMessageJson = Schema.Struct({
  // What is only passed on is checked with the task.
  message: Schema.optionalKey(Schema.Unknown),
  input: Schema.optionalKey(Schema.Unknown),
  delayMs: Schema.optionalKey(Schema.Unknown),
  runAt: Schema.optionalKey(Schema.Unknown),
  priority: Schema.optionalKey(Schema.Unknown),
  tags: Schema.optionalKey(Schema.Unknown),
  /** A second message to the same agent with the same one is the first. */
  dedupe: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${dedupeMax}}$`, "u"), {
        message: `not 1 to ${dedupeMax} characters without control characters`
      })
    )
  )
})

const readFields = readerOf(NewMessageJson, "field")

/** The task of a message, as the dispatcher takes it. */
export const taskOfMessage = (
  name: string,
  key: string,
  given: unknown
): Result.Result<object, SubmitRefused> => {
  const read = readFields(given)
  if (Result.isFailure(read)) return Result.fail(new SubmitRefused({ faults: read.failure }))
  const { dedupe, input, message, ...options } = read.success
  return Result.succeed({
    ...options,
    name,
    key,
    input: { message, input: input ?? null },
    // The length of the key keeps it apart from what follows.
    ...(dedupe === undefined ? {} : { idempotencyKey: `${key.length} ${key} ${dedupe}` })
  })
}

/** Where the caller of a message has said what its task has in this place. */
const placeInMessage = (path: string) =>
  path.replace(/^\/input(?=\/(?:input|message)(?:\/|$))/, "").replace(/^\/idempotencyKey(?=\/|$)/, "/dedupe")

export const refusedMessage = ({ faults }: SubmitRefused): SubmitRefused =>
  new SubmitRefused({ faults: faults.map(({ message, path }) => ({ path: placeInMessage(path), message })) })
