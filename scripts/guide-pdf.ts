/**
 * Typesets the guide: `docs/guide/*.md` become `docs/guide.pdf`.
 *
 *     bun scripts/guide-pdf.ts [target]
 *
 * The same text gives the same bytes, so the file is committed beside its source, and a test says when it is stale.
 */
import { readdir } from "node:fs/promises"
import * as path from "node:path"
import { readChapter } from "./guide/markdown.ts"
import { typeset } from "./guide/typeset.ts"

const docs = path.resolve(import.meta.dir, "../docs")

/** The guide as a PDF. */
export const guidePdf = async (): Promise<Uint8Array> => {
  const folder = path.join(docs, "guide")
  const names = (await readdir(folder)).filter((name) => name.endsWith(".md")).sort()
  const chapters = await Promise.all(names.map((name) => Bun.file(path.join(folder, name)).text()))
  return typeset(chapters.map(readChapter))
}

if (import.meta.main) {
  const target = process.argv[2] ?? path.join(docs, "guide.pdf")
  const bytes = await guidePdf()
  await Bun.write(target, bytes)
  console.error(`${target}: ${bytes.byteLength} bytes`)
}
