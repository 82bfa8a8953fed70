/** What is stored of keys, and of what operators did, on both stores. */
import { describe, expect } from "bun:test"
import { Clock, Effect, Layer } from "effect"
import {
  Access,
  type AccessKey,
  accessKeysMax,
  accessKeysOfAllMax,
  accessPartition,
  type AuditEntry,
  auditKeptMs,
  auditMax,
  encodeKey,
  endedKeptMs,
  type StoredAudit
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

const anEntry = (tenant: string, on: string, at = Date.now()): AuditEntry => ({
  at,
  tenant,
  who: "k",
  role: "operate",
  what: "pauseQueue",
  on,
  outcome: "done"
})

/** Notes so many things that a tenant did, the last ones under the highest numbers. */
const noting = (tenant: string, howMany: number) =>
  Access.use(({ note }) =>
    Effect.forEach(
      Array.from({ length: howMany }, (_, at) => anEntry(tenant, `/${tenant}/${at}`)),
      note,
      { concurrency: 500, discard: true }
    )
  )

/** The whole log, read in pages. */
const wholeLog = Effect.gen(function* () {
  const { noted } = yield* Access
  const entries: Array<StoredAudit> = []
  let before: string | undefined
  while (true) {
    const page = yield* noted(before, 1_000)
    entries.push(...page)
    if (page.length === 0) return entries
    before = page.at(-1)!.id
  }
})

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

for (const [name, layer] of Object.entries(stores)) {
  describe(`the audit log, in ${name}`, () => {
    it.live("tells the newest first, page by page", () =>
      Effect.gen(function* () {
        const { note, noted } = yield* Access
        for (const on of ["/a", "/b", "/c"]) yield* note(anEntry("acme", on))

        const first = yield* noted(undefined, 2)
        const second = yield* noted(first[1]!.id, 2)

        expect([first, second].map((page) => page.map(({ on }) => on))).toEqual([["/c", "/b"], ["/a"]])
        expect(yield* noted(second[0]!.id, 2)).toEqual([])
      }).pipe(Effect.provide(layer()))
    )

    it.live(
      "gives up nothing of what others did, however much one tenant does; and a page whose last entry went goes on",
      () =>
        Effect.gen(function* () {
          const { noted } = yield* Access
          yield* noting("quiet", 10)
          yield* noting("loud", auditMax - 10)
          const [oldestOfLoud] = (yield* wholeLog).slice(-11)
          expect(oldestOfLoud!.tenant).toBe("loud")

          yield* noting("other", 5)
          yield* noting("loud", 1_000)

          const log = yield* wholeLog
          expect(log).toHaveLength(auditMax)
          const counts = Map.groupBy(log, ({ tenant }) => tenant)
          expect(counts.get("quiet")!.map(({ on }) => on)).toEqual(
            Array.from({ length: 10 }, (_, at) => `/quiet/${9 - at}`)
          )
          expect(counts.get("other")).toHaveLength(5)
          expect(log).not.toContainEqual(oldestOfLoud!)
          expect((yield* noted(oldestOfLoud!.id, 100)).map(({ tenant }) => tenant)).toEqual(
            Array.from({ length: 10 }, () => "quiet")
          )
        }).pipe(Effect.provide(layer())),
      60_000
    )
  })
}

describe("the audit log in Redis", () => {
  const { audit, auditShares, audited } = partitionKeys("", accessPartition)

  it.live(
    "that an earlier version has filled lets what that noted go first",
    () => {
      const namespace = aNamespace()
      return Effect.gen(function* () {
        const client = yield* aClient
        const seeding = client.pipeline()
        for (let at = 0; at < auditMax; at++) {
          seeding.xadd(namespace + audit, "*", "e", JSON.stringify(anEntry("acme", `/${at}`)))
        }
        yield* Effect.promise(() => seeding.exec())
        yield* noting("acme", 2)
        yield* noting("other", 3)

        const log = yield* wholeLog

        expect(log).toHaveLength(auditMax)
        expect(log.slice(0, 6).map(({ on }) => on)).toEqual([
          "/other/2",
          "/other/1",
          "/other/0",
          "/acme/1",
          "/acme/0",
          `/${auditMax - 1}`
        ])
        expect(log.at(-1)!.on).toBe("/5")
      }).pipe(Effect.provide(redis(namespace)))
    },
    60_000
  )

  it.live("lets entries go after a year, and remembers no more whose they were", () => {
    const namespace = aNamespace()
    return Effect.gen(function* () {
      const client = yield* aClient
      const old = Date.now() - auditKeptMs - 60_000
      yield* Effect.promise(async () => {
        for (let at = 0; at < 5; at++) {
          await client.xadd(
            namespace + audit,
            `${old}-${at}`,
            "e",
            JSON.stringify(anEntry("acme", `/${at}`)),
            "t",
            "acme"
          )
          await client.rpush(namespace + audited("acme"), `${old}-${at}`)
          await client.zincrby(namespace + auditShares, 1, "acme")
        }
      })

      yield* Access.use(({ note }) => note(anEntry("acme", "/new")))

      expect((yield* wholeLog).map(({ on }) => on)).toEqual(["/new"])
      expect(yield* Effect.promise(() => client.llen(namespace + audited("acme")))).toBe(1)
      expect(yield* Effect.promise(() => client.zscore(namespace + auditShares, "acme"))).toBe("1")
    }).pipe(Effect.provide(redis(namespace)))
  })
})

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
