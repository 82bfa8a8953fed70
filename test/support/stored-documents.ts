/** Processed documents as they are kept, written by a test itself: one page, and a chunk for each of its paragraphs. */
import { Effect } from "effect"
import { Files } from "../../runtime/files.ts"
import { documentId } from "../../handlers/text/documents.ts"
import { filesIn } from "./folder.ts"

/** Keeps a document in the folder of files, and gives its id. */
export const storedDocument = (files: string, title: string, ...paragraphs: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const text = paragraphs.join("\n\n")
    const id = documentId(new TextEncoder().encode(`${title}\n${text}`))
    let at = 0
    const chunks = paragraphs.map((paragraph, index) => {
      const start = text.indexOf(paragraph, at)
      at = start + paragraph.length
      return { index, page: 1, start, end: at }
    })
    const document = { id, title, type: "text/plain", keywords: [], text, pageStarts: [0], chunks }
    const write = Files.use(({ writeObject }) =>
      writeObject(`documents/${id}.json`, new TextEncoder().encode(JSON.stringify(document)))
    )
    yield* Effect.provide(write, filesIn(files))
    return id
  })
