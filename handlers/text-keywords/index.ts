/**
 * Finds the words and phrases that a text, or a processed document, is about.
 *
 * Safe to repeat: it writes nothing, and gives the same for the same text.
 */
import { Effect, Layer, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { defineTask } from "../../runtime/handler.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { DocumentId, Documents } from "../text/documents.ts"
import { languageOf } from "../text/language.ts"
import { stopWordsOf } from "./stop-words.ts"
import { yake } from "./yake.ts"

/** Only the beginning of a longer text is looked at, in UTF-16 units: it says what the rest is about. */
const charactersMax = 500_000

/** What is said here is what the authors of YAKE use. */
const defaults = { top: 20, words: 3, similarity: 0.9 }

const input = Schema.Struct({
  text: Schema.optionalKey(Schema.String),
  /** The id of a processed document. */
  document: Schema.optionalKey(DocumentId),
  /** A language tag such as `en`. Default: the document's, else what the text is found to be written in. */
  language: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/u, { message: "must be a language tag" })
    )
  ),
  top: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
  words: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))),
  similarity: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
}).check(
  Schema.makeFilter(
    ({ document, text }) =>
      (document === undefined) !== (text === undefined) || "give either text or document"
  )
)

const output = Schema.Struct({
  /** The best first: less is better. */
  keywords: Schema.Array(Schema.Struct({ keyword: Schema.String, score: Schema.Finite })),
  /** Absent when it was not said and cannot be told. */
  language: Schema.optionalKey(Schema.String)
})

/** `text.keywords`: finds the keywords of a text. */
export const textKeywords = defineTask.effect({
  name: "text.keywords",
  queue: "documents",
  input: exactly(input),
  output,
  timeout: "2 minutes",
  layer: Documents.layer.pipe(Layer.provide(Files.layer)),

  run: Effect.fn("text.keywords")(function* ({ document, text: given, ...asked }) {
    const stored = document === undefined ? undefined : yield* load(document)
    const text = (stored?.text ?? given ?? "").slice(0, charactersMax)
    const language = asked.language ?? stored?.language ?? (yield* languageOf(text))
    const stopWords = yield* stopWordsOf(language)
    const keywords = yield* Effect.sync(() => yake(text, { ...defaults, ...asked, stopWords }))
    return { keywords, ...(language === undefined ? {} : { language }) }
  })
})

const load = Effect.fnUntraced(function* (id: string) {
  const documents = yield* Documents
  return yield* Effect.catchTag(documents.load(id), "FileNotFound", () =>
    refuse("UnknownDocument", `no processed document has the id ${id}`)
  )
})
