/**
 * Reads a PDF page by page with `unpdf` (Mozilla's PDF.js).
 *
 * Between two pages the work can be interrupted. A page may be made to take hours, or all memory: it is read in a process of its
 * own (`readers.ts`).
 */
import { Effect } from "effect"
import { refuse } from "../refusal/refuse.ts"
import { layoutText } from "./layout.ts"
import { said } from "./metadata.ts"
import { beginning } from "../text/beginning.ts"
import { charactersMax, clean, type Extracted, withoutRunningLines } from "./pages.ts"

/** A document of more pages is refused. */
export const pagesMax = 5_000

/** An image that claims more pixels is not decoded; only text is wanted. */
const pixelsMax = 1_000_000

/** Of what a document says of itself no more is looked at: it goes to the worker, to whom it must not be a burden. */
const saidCharactersMax = 10_000

export interface PageRead {
  /** From 1. */
  readonly page: number
  readonly pages: number
  readonly characters: number
}

/** Extracts the text; `onPage` runs after each page, and the next page waits for it. */
export const extractPdf = Effect.fn("extractPdf")(function* <E, R>(
  bytes: Uint8Array,
  onPage: (read: PageRead) => Effect.Effect<void, E, R>
) {
  const { getDocumentProxy } = yield* Effect.promise(() => import("unpdf"))
  const pdf = yield* Effect.acquireRelease(
    reading(() =>
      // PDF.js takes the buffer for itself, so it gets a copy.
      getDocumentProxy(new Uint8Array(bytes), { verbosity: 0, maxImageSize: pixelsMax })
    ),
    (open) => Effect.ignoreCause(Effect.promise(() => open.loadingTask.destroy()))
  )
  if (pdf.numPages > pagesMax) {
    return yield* refuse(
      "DocumentTooLarge",
      `it has ${pdf.numPages} pages; at most ${pagesMax} can be processed`
    )
  }
  const pages: Array<string> = []
  let characters = 0
  for (let page = 1; page <= pdf.numPages; page++) {
    const text = yield* reading(async () => {
      const open = await pdf.getPage(page)
      const { items, styles } = await open.getTextContent()
      open.cleanup()
      return clean(layoutText({ items: items.filter((item) => "str" in item), styles }))
    })
    characters += text.length
    if (characters > charactersMax) {
      return yield* refuse(
        "DocumentTooLarge",
        `it has more than ${charactersMax} characters of text, which is the most that can be processed`
      )
    }
    pages.push(text)
    yield* onPage({ page, pages: pdf.numPages, characters: text.length })
  }
  const { info } = yield* reading(() => pdf.getMetadata())
  const { Author, CreationDate, Language, ModDate, Producer, Subject, Title } = info as Info
  const extracted: Extracted = {
    pages: withoutRunningLines(pages),
    title: titleOf(Title),
    language:
      typeof Language === "string" && Language !== "" ? beginning(Language, saidCharactersMax) : undefined,
    metadata: said({
      ...{ author: Author, subject: Subject, producer: Producer },
      ...{ created: CreationDate, modified: ModDate, pageCount: pdf.numPages }
    })
  }
  return extracted
}, Effect.scoped)

/** What a PDF says of itself, as whoever made it wished. */
interface Info {
  readonly Title?: unknown
  readonly Author?: unknown
  readonly Subject?: unknown
  readonly Producer?: unknown
  readonly CreationDate?: unknown
  readonly ModDate?: unknown
  readonly Language?: unknown
}

/** Titles that programs leave behind when nobody gave one. */
const madeUpTitle = /^\s*$|^untitled|^microsoft word|\.(docx?|indd|dvi|tex|qxd|odt)$/i

const titleOf = (title: unknown) =>
  typeof title === "string" && !madeUpTitle.test(title) ? beginning(title, saidCharactersMax) : undefined

/** Whatever PDF.js cannot read is the document's fault, and reading it again would not help. */
const reading = <A>(run: () => Promise<A>) =>
  Effect.tryPromise(run).pipe(
    Effect.catch(({ cause }) =>
      cause instanceof Error && cause.name === "PasswordException"
        ? refuse(
            "EncryptedDocument",
            "it is encrypted and opens only with a password; send a copy without one"
          )
        : refuse(
            "DamagedDocument",
            `it cannot be read as a PDF: ${cause instanceof Error ? cause.message : String(cause)}`
          )
    )
  )
