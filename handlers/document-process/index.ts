/**
 * Makes a document searchable: reads its text, cuts it into chunks, finds its keywords, and puts its vectors into a
 * collection if that is asked for. Keywords, embeddings and vectors are tasks of their own, its children.
 *
 * Safe to repeat: the document's id is made of its bytes, and it is written whole. A run that follows another, as after a
 * crash, goes on after what was done: what was read is not read again. Documents that can never be read (damaged,
 * encrypted, empty, too large, of another type) and places that may not be read fail at once, each with a type of its
 * own; a server or a disk that does not answer is tried again.
 */
import { Effect, Layer, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { Documents } from "../text/documents.ts"
import { exactly } from "../input/exactly.ts"
import { guardedNetwork } from "../network/guard.ts"
import { cutByVectors } from "./comparing.ts"
import { type Indexed, index } from "./indexing.ts"
import { planOf } from "../documents/options.ts"
import { Input } from "./input.ts"
import { Readers } from "./readers.ts"
import { Described, read, tell } from "./reading.ts"
import { Sources } from "./sources.ts"

export { charactersMax } from "./pages.ts"

/** A document is told to have at most so many keywords. */
export const keywordsMax = 12

const output = Schema.Struct({
  ...Described.fields,
  keywords: Schema.Array(Schema.String),
  /** Where its vectors are, if they were asked for. */
  collection: Schema.optionalKey(Schema.String),
  /** The model that made them. */
  model: Schema.optionalKey(Schema.String)
})

/** What part of the whole work is done when a part is; the rest is what comes after. */
const doneAfter = {
  reading: { alone: 0.9, indexed: 0.3 },
  comparing: 0.5
}

/** `document.process`: reads a document, cuts it into chunks, finds its keywords, and indexes its vectors. */
export const documentProcess = defineTask.effect({
  name: "document.process",
  queue: "documents",
  input: exactly(Input),
  output,
  timeout: "10 minutes",
  layer: Layer.mergeAll(Sources.layer, Documents.layer, Readers.layer, guardedNetwork).pipe(
    Layer.provide(Files.layer)
  ),

  run: Effect.fn("document.process")(function* (input) {
    const task = yield* CurrentTask
    const plan = planOf(input)
    const until = plan.index === undefined ? doneAfter.reading.alone : doneAfter.reading.indexed
    const asRead = yield* task.step("read", read(input, plan, until))
    const described = plan.byVectors ? yield* cutByVectors(asRead, plan, doneAfter.comparing) : asRead

    const asked = yield* task.submit("text.keywords", {
      document: described.document,
      top: keywordsMax,
      ...(described.language === undefined ? {} : { language: described.language })
    })
    const indexed: Indexed | undefined =
      plan.index === undefined
        ? undefined
        : yield* index(described, plan.index, plan.byVectors ? doneAfter.comparing : until)
    const [found] = yield* task.all([asked])
    const keywords = (yield* Effect.orDie(readKeywords(found))).keywords.map(({ keyword }) => keyword)
    yield* keep(described, keywords)
    return { ...described, keywords, ...indexed }
  })
})

const readKeywords = Schema.decodeUnknownEffect(
  Schema.Struct({ keywords: Schema.Array(Schema.Struct({ keyword: Schema.String })) })
)

/** Writes what was found to the document. */
const keep = Effect.fnUntraced(function* (
  { chunks, document: id }: Described,
  keywords: ReadonlyArray<string>
) {
  const documents = yield* Documents
  yield* documents.save({ ...(yield* documents.load(id)), keywords })
  yield* tell((task) => task.progress(1, `kept in ${chunks} chunks`))
})
