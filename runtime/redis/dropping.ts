/** Drops a whole namespace: for a measurement that leaves nothing behind. Nobody may use it any more. */
import { Effect } from "effect"
import { patternOf } from "../keys.ts"
import type { RedisAddress, RedisUnusable, ServerAddress } from "./address.ts"
import { briefly } from "./briefly.ts"
import { answersOf } from "./pipeline.ts"
import { primariesOf } from "./reach/open.ts"

/** How many keys are looked at, and dropped, in one go: a bounded moment of Redis's time. */
const piece = 1_000

/** Drops every key of a namespace on one server, and says how many there were. */
const dropAt = (server: ServerAddress, namespace: string): Effect.Effect<number, RedisUnusable> =>
  briefly(server, async (client) => {
    let dropped = 0
    let cursor = "0"
    do {
      const [next, keys] = await client.scan(cursor, "MATCH", patternOf(namespace), "COUNT", piece)
      // One by one: those of a cluster need not lie in one slot.
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.unlink(key)
      for (const one of answersOf<number>(await pipeline.exec())) dropped += one
      cursor = next
    } while (cursor !== "0")
    return dropped
  })

/** Drops every key of a namespace, and says how many there were. */
export const dropNamespace = Effect.fn("Redis.dropNamespace")(function* (
  address: RedisAddress,
  namespace: string
): Effect.fn.Return<number, RedisUnusable> {
  const dropped = yield* Effect.forEach(yield* primariesOf(address), (server) => dropAt(server, namespace))
  return dropped.reduce((sum, count) => sum + count, 0)
})
