import { describe, expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { accessPartition } from "../../runtime/access.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import { limitsPartition } from "../../runtime/limits.ts"
import { Operations } from "../../runtime/operations.ts"
import { queuesPartition } from "../../runtime/queue-names.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { it } from "../support/effect.ts"
import { everything, swept, theEnd } from "../support/everything.ts"
import { redisUrl } from "../support/redis.ts"
import { settingsFor } from "../support/server.ts"
import { aClient, partition, redisTimeOf } from "../support/stores.ts"
import { scriptsOnTestTime } from "../support/time.ts"

describe("a namespace in which there was one of everything", () => {
  it.live("holds no key in Redis once all has ended and is past its time", () =>
    Effect.gen(function* () {
      const namespace = "everything"
      const settings = { namespace, retention: Duration.minutes(1), deadRetention: Duration.minutes(2) }
      const client = yield* aClient
      const bases = [partition, limitsPartition, queuesPartition, accessPartition].map(
        (name) => partitionKeys(namespace, name).base
      )
      const time = yield* redisTimeOf(client, ...bases)
      const keys = Effect.map(
        Effect.promise(() => client.keys(`${namespace}:*`)),
        // Access keys stay: a system that had one never opens to everybody again.
        (all) => all.filter((key) => !/:(clock|expiring|access)$/.test(key)).toSorted()
      )

      yield* Effect.gen(function* () {
        yield* Effect.scoped(everything)
        yield* time.advance("5 seconds")
        yield* theEnd
        expect(yield* keys).not.toEqual([])

        yield* time.advance("3 hours")
        yield* swept
        expect(yield* Operations.use((operations) => operations.partitions)).toEqual([])

        yield* time.advance("366 days")
        expect(yield* keys).toEqual([])
      }).pipe(
        Effect.provide(
          RedisStore.layer(scriptsOnTestTime).pipe(Layer.provide(settingsFor(redisUrl, settings)))
        )
      )
    })
  )
})
