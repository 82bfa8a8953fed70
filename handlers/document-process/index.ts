/**
 * Makes a document searchable: reads its text, cuts it into chunks, finds its keywords, and keeps them.
 *
 * Safe to repeat: the document's id is made of its bytes, and it is written whole in one step. Documents that can
 * never be read (damaged, encrypted, empty, too large, of another type) and places that may not be read fail at once,
 * each with a type of its own; a server or a disk that does not answer is tried again.
 */
import { Effect, Layer, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { type AttemptOver, CurrentTask, defineTask, type EventRefused, Fatal } from "../../runtime/handler.ts"
import { DocumentId, documentId, Documents, type StoredDocument } from "../text/documents.ts"
import { refuse } from "../refusal/refuse.ts"
import { chunk } from "./chunks.ts"
import { extractHtml } from "./html.ts"
import { keywords } from "./keywords.ts"
import { mediaTypes, recognise, type Recognised } from "./kind.ts"
import { clean, merge } from "./pages.ts"
import { extractPdf, type PageRead } from "./pdf.ts"
import { extractMarkdown, extractText } from "./plain.ts"
import { Sources } from "./sources.ts"

/** A document with more text is refused, in UTF-16 units; about 4 000 pages. */
export const charactersMax = 10_000_000

const titleCharactersMax = 200

const input = Schema.Struct({
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
  /** A language tag such as `en`. Default: what the document declares. */
  language: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/u, { message: "must be a language tag" })
    )
  )
}).check(
  Schema.makeFilter(
    ({ file, path, url }) =>
      [file, url, path].filter((place) => place !== undefined).length === 1 ||
      "name exactly one of file, url and path"
  )
)

const output = Schema.Struct({
  document: DocumentId,
  title: Schema.String,
  /** The media type it was found to have. */
  type: Schema.String,
  pages: Schema.Int,
  chunks: Schema.Int,
  /** Length of its text in UTF-16 units. */
  characters: Schema.Int,
  keywords: Schema.Array(Schema.String),
  language: Schema.optionalKey(Schema.String)
})

export const documentProcess = defineTask.effect({
  name: "document.process",
  queue: "documents",
  input,
  output,
  timeout: "10 minutes",
  layer: Layer.merge(Sources.layer, Documents.layer).pipe(Layer.provide(Files.layer)),

  run: Effect.fn("document.process")(function* (input) {
    const sources = yield* Sources
    const documents = yield* Documents

    const source = yield* sources.open(input)
    const { extracted, kind } = yield* Effect.flatMap(recognise(source), extract).pipe(
      Effect.mapError(about(source.name ?? "the upload"))
    )
    const { pageStarts, text } = merge(extracted.pages)
    const document: StoredDocument = {
      id: documentId(source.bytes),
      title: input.title ?? titleOf(extracted.title ?? "") ?? titleOf(text) ?? source.name ?? "Untitled",
      type: mediaTypes[kind],
      ...optional("language", input.language ?? extracted.language),
      keywords: keywords(text),
      text,
      pageStarts,
      chunks: chunk(text, pageStarts)
    }
    yield* documents.save(document)
    yield* tell((task) => task.progress(1, `kept in ${document.chunks.length} chunks`))

    return {
      document: document.id,
      title: document.title,
      type: document.type,
      pages: pageStarts.length,
      chunks: document.chunks.length,
      characters: text.length,
      keywords: document.keywords,
      ...optional("language", document.language)
    }
  })
})

/** The text of what was recognised; fails when there is none, or too much. */
const extract = Effect.fnUntraced(function* (recognised: Recognised) {
  const extracted = yield* extractAs(recognised)
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

const extractAs = Effect.fnUntraced(function* (recognised: Recognised) {
  if (recognised.kind === "pdf") return yield* extractPdf(recognised.bytes, report)
  const extracted =
    recognised.kind === "html"
      ? yield* extractHtml(recognised.text)
      : recognised.kind === "markdown"
        ? extractMarkdown(recognised.text)
        : extractText(recognised.text)
  yield* report({ page: 1, pages: 1, characters: extracted.pages[0]!.length })
  return extracted
})

/** What is left to do once the pages are read, as a part of the whole. */
const afterPages = 0.1

const report = ({ characters, page, pages }: PageRead) =>
  tell((task) =>
    Effect.all(
      [
        task.progress(((1 - afterPages) * page) / pages, `page ${page} of ${pages}`),
        task.log(`page ${page}: ${characters} characters`),
        task.emit({ page, characters })
      ],
      { concurrency: "unbounded", discard: true }
    )
  )

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const tell = (event: (task: CurrentTask["Service"]) => Effect.Effect<void, AttemptOver | EventRefused>) =>
  Effect.catchTag(CurrentTask.use(event), "EventRefused", () => Effect.void)

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
  return `${line.slice(0, titleCharactersMax - 1).replace(/\s+\S*$/, "")}…`
}

/** A field that is there only when it has a value. */
const optional = <K extends string, A>(key: K, value: A | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: A }
