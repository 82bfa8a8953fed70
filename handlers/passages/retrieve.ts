/**
 * Finds the passages of processed documents that fit a question best.
 *
 * Every question reads the documents anew: what was processed a moment ago is found, and nothing is kept in memory.
 * That suits hundreds of documents; thousands want an index.
 */
import { Effect } from "effect"
import { Documents, type StoredDocument } from "../text/documents.ts"
import { terms } from "../text/words.ts"
import { refuse } from "../refusal/refuse.ts"
import { bm25 } from "./bm25.ts"
import { fused } from "./fusion.ts"

/** So many documents are read from the disk at once. */
const readAtOnce = 8

/** A chunk of a document that has words of the question. */
export interface Passage {
  readonly document: StoredDocument
  readonly chunk: StoredDocument["chunks"][number]
  readonly score: number
}

export interface Retrieved {
  /** The best first. */
  readonly passages: ReadonlyArray<Passage>
  /** What each word of the question is worth. */
  readonly weights: ReadonlyMap<string, number>
  /** How many documents were looked through. */
  readonly documents: number
}

/** The ids of the documents that a question is about: those it names, or all there are. None is a refusal. */
export const documentsFor = Effect.fnUntraced(function* (named: ReadonlyArray<string> | undefined) {
  const documents = yield* Documents
  const ids = named ?? (yield* documents.list)
  if (ids.length === 0) {
    return yield* refuse(
      "NoDocuments",
      "no document has been processed yet; submit one to document.process first"
    )
  }
  return [...new Set(ids)]
})

/**
 * At most `limit` passages of the documents. `near` are places, as `<document>#<chunk>`, that something else than words has
 * found, the best first; where there are some, both orders count alike.
 */
export const retrieve = Effect.fn("retrieve")(function* (
  question: string,
  ids: ReadonlyArray<string>,
  limit: number,
  near: ReadonlyArray<string> = []
) {
  const documents = yield* load(ids)
  const chunks = documents.flatMap((document) => document.chunks.map((chunk) => ({ document, chunk })))
  const { scores, weights } = bm25(
    terms(question),
    chunks.values().map(({ chunk, document }) => terms(textOf(document, chunk)))
  )
  const byWords = chunks
    .map((found, at): Passage => ({ ...found, score: scores[at]! }))
    .filter(({ score }) => score > 0)
    .sort((x, y) => y.score - x.score)
  const passages = (near.length === 0 ? byWords : together(byWords, chunks, near)).slice(0, limit)
  const retrieved: Retrieved = { passages, weights, documents: documents.length }
  return retrieved
})

/** The place of a passage, as the ids of its vectors say it. */
export const placeOf = ({ chunk, document }: Pick<Passage, "chunk" | "document">): string =>
  `${document.id}#${chunk.index}`

const together = (
  byWords: ReadonlyArray<Passage>,
  chunks: ReadonlyArray<Pick<Passage, "chunk" | "document">>,
  near: ReadonlyArray<string>
): ReadonlyArray<Passage> => {
  const worth = fused([byWords.map(placeOf), near])
  return chunks
    .flatMap((found): ReadonlyArray<Passage> => {
      const score = worth.get(placeOf(found))
      return score === undefined ? [] : [{ ...found, score }]
    })
    .toSorted((x, y) => y.score - x.score)
}

/** The text of a passage. */
export const textOf = (
  document: StoredDocument,
  { end, start }: { readonly start: number; readonly end: number }
) => document.text.slice(start, end)

const load = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const documents = yield* Documents
  return yield* Effect.forEach(
    ids,
    (id) =>
      Effect.catchTag(documents.load(id), "FileNotFound", () =>
        refuse("UnknownDocument", `no processed document has the id ${id}`)
      ),
    { concurrency: readAtOnce }
  )
})
