/** What is stored of keys, on both stores. */
import { describe, expect } from "bun:test"
import { Clock, Effect, Layer } from "effect"
import {
  Access,
  type AccessKey,
  accessKeysMax,
  accessKeysOfAllMax,
  accessPartition,
  encodeKey,
  endedKeptMs
} from "../../runtime/access.ts"
import { partitionKeys } from "../../runtime/keys.ts"
import * as Memory from "../../runtime/memory/stores.ts"
import * as Redis from "../../runtime/redis/stores.ts"
import { it } from "../support/effect.ts"
import { aNamespace, memorySettings, redisSettings } from "../support/redis.ts"
import { aClient } from "../support/stores.ts"

const redis = (namespace: string) =>
  Layer.orDie(Redis.layer().pipe(Layer.provide(redisSettings({ namespace }))))
const stores = {
  memory: () => Layer.orDie(Memory.layer.pipe(Layer.provide(memorySettings()))),
  Redis: () => redis(aNamespace())
}

const aKey = (id: string, more: Partial<AccessKey> = {}): AccessKey => ({
  id,
  tenant: "acme",
  role: "read",
  // What is said of a key in its label is not so.
  label: `"revokedAt":1,"tenant":"default"`,
  proofs: [],
  rate: { count: 1, perMs: 1_000 },
  createdAt: 1,
  ...more
})

const making = (key: AccessKey) => Access.use(({ change }) => change(undefined, key, "salt"))
const makingAll = (howMany: number, more: (at: number) => Partial<AccessKey> = () => ({})) =>
  Effect.forEach(
    Array.from({ length: howMany }, (_, at) => aKey(`k${at}`, more(at))),
    making,
    { concurrency: 100 }
  )
const isThere = (id: string) =>
  Access.use(({ find }) => Effect.map(find(id), ({ found }) => found !== undefined))

for (const [name, layer] of Object.entries(stores)) {
  describe(`keys, in ${name}`, () => {
    it.live("of one tenant leave room for those of others, and those that ended for new ones", () =>
      Effect.gen(function* () {
        const { change } = yield* Access
        const now = yield* Clock.currentTimeMillis
        const last = aKey("last", { expiresAt: now + 60_000 })
        expect(new Set(yield* makingAll(accessKeysMax - 1))).toEqual(new Set(["changed"]))
        expect(yield* making(last)).toBe("changed")

        expect(yield* making(aKey("more"))).toBe("full")
        expect(yield* making(aKey("other", { tenant: "acm" }))).toBe("changed")
        expect(yield* change(encodeKey(last), { ...last, label: "b" }, "salt")).toBe("changed")

        yield* change(encodeKey(aKey("k7")), aKey("k7", { revokedAt: now }), "salt")
        expect(yield* making(aKey("more"))).toBe("changed")
        expect(yield* making(aKey("again"))).toBe("full")
        const short = { ...last, label: "b" }
        yield* change(encodeKey(short), { ...short, expiresAt: now - 1 }, "salt")
        expect(yield* making(aKey("again"))).toBe("changed")
        expect(yield* making(aKey("once more"))).toBe("full")
        expect([yield* isThere("k7"), yield* isThere("last")]).toEqual([true, true])
      }).pipe(Effect.provide(layer()))
    )

    it.live("go some time after they ended, and leave that there was one", () =>
      Effect.gen(function* () {
        const { find, keys } = yield* Access
        const now = yield* Clock.currentTimeMillis
        const long = now - endedKeptMs - 1_000
        yield* making(aKey("lately", { revokedAt: now - endedKeptMs + 60_000 }))
        yield* making(aKey("revoked", { revokedAt: long, expiresAt: now + 60_000 }))
        expect(yield* making(aKey("expired", { expiresAt: long }))).toBe("changed")
        expect(yield* isThere("revoked")).toBe(false)

        yield* making(aKey("new", { tenant: "default" }))

        expect((yield* keys).map(({ key }) => key.id).toSorted()).toEqual(["lately", "new"])
        expect(yield* find("expired")).toMatchObject({ found: undefined, any: true, salt: "salt" })
      }).pipe(Effect.provide(layer()))
    )
  })
}

describe("keys in Redis", () => {
  /** Puts keys there past all bounds. */
  const there = (namespace: string, howMany: number, more: (at: number) => Partial<AccessKey>) =>
    Effect.flatMap(aClient, (client) =>
      Effect.promise(() => {
        const { access } = partitionKeys(namespace, accessPartition)
        const keys = Array.from({ length: howMany }, (_, at) => aKey(`k${at}`, more(at)))
        return client.hset(access, "salt", "salt", ...keys.flatMap((key) => [key.id, encodeKey(key)]))
      })
    )

  it.live("that count are no more in all than there may be", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      yield* there(namespace, accessKeysOfAllMax, (at) => ({ tenant: `t${at % 20}` }))
      expect(yield* making(aKey("new"))).toBe("full")
    }).pipe(Effect.provide(redis(namespace)))
  })

  it.live("that ended make room, the first of them first", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* there(namespace, accessKeysOfAllMax, (at) => ({ revokedAt: now - at }))

      expect(yield* making(aKey("new"))).toBe("changed")

      expect(yield* Access.use(({ keys }) => keys)).toHaveLength(accessKeysOfAllMax)
      expect(yield* isThere(`k${accessKeysOfAllMax - 1}`)).toBe(false)
      expect(yield* isThere(`k${accessKeysOfAllMax - 2}`)).toBe(true)
    }).pipe(Effect.provide(redis(namespace)))
  })
})
