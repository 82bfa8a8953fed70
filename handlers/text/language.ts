/**
 * The language a text is written in, told from its letters with `eld` (60 languages, n-grams).
 *
 * A guess that the library does not itself call reliable is no answer: no language is better than a wrong one.
 */
import { Effect } from "effect"
import { optionalPackage } from "../packages/optional.ts"

/** So much of a text is enough to tell, in UTF-16 units. */
const lookedAt = 10_000

/** A tag such as `en`, or undefined. Loads the package on its first call. */
export const languageOf = Effect.fn("languageOf")(function* (text: string) {
  const { eld } = yield* optionalPackage("eld", () => import("eld/extrasmall"))
  const found = eld.detect(text.slice(0, lookedAt))
  return found.isReliable() ? found.language : undefined
})

/** The part of a tag that names the language: `de` of `de-AT`. */
export const primary = (tag: string) => tag.toLowerCase().split("-", 1)[0]!
