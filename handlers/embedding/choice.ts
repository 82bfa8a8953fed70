/** Which model a name means, where it runs. */
import { Effect } from "effect"
import { type EmbeddingModel, hashModel } from "../../runtime/embedding-model.ts"
import { hashVector } from "./hash.ts"
import { isLocalInstalled, localModelIn } from "./local.ts"
import type { Model } from "./model.ts"
import { openaiModel } from "./openai.ts"

/** Makes a model; what it opens closes with the scope. */
export const modelOf = Effect.fnUntraced(function* (asked: EmbeddingModel) {
  switch (asked.kind) {
    case "openai":
      return yield* openaiModel(asked.name)
    case "local":
      return yield* localModelIn
    case "hash":
      return hashes
    case "auto":
      return isLocalInstalled() ? yield* localModelIn : hashes
  }
})

/** Computed in place: sooner than a vector that is kept could be read. */
const hashes: Model = {
  name: `hash:${hashModel}`,
  isKept: false,
  isLimited: false,
  textTokensMax: 1_000_000,
  gather: { count: 32, tokens: 8_192, waitMs: 1, concurrency: 1 },
  embed: (texts) => Effect.sync(() => ({ vectors: texts.map(hashVector), tokens: undefined }))
}
