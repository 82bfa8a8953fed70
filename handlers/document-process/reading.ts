/**
 * Reads a document whole: its bytes from where it is, its text, what it says of itself, its language, its chunks.
 *
 * What is read is kept before this ends, under an id that is made of the bytes. What is left to do for the document then
 * reads it from there.
 */
import { Effect, Schema } from "effect"
import { type AttemptOver, CurrentTask, type EventRefused, Fatal } from "../../runtime/handler.ts"
import { DocumentId, documentId, Documents, Metadata, type StoredDocument } from "../text/documents.ts"
import { refuse } from "../refusal/refuse.ts"
import { languageOf } from "../text/language.ts"
import { sentences, type Span } from "../text/sentences.ts"
import { loadTokens } from "../text/tokens.ts"
import { type Chunk, chunkByParts, chunkBySentences, chunkRecursively, type Cutting } from "./chunks.ts"
import type { Plan } from "../documents/options.ts"
import { type Input, titleCharactersMax } from "./input.ts"
import { mediaTypes, recognise, type Recognised } from "./kind.ts"
import { type Features, featuresOfWords, likenesses, partsOf } from "./meaning.ts"
import { languageSaid } from "./metadata.ts"
import { beginning } from "../text/beginning.ts"
import { charactersMax, clean, merge } from "./pages.ts"
import type { PageRead } from "./pdf.ts"
import { extractMarkdown, extractText } from "./plain.ts"
import { Readers } from "./readers.ts"
import { Sources } from "./sources.ts"

/** What is said of a document that was processed. */
export const Described = Schema.Struct({
  document: DocumentId,
  title: Schema.String,
  /** The media type it was found to have. */
  type: Schema.String,
  pages: Schema.Int,
  chunks: Schema.Int,
  /** Length of its text in UTF-16 units. */
  characters: Schema.Int,
  language: Schema.optionalKey(Schema.String),
  metadata: Metadata
})
export type Described = typeof Described.Type

/** Where in the whole work the reading ends, as a part of it. */
export const read = Effect.fn("document.read")(function* (input: Input, plan: Plan, until: number) {
  const sources = yield* Sources
  const documents = yield* Documents
  const source = yield* sources.open(input)
  const { extracted, kind } = yield* Effect.flatMap(recognise(source), (recognised) =>
    extract(recognised, until)
  ).pipe(Effect.mapError(about(source.name ?? "the upload")))
  const { pageStarts, text } = merge(extracted.pages)
  const id = documentId(source.bytes)
  const language = input.language ?? languageSaid(extracted.language) ?? (yield* languageOf(text))
  const title = input.title ?? titleOf(extracted.title ?? "") ?? titleOf(text) ?? source.name ?? "Untitled"
  const earlier = yield* earlierOf(id)
  const document: StoredDocument = {
    id,
    // It goes on to where half of a character is refused.
    title: title.toWellFormed(),
    type: mediaTypes[kind],
    ...optional("language", language),
    metadata: extracted.metadata ?? {},
    // Until they have been found anew.
    keywords: earlier?.keywords ?? [],
    text,
    pageStarts,
    chunks: yield* cut(text, pageStarts, plan)
  }
  yield* documents.save(document)
  return describe(document)
})

export const describe = ({
  chunks,
  id,
  language,
  metadata = {},
  pageStarts,
  text,
  title,
  type
}: StoredDocument): Described => ({
  ...{ document: id, title, type, pages: pageStarts.length, chunks: chunks.length },
  ...{ characters: text.length, metadata },
  ...optional("language", language)
})

/** What is known of it if it was processed before. */
const earlierOf = Effect.fnUntraced(function* (id: string) {
  const documents = yield* Documents
  return yield* Effect.catchTag(documents.load(id), "FileNotFound", () => Effect.undefined)
})

// ---------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------

