import { describe, expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { partitionKeys } from "../../runtime/keys.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Store } from "../../runtime/store.ts"
import { ulidOfEntry } from "../../runtime/task.ts"
import { storeSuite } from "../suite/store.ts"
import { it } from "../support/effect.ts"
import { redisUrl } from "../support/redis.ts"
import { settingsFor } from "../support/server.ts"
import { aClient, memoryStore, partition, redisStore, redisTimeOf } from "../support/stores.ts"
import { aTask, claim, end, release, retry, submit, tasks, turn } from "../support/tasks.ts"
import { scriptsOnTestTime } from "../support/time.ts"

storeSuite("memory", memoryStore)
storeSuite("Redis", redisStore)

describe("a drained namespace", () => {
  it.live("holds no key in Redis once everything is past its retention", () =>
    Effect.gen(function* () {
      const namespace = "drained"
      const settings = { namespace, retention: Duration.minutes(1), deadRetention: Duration.minutes(2) }
      const client = yield* aClient
      const { base } = partitionKeys(namespace, partition)
      const time = yield* redisTimeOf(client, base)

      yield* Effect.gen(function* () {
        const store = yield* Store
        const inbox = yield* store.inbox
        const bell = yield* store.bell(partition)
        yield* submit(...tasks(6), aTask({ lane: "urgent" }), aTask({ due: { afterMs: 5_000 } }))
        const [lost, ended, buried, ...others] = yield* claim("w", 7)
        const held = [lost!, ended!, buried!, ...others]
        yield* store.ended(partition, held.map(ulidOfEntry), { watch: inbox.name })
        yield* store.append(
          partition,
          "w",
          held.map((entry) => ({ entry, seq: 1, kind: "chunk", data: "1" }))
        )
        yield* turn("w", { notes: held.map((entry) => [entry, "{}"]) })
        const settled = [end(ended!), end(buried!, "F"), retry(others[0]!, 1_000), release(others[1]!)]
        const entries = settled.map(({ entry }) => entry)
        yield* turn("w", { settled, noted: entries, streamed: [ended!, buried!] })
        yield* store.evict(partition, "w")
        yield* time.advance("5 seconds")
        const rest = yield* claim("v", 10)
        expect(rest).toHaveLength(6)
        yield* turn("v", { settled: rest.map((entry) => end(entry)) })
        yield* store.leave(partition, "v")
        yield* bell.wait(1)
        expect(yield* Effect.promise(() => client.keys(`${base}*`))).not.toHaveLength(0)

        // The counts of a minute are kept for two hours.
        yield* time.advance("3 hours")
        yield* store.sweep(partition, 100)

        const ofTest = [`${base}clock`, `${base}expiring`]
        expect((yield* Effect.promise(() => client.keys(`${namespace}:*`))).toSorted()).toEqual(ofTest)
      }).pipe(
        Effect.provide(
          RedisStore.layer(scriptsOnTestTime).pipe(Layer.provide(settingsFor(redisUrl, settings)))
        )
      )
    })
  )
})
