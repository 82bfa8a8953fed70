/** Drops a whole namespace: for a measurement that leaves nothing behind. Nobody may use it any more. */
import { Effect } from "effect"
import { Redis } from "ioredis"
import { patternOf } from "../keys.ts"
import { type RedisAddress, RedisUnusable } from "./address.ts"

/** How many keys are looked at, and dropped, in one go: a bounded moment of Redis's time. */
const piece = 1_000

/** Drops every key of a namespace, and says how many there were. */
export const dropNamespace = (
  address: RedisAddress,
  namespace: string
): Effect.Effect<number, RedisUnusable> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const client = new Redis({
        ...address,
        lazyConnect: true,
        maxRetriesPerRequest: 0,
        retryStrategy: () => null
      })
      client.on("error", () => {})
      return client
    }),
    (client) =>
      Effect.tryPromise({
        try: async () => {
          await client.connect()
          let dropped = 0
          let cursor = "0"
          do {
            const [next, keys] = await client.scan(cursor, "MATCH", patternOf(namespace), "COUNT", piece)
            if (keys.length > 0) dropped += await client.unlink(...keys)
            cursor = next
          } while (cursor !== "0")
          return dropped
        },
        catch: (error) => RedisUnusable.of(error, address)
      }),
    (client) => Effect.sync(() => client.disconnect())
  )