/** The text of what was recognised; fails when there is none, or too much. */
const extract = Effect.fnUntraced(function* (recognised: Recognised, until: number) {
  const extracted = yield* extractAs(recognised, until)
  const characters = extracted.pages.reduce((sum, page) => sum + page.length, 0)
  if (characters === 0) {
    const hint =
      recognised.kind === "pdf" ? "; pages that are pictures would have to be recognised (OCR) first" : ""
    return yield* refuse("EmptyDocument", `it holds no text${hint}`)
  }
  if (characters > charactersMax) {
    return yield* refuse(
      "DocumentTooLarge",
      `it has ${characters} characters of text; at most ${charactersMax} can be processed`
    )
  }
  return { extracted, kind: recognised.kind }
})

const extractAs = Effect.fnUntraced(function* (recognised: Recognised, until: number) {
  const readers = yield* Readers
  const tellPage = report(until)
  if (recognised.kind === "pdf") return yield* readers.read({ as: "pdf", bytes: recognised.bytes }, tellPage)
  const extracted =
    recognised.kind === "docx"
      ? yield* readers.read({ as: "docx", bytes: recognised.bytes }, tellPage)
      : recognised.kind === "html"
        ? yield* readers.read({ as: "html", bytes: utf8.encode(recognised.text) }, tellPage)
        : recognised.kind === "markdown"
          ? extractMarkdown(recognised.text)
          : extractText(recognised.text)
  const pages = extracted.pages.length
  yield* Effect.forEach(
    extracted.pages,
    ({ length: characters }, at) => tellPage({ page: at + 1, pages, characters }),
    { discard: true }
  )
  return extracted
})

const utf8 = new TextEncoder()

const report =
  (until: number) =>
  ({ characters, page, pages }: PageRead) =>
    tell((task) =>
      Effect.all(
        [
          task.progress((until * page) / pages, `page ${page} of ${pages}`),
          task.log(`page ${page}: ${characters} characters`),
          task.emit({ page, characters })
        ],
        { concurrency: "unbounded", discard: true }
      )
    )

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
export const tell = (
  event: (task: CurrentTask["Service"]) => Effect.Effect<void, AttemptOver | EventRefused>
) => Effect.catchTag(CurrentTask.use(event), "EventRefused", () => Effect.void)

/** Says which document a refusal is about. */
const about =
  (name: string) =>
  <E>(error: E) =>
    error instanceof Fatal
      ? new Fatal(`${name}: ${error.message}`, { type: error.name, cause: error })
      : error

/** The first line, cut at a word if it is long. */
const titleOf = (text: string) => {
  const [line = ""] = clean(text).split("\n", 1)
  if (line.length <= titleCharactersMax) return line === "" ? undefined : line
  return `${beginning(line, titleCharactersMax - 1).replace(/\s+\S*$/, "")}…`
}

// ---------------------------------------------------------------------------------------------------------
// Chunks
// ---------------------------------------------------------------------------------------------------------

/** The chunks that were asked for; `features` says what each sentence means where that is not told by its words. */
export const cut = Effect.fnUntraced(function* (
  text: string,
  pageStarts: ReadonlyArray<number>,
  { chunking, overlap, size }: Plan,
  features?: ReadonlyArray<Features>
) {
  const cutting: Cutting = { size, overlap, tokens: yield* loadTokens }
  if (chunking === "recursive") return yield* gathered(chunkRecursively(text, cutting, pageStarts))
  if (chunking === "sentences") return yield* gathered(chunkBySentences(text, cutting, pageStarts))
  const spans = sentences(text)
  const textOf = ({ end, start }: Span) => text.slice(start, end)
  const alike = likenesses(features ?? spans.map((span) => featuresOfWords(textOf(span))))
  const parts = partsOf(spans, alike, (span) => cutting.tokens(textOf(span)), size / shortestPart)
  return yield* gathered(chunkByParts(text, parts, cutting, pageStarts))
})

/** A part by meaning has at least this part of a chunk's size. */
const shortestPart = 6

/** So many chunks are made between two looks at what else is to do. */
const atOnce = 100

/** All of them; other tasks of the process go on meanwhile. */
const gathered = Effect.fnUntraced(function* (chunks: Iterable<Chunk>) {
  const all: Array<Chunk> = []
  for (const chunk of chunks) {
    all.push(chunk)
    if (all.length % atOnce === 0) yield* Effect.yieldNow
  }
  return all
})

/** A field that is there only when it has a value. */
const optional = <K extends string, A>(key: K, value: A | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: A }
