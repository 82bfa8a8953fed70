/**
 * The limit that all handlers share which embed texts by a provider: tokens a minute.
 *
 * A task reserves what its texts have about, before it starts; what it has really sent is settled when it has ended, so that
 * texts whose vectors are kept make room at once. Tasks for models of this machine take nothing of it.
 */
import { Result } from "effect"
import { settingOf } from "../../runtime/config.ts"
import { readEmbeddingModel } from "../../runtime/embedding-model.ts"
import { tokensOf } from "./tokens.ts"

export const limitName = "embeddings"

/** A chunk of a document is about so long, where only their number is known; or the whole document, where not even that. */
const chunkTokens = 300
const documentTokens = 10_000

export interface Reserving {
  readonly model?: string
  readonly texts?: ReadonlyArray<string>
  readonly document?: string
  readonly from?: number
  readonly to?: number
}

/** What a task may send to a provider, in tokens, as far as its input tells. */
export const reserved = ({ document, from = 0, model, texts = [], to }: Reserving): number => {
  const setting = settingOf("embeddings")
  const asked = model === undefined ? setting : Result.getOrElse(readEmbeddingModel(model), () => setting)
  if (asked.kind !== "openai") return 0
  const chunks = document === undefined ? 0 : to === undefined ? documentTokens : (to - from) * chunkTokens
  return chunks + texts.reduce((sum, text) => sum + tokensOf(text), 0)
}

/** The limit of a handler whose inputs `read` reads. */
export const limitOf = <Input>(read: (input: Input) => Reserving) => ({
  key: limitName,
  rate: settingOf("embeddingsRate"),
  per: "1 minute" as const,
  amount: (input: Input) => reserved(read(input))
})
