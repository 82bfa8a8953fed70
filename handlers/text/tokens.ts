/**
 * How many tokens a text has, by `gpt-tokenizer` in the encoding `cl100k_base`, which OpenAI's embedding models count by.
 * Other models differ by some parts in ten.
 */
import { Effect } from "effect"
import { optionalPackage } from "../packages/optional.ts"

export type CountTokens = (text: string) => number

/**
 * A longer run without white space is counted in parts: the time for one grows with the square of its length. Of such
 * a run the count may be some too many.
 */
const longRun = /\S{200}(?=\S)/g

/** What looks like a mark of the model's own, as `<|endoftext|>`, is text here. */
const anyText = { disallowedSpecial: new Set<string>() }

/** Loads the table on its first call, which takes some tenths of a second and 40 MB. */
export const loadTokens = Effect.map(
  optionalPackage("gpt-tokenizer", () => import("gpt-tokenizer/encoding/cl100k_base")),
  ({ countTokens }): CountTokens =>
    (text) =>
      countTokens(text.replace(longRun, "$& "), anyText)
)
