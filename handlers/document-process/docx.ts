/**
 * Reads a Word document (DOCX) with `mammoth`, and what it says of itself from its properties.
 *
 * Its pages are where its writer has put page breaks; where Word breaks pages by itself is not in the file. Pictures are
 * not read. `mammoth` does not see the archive, only what has been unpacked of it within its bounds.
 */
import { Effect } from "effect"
import { optionalPackage } from "../packages/optional.ts"
import { refuse } from "../refusal/refuse.ts"
import type { Metadata } from "../text/documents.ts"
import { directoryOf, unpack } from "./archive.ts"
import { pageBreakClass, pagesOf } from "./elements.ts"
import { said } from "./metadata.ts"
import type { Extracted } from "./pages.ts"

/** All that is read of a document must unpack to no more: it is parsed in one go, at some 10 MB a second. */
export const docxBytesMax = 32 * 1024 * 1024

const properties = { core: "docProps/core.xml", app: "docProps/app.xml" }

export const extractDocx = Effect.fn("extractDocx")(function* (bytes: Uint8Array) {
  const entries = (directoryOf(bytes) ?? []).filter(({ name }) => /\.(xml|rels)$/i.test(name))
  const parts = yield* unpack(bytes, entries, docxBytesMax)
  const mammoth = yield* optionalPackage("mammoth", () => import("mammoth"))
  const { parseHTML } = yield* Effect.promise(() => import("linkedom"))
  const { value } = yield* Effect.tryPromise(() =>
    mammoth.convertToHtml(unpacked(parts), {
      styleMap: [`br[type='page'] => hr.${pageBreakClass}`],
      convertImage: mammoth.images.imgElement(async () => ({ src: "" })),
      externalFileAccess: false
    })
  ).pipe(
    Effect.catch(({ cause }) =>
      refuse(
        "DamagedDocument",
        `it cannot be read as a Word document: ${cause instanceof Error ? cause.message : String(cause)}`
      )
    )
  )
  return yield* Effect.sync((): Extracted => {
    const { document } = parseHTML(`<!doctype html><html><head></head><body>${value}</body></html>`)
    return { pages: pagesOf(document.body), ...propertiesOf(parts) }
  })
})

/**
 * The parts as `mammoth` asks for those of an archive, which is not in its types. It would find others in the archive itself: a
 * relation may name a part of any ending, and what one reader takes for the directory another may not.
 */
const unpacked = (parts: ReadonlyMap<string, Uint8Array>): { readonly buffer: Buffer } => {
  const file = {
    exists: (name: string) => parts.has(name),
    read: async (name: string, encoding?: string) =>
      encoding === undefined ? parts.get(name) : new TextDecoder(encoding).decode(parts.get(name))
  }
  return { file } as never
}

const propertiesOf = (
  parts: ReadonlyMap<string, Uint8Array>
): { readonly title?: string; readonly language?: string; readonly metadata: Metadata } => {
  const core = fieldsOf(parts.get(properties.core))
  const app = fieldsOf(parts.get(properties.app))
  const title = core("dc:title")
  const language = core("dc:language")
  return {
    ...(title === undefined ? {} : { title }),
    ...(language === undefined ? {} : { language }),
    metadata: said({
      ...{ author: core("dc:creator"), subject: core("dc:subject") ?? core("dc:description") },
      ...{ created: core("dcterms:created"), modified: core("dcterms:modified") },
      ...{ producer: app("Application"), pageCount: app("Pages") }
    })
  }
}

/** The fields of a file of properties: flat elements, whose prefixes every writer uses as the standard does. */
const fieldsOf = (bytes: Uint8Array | undefined) => {
  const xml = bytes === undefined ? "" : new TextDecoder().decode(bytes)
  return (name: string): string | undefined => {
    const found = new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1]?.trim()
    return found === undefined || found === "" ? undefined : unescaped(found)
  }
}

const unescaped = (text: string) =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(lt|gt|quot|apos|amp));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[String(name).toLowerCase() as keyof typeof named]
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : String(whole)
  })

const named = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" } as const
