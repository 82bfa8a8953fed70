/** Asks a server over a connection of its own, which is there for these questions: nothing is tried twice, and nothing is left open. */
import { Effect } from "effect"
import { Redis } from "ioredis"
import { RedisUnusable, type ServerAddress } from "./address.ts"

/** As ioredis has them; times in milliseconds. */
interface BriefOptions {
  readonly connectionName?: string
  readonly connectTimeout?: number
  readonly commandTimeout?: number
  readonly enableReadyCheck?: boolean
}

export const briefly = <A>(
  server: ServerAddress,
  ask: (client: Redis) => Promise<A>,
  options: BriefOptions = {}
): Effect.Effect<A, RedisUnusable> =>
  Effect.suspend(() => {
    const client = new Redis({
      ...server,
      ...options,
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null
    })
    // A listener keeps ioredis from printing; what went wrong is told by the rejected commands.
    let reason: unknown
    client.on("error", (error) => (reason = error))
    return Effect.tryPromise({
      try: async () => {
        await client.connect()
        return await ask(client)
      },
      catch: (error) => RedisUnusable.of(error, server, reason)
    }).pipe(Effect.ensuring(Effect.sync(() => client.disconnect())))
  })
