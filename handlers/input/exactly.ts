/** Inputs of handlers, whose fields are known. */
import { Result, type Schema, type StandardSchema } from "effect"
import type { Fault } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"

/**
 * A schema that also refuses fields it does not know, anywhere in the value, and tells the nearest that it does: one that
 * was left out without a word would make a task mean something else than it says.
 */
export const exactly = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S
): StandardSchema.StandardSchemaV1<S["Encoded"], S["Type"]> => {
  const read = readerOf(schema, "field")
  return {
    "~standard": {
      version: 1,
      vendor: "troupe",
      validate: (value) =>
        Result.match(read(value), {
          onSuccess: (value) => ({ value }),
          onFailure: (faults) => ({ issues: faults.map(issueOf) })
        })
    }
  }
}

/** A fault with its path in parts, as it was before it was made a JSON pointer. */
const issueOf = ({ message, path }: Fault): StandardSchema.StandardSchemaV1.Issue => ({
  message,
  path: path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
})
