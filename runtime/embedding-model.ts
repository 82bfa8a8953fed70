/** Which model embeds texts, as an input or a setting names it. */
import { Result } from "effect"

export type EmbeddingModel =
  /** The local model where its packages are installed, else the hashes. */
  | { readonly kind: "auto" }
  /** The model whose weights are a package: no text leaves the machine. */
  | { readonly kind: "local" }
  /** No model: hashes of words and of parts of words. */
  | { readonly kind: "hash" }
  /** One of a server that speaks OpenAI's embeddings. */
  | { readonly kind: "openai"; readonly name: string }

const openaiDefault = "text-embedding-3-small"

/** Reads `auto`, `local`, `hash`, `openai` or `openai:name`; or what a model calls itself in outputs. */
export const readEmbeddingModel = (text: string): Result.Result<EmbeddingModel, string> => {
  const [, kind, name] =
    /^(auto|local|hash|openai)(?::([A-Za-z0-9][A-Za-z0-9._/:@-]{0,127}))?$/.exec(text) ?? []
  if (kind === "openai") return Result.succeed({ kind, name: name ?? openaiDefault })
  if (kind === "auto" && name === undefined) return Result.succeed({ kind })
  if (kind === "local" && (name === undefined || name === localModel)) return Result.succeed({ kind })
  if (kind === "hash" && (name === undefined || name === hashModel)) return Result.succeed({ kind })
  return Result.fail(
    `"${text}" is none of auto, local, hash, openai and openai:name, as in openai:${openaiDefault}`
  )
}

/** What the local model and the hashes call themselves after their kind. */
export const localModel = "use-lite-512"
export const hashModel = "words-512"
