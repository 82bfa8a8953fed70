/** What inputs say alike of the model that embeds their texts. */
import { Result, Schema } from "effect"
import { readEmbeddingModel } from "../../runtime/embedding-model.ts"

/** `auto`, `local`, `hash`, `openai`, `openai:name`; or the name that a model has in outputs. */
export const ModelName = Schema.String.check(
  Schema.makeFilter((text) =>
    Result.match(readEmbeddingModel(text), { onSuccess: () => true, onFailure: (fault) => fault })
  )
)

/** The model that an input names; one that does not fit was refused before. */
export const modelNamed = (name: string | undefined) =>
  name === undefined ? undefined : Result.getOrUndefined(readEmbeddingModel(name))

/** A text with something in it. */
export const Text = Schema.String.check(
  Schema.isPattern(/\S/u, { message: "must not be blank" }),
  Schema.isMaxLength(100_000)
)

/** Which of a document's chunks: `from` counts from 0, `to` is left out. Default: all. */
export const ChunkNumber = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
