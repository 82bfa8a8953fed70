/**
 * What a worker and its reader say to each other.
 *
 * The worker speaks first, and each word but `begin` has one answer: `taken` to each `piece`; to `read` and to each `next`
 * the page that was read, or how the document has ended.
 */
import type { Extracted } from "./pages.ts"
import type { PageRead } from "./pdf.ts"

/** What can be read there: all that is parsed by code which is not ours. */
export type Readable = "pdf" | "docx" | "html"

export type WorkerWord =
  /** A document comes, of so many bytes. */
  | { readonly kind: "begin"; readonly as: Readable; readonly bytes: number }
  | { readonly kind: "piece"; readonly piece: Uint8Array }
  | { readonly kind: "read" }
  | { readonly kind: "next" }

export type ReaderWord =
  | { readonly kind: "taken" }
  | { readonly kind: "page"; readonly read: PageRead }
  | { readonly kind: "extracted"; readonly extracted: Extracted }
  /** It can never be read; as `Fatal` says it. */
  | { readonly kind: "refused"; readonly type: string; readonly message: string }
  /** Something that should be impossible. */
  | { readonly kind: "broken"; readonly message: string }
