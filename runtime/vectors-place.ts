/** Where vectors are kept, as `TROUPE_VECTORS` says it. */
import { Result } from "effect"

export type VectorsPlace =
  /** A PostgreSQL inside of a process of ours; without a folder, beside the files. */
  | { readonly kind: "pglite"; readonly folder: string | undefined }
  | { readonly kind: "postgres"; readonly url: string }
  /** Vector sets of Redis 8; without a URL, in the Redis of the tasks. */
  | { readonly kind: "redis"; readonly url: string | undefined }
  /** An index of Pinecone, by the address of its host. */
  | { readonly kind: "pinecone"; readonly url: string }

export const readVectorsPlace = (text: string): Result.Result<VectorsPlace, string> => {
  const pglite = /^pglite(?::(.*))?$/s.exec(text)
  if (pglite !== null && pglite[1] !== "") return Result.succeed({ kind: "pglite", folder: pglite[1] })
  if (/^postgres(ql)?:\/\/./.test(text)) return Result.succeed({ kind: "postgres", url: text })
  if (text === "redis") return Result.succeed({ kind: "redis", url: undefined })
  if (/^(rediss?:\/\/|unix:)./.test(text)) return Result.succeed({ kind: "redis", url: text })
  const pinecone = /^pinecone:(.*)$/s.exec(text)?.[1]
  const url = pinecone === undefined ? null : URL.parse(pinecone)
  if (url !== null && /^https?:$/.test(url.protocol)) {
    return Result.succeed({ kind: "pinecone", url: url.href.replace(/\/$/, "") })
  }
  return Result.fail(
    "is none of pglite, pglite:folder, postgres://…, redis, redis://…, rediss://…, unix:/path and pinecone:https://index-host"
  )
}
