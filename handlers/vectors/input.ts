/** What inputs of vector handlers say alike, and the vectors they mean. */
import { Effect, Schema } from "effect"
import type { CurrentTask } from "../../runtime/handler.ts"
import { Embeddings } from "../embedding/embeddings.ts"
import { modelNamed } from "../embedding/input.ts"
import { refuse } from "../refusal/refuse.ts"
import type { Collection } from "./store.ts"

/** Names that every kind of store can hold. */
export const CollectionName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/u, {
    message: "a collection is named by 1 to 63 of a-z 0-9 _ -, the first no sign"
  })
)

export const ItemId = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,256}$/u, {
    message: "an id is 1 to 256 characters of ASCII without spaces"
  })
)

const dimensionsMax = 4_096

export const Vector = Schema.Array(Schema.Finite).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(dimensionsMax)
)

/** Refuses vectors that say nothing beside those of the collection. */
export const agree = Effect.fnUntraced(function* (
  { dimensions, model, name }: Collection,
  vector: { readonly dimensions?: number; readonly model: string | undefined }
) {
  if (vector.model !== undefined && model !== undefined && vector.model !== model) {
    return yield* refuse(
      "ModelMismatch",
      `collection ${name} holds vectors of ${model}; those of ${vector.model} say nothing beside them`
    )
  }
  if (vector.dimensions !== undefined && vector.dimensions !== dimensions) {
    return yield* refuse(
      "DimensionsMismatch",
      `collection ${name} has ${dimensions} dimensions, and the vector has ${vector.dimensions}`
    )
  }
})

/** Embeds texts for a collection, by the model that was asked for, or else the one that the collection's vectors are of. */
export const embedFor = Effect.fnUntraced(function* (
  collection: Collection | undefined,
  name: string | undefined,
  texts: ReadonlyArray<string>,
  onDone: (done: number) => Effect.Effect<void, never, CurrentTask> = () => Effect.void
) {
  const embeddings = yield* Embeddings
  const model = yield* embeddings.model(modelNamed(name ?? collection?.model))
  // Before anything is paid for.
  if (collection !== undefined) yield* agree(collection, { model: model.name })
  const { vectors } = yield* embeddings.embed(model, texts, onDone)
  return { vectors, model: model.name }
})
