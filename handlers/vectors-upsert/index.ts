/**
 * Writes items with vectors to a collection: vectors that are brought along, texts that are embedded, or the chunks of a
 * processed document.
 *
 * Items are written in batches, and items that the store refuses are named; the others are written. The first write makes
 * the collection, and says how many dimensions it has and which model its vectors are of.
 *
 * Safe to repeat: an item with the id of another one takes its place. A document's items are named by it, so processing it
 * again replaces them, and those of chunks that it does not have any more go.
 */
import { Effect, Layer, Schema } from "effect"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { Files } from "../../runtime/files.ts"
import { DocumentId, Documents } from "../text/documents.ts"
import { chunksOf } from "../embedding/chunks.ts"
import { Embeddings } from "../embedding/embeddings.ts"
import { ChunkNumber, ModelName, Text } from "../embedding/input.ts"
import { limitOf } from "../embedding/limit.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { layer as storeLayer } from "../vectors/choice.ts"
import { Metadata, storable } from "../vectors/filter.ts"
import { agree, CollectionName, embedFor, ItemId, Vector } from "../vectors/input.ts"
import { type Collection, type Item, VectorStore } from "../vectors/store.ts"
import { writeAll } from "../vectors/write.ts"

const itemsMax = 10_000

const InputItem = Schema.Struct({
  id: ItemId,
  vector: Schema.optionalKey(Vector),
  text: Schema.optionalKey(Text),
  metadata: Schema.optionalKey(Metadata)
}).check(
  Schema.makeFilter(
    ({ text, vector }) =>
      (text === undefined) !== (vector === undefined) || "give exactly one of vector and text"
  )
)
type InputItem = typeof InputItem.Type

const Input = Schema.Struct({
  collection: CollectionName,
  items: Schema.optionalKey(
    Schema.Array(InputItem).check(Schema.isMinLength(1), Schema.isMaxLength(itemsMax))
  ),
  document: Schema.optionalKey(DocumentId),
  from: Schema.optionalKey(ChunkNumber),
  to: Schema.optionalKey(ChunkNumber),
  /** Added to what is said of each chunk. */
  metadata: Schema.optionalKey(Metadata),
  model: Schema.optionalKey(ModelName)
}).check(
  Schema.makeFilter(({ document, from, items, metadata, to }) =>
    (items === undefined) === (document === undefined)
      ? "name exactly one of items and document"
      : document === undefined && (from !== undefined || to !== undefined || metadata !== undefined)
        ? "from, to and metadata are for a document"
        : (repeated(items ?? []) ?? true)
  )
)
type Input = typeof Input.Type

/** Which of two would count nobody could say. */
const repeated = (items: ReadonlyArray<InputItem>): string | undefined => {
  const seen = new Set<string>()
  const twice = items.find(({ id }) => seen.size === seen.add(id).size)
  return twice === undefined ? undefined : `the id ${twice.id} is there twice`
}

const output = Schema.Struct({
  collection: Schema.String,
  dimensions: Schema.Int,
  /** The model that the collection's vectors are of, where one of ours made them. */
  model: Schema.optionalKey(Schema.String),
  written: Schema.Int,
  /** Items that were not written, and why. */
  refused: Schema.Array(Schema.Struct({ id: Schema.String, reason: Schema.String }))
})

/** Embedding is most of the work where there is any. */
const embeddingPart = 0.8

/** `vectors.upsert`: keeps vectors in a collection. */
export const vectorsUpsert = defineTask.effect({
  name: "vectors.upsert",
  queue: "vectors",
  input: exactly(Input),
  output,
  timeout: "30 minutes",
  retry: { attempts: 6, backoff: { base: "1 second", cap: "1 minute" } },
  limits: [
    limitOf(({ items = [], ...of }: Input) => ({ ...of, texts: items.flatMap(({ text }) => text ?? []) }))
  ],
  layer: Layer.mergeAll(Embeddings.layer, Documents.layer.pipe(Layer.provide(Files.layer)), storeLayer),

  run: Effect.fn("vectors.upsert")(function* (input) {
    const store = yield* VectorStore
    const there = yield* store.collection(input.collection)
    const wanted = yield* input.document === undefined
      ? itemsOf(input.items!)
      : itemsOfDocument(input.document, input.from, input.to, input.metadata ?? {})

    const texts = wanted.flatMap(({ text }) => text ?? [])
    const embedded =
      texts.length === 0
        ? undefined
        : yield* embedFor(there, input.model, texts, (done) =>
            tell((embeddingPart * done) / texts.length, `${done} of ${texts.length} texts embedded`)
          )
    let next = 0
    const items = wanted.map(({ id, metadata, vector }): Item => ({
      id,
      metadata,
      vector: vector === undefined ? embedded!.vectors[next++]! : new Float32Array(vector)
    }))
    const dimensions = embedded?.vectors[0]?.length ?? items[0]!.vector.length
    const collection: Collection =
      there ?? (yield* store.open({ name: input.collection, dimensions, model: embedded?.model }))
    if (embedded !== undefined) yield* agree(collection, { dimensions, model: embedded.model })

    const from = embedded === undefined ? 0 : embeddingPart
    const { refused, written } = yield* writeAll(store, collection, items, (done) =>
      tell(from + ((1 - from) * done) / items.length, `${done} of ${items.length} items`)
    )
    if (written === 0) {
      const [{ id, reason }] = refused as [(typeof refused)[number]]
      return yield* refuse("ItemsRefused", `none of ${items.length} items was written; ${id}: ${reason}`)
    }
    if (input.document !== undefined && input.from === undefined && input.to === undefined) {
      // Of an earlier processing that cut it into more.
      yield* store.remove(collection, { filter: { document: input.document, chunk: { gte: items.length } } })
    }
    return {
      collection: collection.name,
      dimensions: collection.dimensions,
      ...(collection.model === undefined ? {} : { model: collection.model }),
      written,
      refused
    }
  })
})

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const tell = (fraction: number, message: string) =>
  Effect.ignore(CurrentTask.use(({ progress }) => progress(fraction, message)))

interface Wanted {
  readonly id: string
  readonly metadata: Metadata
  readonly vector?: ReadonlyArray<number> | undefined
  readonly text?: string | undefined
}

const itemsOf = (items: ReadonlyArray<InputItem>) =>
  Effect.succeed(items.map(({ id, metadata = {}, text, vector }): Wanted => ({ id, metadata, text, vector })))

/** A chunk each, by `<document>#<index>`; metadata says where it stands. */
const itemsOfDocument = Effect.fnUntraced(function* (
  id: string,
  from: number | undefined,
  to: number | undefined,
  metadata: Metadata
) {
  const { chunks, document, texts } = yield* chunksOf(id, from, to)
  if (chunks.length === 0) return yield* refuse("NoSuchChunks", `document ${id} has no chunks there`)
  return chunks.map((chunk, at): Wanted => ({
    id: `${id}#${chunk.index}`,
    text: texts[at]!,
    metadata: {
      ...metadata,
      document: id,
      chunk: chunk.index,
      page: chunk.page,
      title: storable(document.title),
      type: document.type,
      ...(document.language === undefined ? {} : { language: document.language })
    }
  }))
})
