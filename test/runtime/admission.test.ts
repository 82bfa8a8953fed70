import { describe, expect } from "bun:test"
import { Duration, Effect, Layer } from "effect"
import { Admission, type Guard } from "../../runtime/admission.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import * as RedisStore from "../../runtime/redis/stores.ts"
import { Store } from "../../runtime/store.ts"
import { admissionSuite } from "../suite/admission.ts"
import { it } from "../support/effect.ts"
import { redisSettings, redisUrl } from "../support/redis.ts"
import { aServer, settingsFor } from "../support/server.ts"
import { aClient, memoryStore, partition, redisStore, redisTimeOf } from "../support/stores.ts"
import { aTask, claim, end, turn } from "../support/tasks.ts"
import { scriptsOnTestTime } from "../support/time.ts"

admissionSuite("memory", memoryStore)
admissionSuite("Redis", redisStore)

const guards: ReadonlyArray<Guard> = [
  { kind: "idempotency", name: "k", hash: "h", keepMs: 60_000 },
  { kind: "unique", name: "k", until: "ended" },
  { kind: "throttle", name: "k", forMs: 60_000 },
  { kind: "cache", name: "k", forMs: 60_000 },
  { kind: "debounce", name: "k" }
]

describe("guards of tasks that have ended", () => {
  it.live("leave no key in Redis once everything is past its time", () =>
    Effect.gen(function* () {
      const namespace = "guarded"
      const settings = { namespace, retention: Duration.minutes(1), deadRetention: Duration.minutes(2) }
      const client = yield* aClient
      const { base } = partitionKeys(namespace, partition)
      const time = yield* redisTimeOf(client, base)
      const keys = (pattern: string) => Effect.promise(() => client.keys(pattern))

      yield* Effect.gen(function* () {
        const store = yield* Store
        const { admit } = yield* Admission
        const kinds = ["S", "F"] as const
        for (const letter of kinds) {
          const mine = guards.map((guard) => ({ ...guard, name: letter }))
          yield* admit(partition, aTask({ box: { name: `|${letter}`, limit: 1, ordered: true } }), mine)
          const [entry] = yield* claim("w", 1)
          // It is found by all, and one takes the place of another that waits.
          for (const guard of mine) yield* admit(partition, aTask(), [guard])
          yield* admit(partition, aTask(), mine.slice(4))
          yield* turn("w", { settled: [end(entry!, letter)] })
          const rest = yield* claim("w", 10)
          yield* turn("w", { settled: rest.map((entry) => end(entry)) })
        }
        yield* store.leave(partition, "w")
        yield* (yield* store.bell(partition)).wait(1)
        expect(yield* keys(`${base}guard:*`)).not.toHaveLength(0)

        yield* time.advance("3 hours")
        yield* store.sweep(partition, 100)

        const ofTest = [`${base}clock`, `${base}expiring`]
        expect((yield* keys(`${namespace}:*`)).toSorted()).toEqual(ofTest)
      }).pipe(
        Effect.provide(
          RedisStore.layer(scriptsOnTestTime).pipe(Layer.provide(settingsFor(redisUrl, settings)))
        )
      )
    })
  )

  it.live("go with their tasks' ends where their rule does, and not before", () =>
    Effect.gen(function* () {
      const client = yield* aClient
      const { admit } = yield* Admission
      const { base } = partitionKeys("until", partition)
      const kindsLeft = Effect.map(
        Effect.promise(() => client.keys(`${base}guard:*`)),
        (keys) => keys.map((key) => key.slice(`${base}guard:`.length).split(":")[0]!).toSorted()
      )
      yield* admit(partition, aTask(), guards)
      expect(yield* kindsLeft).toEqual(["cache", "debounce", "idempotency", "throttle", "unique"])
      const [entry] = yield* claim("w", 1)

      yield* turn("w", { settled: [end(entry!, "F")] })

      expect(yield* kindsLeft).toEqual(["idempotency", "throttle"])
    }).pipe(Effect.provide(RedisStore.layer().pipe(Layer.provide(redisSettings({ namespace: "until" })))))
  )
})

describe("a guarded submit to a Redis without memory", () => {
  it.live("is refused before anything is stored", () =>
    Effect.gen(function* () {
      const server = yield* aServer()
      const client = yield* server.client
      yield* Effect.gen(function* () {
        const { admit } = yield* Admission
        yield* Effect.promise(() => client.config("SET", "maxmemory", "1"))

        const refused = yield* Effect.flip(admit(partition, aTask(), guards))

        expect(refused).toMatchObject({ _tag: "StoreFull" })
        yield* Effect.promise(() => client.config("SET", "maxmemory", "0"))
        expect(yield* Effect.promise(() => client.dbsize())).toBe(0)
      }).pipe(Effect.provide(RedisStore.layer().pipe(Layer.provide(settingsFor(server.url)))))
    })
  )
})
