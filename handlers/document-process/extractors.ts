/** How each kind of document is read that is parsed by code which is not ours. */
import type { Effect } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { extractDocx } from "./docx.ts"
import { extractHtml } from "./html.ts"
import type { Extracted } from "./pages.ts"
import { extractPdf, type PageRead } from "./pdf.ts"
import type { Readable } from "./reader-messages.ts"

/** A document that was recognised. A page is in UTF-8 here, whatever it came in. */
export interface Unread {
  readonly as: Readable
  readonly bytes: Uint8Array
}

/** `onPage` is told of a PDF's pages, which take long; others are read in one go. */
export const extractorOf = <E, R>(
  { as, bytes }: Unread,
  onPage: (read: PageRead) => Effect.Effect<void, E, R>
): Effect.Effect<Extracted, Fatal | E, R> => {
  switch (as) {
    case "pdf":
      return extractPdf(bytes, onPage)
    case "docx":
      return extractDocx(bytes)
    case "html":
      return extractHtml(utf8.decode(bytes))
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
