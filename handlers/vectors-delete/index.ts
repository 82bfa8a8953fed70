/**
 * Removes items from a collection: by their ids, those of a document, those that fit a filter, or all with the collection
 * itself.
 *
 * Safe to repeat: what is not there any more is passed over.
 */
import { Effect, Schema } from "effect"
import { defineTask } from "../../runtime/handler.ts"
import { exactly } from "../input/exactly.ts"
import { DocumentId } from "../text/documents.ts"
import { layer as storeLayer } from "../vectors/choice.ts"
import { Filter } from "../vectors/filter.ts"
import { CollectionName, ItemId } from "../vectors/input.ts"
import { VectorStore } from "../vectors/store.ts"

const idsMax = 10_000

const input = Schema.Struct({
  collection: CollectionName,
  ids: Schema.optionalKey(Schema.Array(ItemId).check(Schema.isMinLength(1), Schema.isMaxLength(idsMax))),
  /** All items of a processed document. */
  document: Schema.optionalKey(DocumentId),
  filter: Schema.optionalKey(Filter),
  /** The collection goes, too; the next write may give it other dimensions and another model. */
  all: Schema.optionalKey(Schema.Literal(true))
}).check(
  Schema.makeFilter(
    ({ all, document, filter, ids }) =>
      [ids, document, filter, all].filter((which) => which !== undefined).length === 1 ||
      "name exactly one of ids, document, filter and all"
  )
)

const output = Schema.Struct({
  collection: Schema.String,
  /** How many items went; absent where the store does not say. */
  deleted: Schema.optionalKey(Schema.Int)
})

/** `vectors.delete`: deletes vectors of a collection. */
export const vectorsDelete = defineTask.effect({
  name: "vectors.delete",
  queue: "vectors",
  input: exactly(input),
  output,
  timeout: "10 minutes",
  retry: { attempts: 6, backoff: { base: "1 second", cap: "1 minute" } },
  layer: storeLayer,

  run: Effect.fn("vectors.delete")(function* ({ collection: name, document, filter, ids }) {
    const store = yield* VectorStore
    const collection = yield* store.collection(name)
    if (collection === undefined) return { collection: name, deleted: 0 }
    const deleted = yield* ids !== undefined
      ? store.remove(collection, { ids })
      : document !== undefined
        ? store.remove(collection, { filter: { document } })
        : filter !== undefined
          ? store.remove(collection, { filter })
          : store.drop(collection)
    return { collection: name, ...(deleted === undefined ? {} : { deleted }) }
  })
})
