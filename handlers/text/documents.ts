/**
 * Processed documents: what `document.process` keeps and `agent.query` reads.
 *
 * A document is one object, `documents/<id>.json`. Its id is made of its content, so processing the same bytes again
 * writes the same document again, whole, in the same place.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import { type FileNotFound, Files, type FilesError } from "../../runtime/files.ts"

/** 32 lower-case hex digits. */
export const DocumentId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{32}$/u, { message: "a document id is 32 of 0-9 a-f" })
)

/** The first half of the content's SHA-256. */
export const documentId = (content: Uint8Array): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 32)

export const StoredChunk = Schema.Struct({
  /** From 0, in reading order. */
  index: Schema.Int,
  /** The page it begins on, from 1. */
  page: Schema.Int,
  /** Where it lies in the document's text, in UTF-16 units, half open. */
  start: Schema.Int,
  end: Schema.Int
})

/** What a document says of itself; only what it says is there. */
export const Metadata = Schema.Struct({
  author: Schema.optionalKey(Schema.String),
  subject: Schema.optionalKey(Schema.String),
  /** The program that made it. */
  producer: Schema.optionalKey(Schema.String),
  /** ISO 8601, in UTC. */
  created: Schema.optionalKey(Schema.String),
  modified: Schema.optionalKey(Schema.String),
  /** How many pages it says it has. */
  pageCount: Schema.optionalKey(Schema.Int)
})
export type Metadata = typeof Metadata.Type

export const StoredDocument = Schema.Struct({
  id: DocumentId,
  title: Schema.String,
  /** The media type it was found to have. */
  type: Schema.String,
  language: Schema.optionalKey(Schema.String),
  metadata: Schema.optionalKey(Metadata),
  keywords: Schema.Array(Schema.String),
  text: Schema.String,
  /** Where each page begins in the text; the first begins at 0. */
  pageStarts: Schema.Array(Schema.Int),
  chunks: Schema.Array(StoredChunk)
})
export type StoredDocument = typeof StoredDocument.Type

/** The page, from 1, that holds the position `at` of the text. */
export const pageAt = (pageStarts: ReadonlyArray<number>, at: number): number => {
  let low = 0
  let high = pageStarts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (pageStarts[middle]! <= at) low = middle + 1
    else high = middle
  }
  return Math.max(1, low)
}

export class Documents extends Context.Service<
  Documents,
  {
    /** Keeps the document, instead of the one with its id if there is one. */
    readonly save: (document: StoredDocument) => Effect.Effect<void, FilesError>

    /** Fails with `FileNotFound` when no document has this id. */
    readonly load: (id: string) => Effect.Effect<StoredDocument, FileNotFound | FilesError>

    /** The ids of all documents, in order. */
    readonly list: Effect.Effect<ReadonlyArray<string>, FilesError>
  }
>()("troupe/handlers/Documents") {
  static readonly layer = Layer.effect(
    Documents,
    Effect.gen(function* () {
      const files = yield* Files

      const save = Effect.fn("Documents.save")(function* (document: StoredDocument) {
        yield* files.writeObject(
          nameOf(document.id),
          new TextEncoder().encode(yield* Effect.orDie(encode(document)))
        )
      })

      const load = Effect.fn("Documents.load")(function* (id: string) {
        const bytes = yield* files.readObject(nameOf(id))
        return yield* Effect.orDie(decode(new TextDecoder().decode(bytes)))
      })

      const list = Effect.map(files.listObjects(folder), (names) =>
        names.filter((name) => name.endsWith(ending)).map((name) => name.slice(folder.length, -ending.length))
      )

      return Documents.of({ save, load, list })
    })
  )
}

const folder = "documents/"
const ending = ".json"
const nameOf = (id: string) => `${folder}${id}${ending}`

const encode = Schema.encodeEffect(Schema.fromJsonString(StoredDocument))
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(StoredDocument))
