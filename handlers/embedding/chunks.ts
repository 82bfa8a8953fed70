/** The texts of a processed document's chunks, in their order. */
import { Effect } from "effect"
import { Documents } from "../text/documents.ts"
import { refuse } from "../refusal/refuse.ts"

/** Some of a document's chunks: `from` counts from 0, `to` is left out. Refuses what is not there. */
export const chunksOf = Effect.fnUntraced(function* (
  id: string,
  from: number | undefined,
  to: number | undefined
) {
  const document = yield* Documents.use(({ load }) => load(id)).pipe(
    Effect.catchTag("FileNotFound", () =>
      refuse("UnknownDocument", `there is no processed document ${id}; run document.process first`)
    )
  )
  const { chunks } = document
  const first = from ?? 0
  const end = to ?? chunks.length
  if (first > end || end > chunks.length) {
    return yield* refuse(
      "NoSuchChunks",
      `chunks ${first} to ${end} of document ${id} are asked for, which has ${chunks.length}`
    )
  }
  return {
    document,
    chunks: chunks.slice(first, end),
    texts: chunks.slice(first, end).map(({ end, start }) => document.text.slice(start, end))
  }
})
