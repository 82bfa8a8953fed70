/** Words that say nothing by themselves, of 58 languages, from `stopwords-iso`. */
import { Effect } from "effect"
import { optionalPackage } from "../packages/optional.ts"
import { primary } from "../text/language.ts"

const sets = new Map<string, ReadonlySet<string>>()

/** In lower case; none for a language that has no list. */
export const stopWordsOf = Effect.fn("stopWordsOf")(function* (language: string | undefined) {
  if (language === undefined) return none
  const code = primary(language)
  const known = sets.get(code)
  if (known !== undefined) return known
  const { default: lists } = yield* optionalPackage(
    "stopwords-iso",
    () =>
      import("stopwords-iso") as Promise<{
        readonly default: Readonly<Record<string, ReadonlyArray<string>>>
      }>
  )
  const words = Object.hasOwn(lists, code) ? new Set(lists[code]) : none
  sets.set(code, words)
  return words
})

const none: ReadonlySet<string> = new Set()
