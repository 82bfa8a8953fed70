/** What is asked of `document.process`. */
import { Schema } from "effect"
import { options, optionsFit } from "../documents/options.ts"

export const titleCharactersMax = 200

export const Input = Schema.Struct({
  /** The id of an upload. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  /** An http or https address. */
  url: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^https?:\/\/[^/?#@\s]+([/?#]|$)/iu, {
        message: "must be an http or https URL without a user and password"
      })
    )
  ),
  /** A path below one of the folders in `TROUPE_FOLDERS`. */
  path: Schema.optionalKey(Schema.NonEmptyString),
  /** Default: what the document calls itself, else its first line. */
  title: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(titleCharactersMax))),
  ...options
}).check(
  Schema.makeFilter(
    ({ file, path, url }) =>
      [file, url, path].filter((place) => place !== undefined).length === 1 ||
      "name exactly one of file, url and path"
  ),
  optionsFit
)
export type Input = typeof Input.Type
