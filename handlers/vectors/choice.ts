/** The store of vectors that the settings name. */
import { Effect, Layer, Redacted } from "effect"
import * as path from "node:path"
import { Settings, SettingsError } from "../../runtime/config.ts"
import { pgliteDatabase } from "./pglite.ts"
import { pineconeStore } from "./pinecone.ts"
import { postgresDatabase } from "./postgres.ts"
import { redisStore } from "./redis.ts"
import { sqlStore } from "./sql.ts"
import { VectorStore } from "./store.ts"

/** Asks for `Settings`. */
export const layer = Layer.effect(
  VectorStore,
  Effect.gen(function* () {
    const { files, vectors } = yield* Settings
    const place = Redacted.value(vectors)
    switch (place.kind) {
      case "pglite": {
        if (place.folder === undefined && /^[a-z][a-z0-9+-]+:\/\//i.test(files)) {
          return yield* new SettingsError({
            setting: "TROUPE_VECTORS",
            reason:
              "the files are in a bucket, where vectors cannot be: name a store, as postgres://… or pglite:folder"
          })
        }
        return sqlStore(yield* pgliteDatabase(place.folder ?? path.join(files, "vectors")))
      }
      case "postgres":
        return sqlStore(yield* postgresDatabase(place.url))
      case "redis":
        return yield* redisStore(place.url)
      case "pinecone":
        return yield* pineconeStore(place.url)
    }
  })
)
