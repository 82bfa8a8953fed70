/**
 * What all stores of vectors promise, tried on each: PGlite, PostgreSQL with pgvector and Redis 8 where this machine has them, and
 * stand-ins for vector sets of Redis 8 and for Pinecone.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { ConfigProvider, Effect, Redacted, type Scope } from "effect"
import { Redis } from "ioredis"
import { faultOf, writeAll } from "../../../handlers/vectors/write.ts"
import { fits, type Filter, type Metadata } from "../../../handlers/vectors/filter.ts"
import { pineconeStore } from "../../../handlers/vectors/pinecone.ts"
import { postgresDatabase } from "../../../handlers/vectors/postgres.ts"
import { redisStore } from "../../../handlers/vectors/redis.ts"
import { sqlStore } from "../../../handlers/vectors/sql.ts"
import type { Item, StoreShape } from "../../../handlers/vectors/store.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { addressOf } from "../../support/address.ts"
import { it } from "../../support/effect.ts"
import { sharedPglite } from "../../support/pglite.ts"
import { pineconeServer } from "../../support/pinecone.ts"
import { postgresMissing, postgresUrl } from "../../support/postgres.ts"
import { redisSettings, redisUrl } from "../../support/redis.ts"
import { redisWithVectorSets } from "../../support/vector-sets.ts"

const dimensions = 16

interface Kind {
  /** Whether it says which model vectors are of, and how many items went. */
  readonly isExact: boolean
  readonly open: Effect.Effect<StoreShape, unknown, Scope.Scope>
  readonly missing?: string | undefined
}

/** Whether the Redis of the tests does what the stand-in stands for. */
const redisHasVectorSets = await (async () => {
  const client = new Redis(addressOf(redisUrl))
  const [known] = (await client.call("COMMAND", "INFO", "VADD")) as ReadonlyArray<unknown>
  client.disconnect()
  return known !== null && known !== undefined
})()

const kinds: Readonly<Record<string, Kind>> = {
  PGlite: {
    isExact: true,
    open: Effect.map(sharedPglite, ({ database }) => sqlStore(database))
  },
  PostgreSQL: {
    isExact: true,
    missing: postgresMissing,
    open: Effect.flatMap(postgresUrl, (url) =>
      Effect.map(postgresDatabase(url), (database) => sqlStore(database))
    )
  },
  "Redis 8": {
    isExact: true,
    missing: redisHasVectorSets ? undefined : "this machine's Redis has no vector sets",
    open: redisStore(undefined).pipe(Effect.provide(redisSettings()))
  },
  "a stand-in for Redis 8": {
    isExact: true,
    open: Effect.gen(function* () {
      const url = yield* redisWithVectorSets
      return yield* redisStore(url).pipe(Effect.provide(redisSettings({ redisUrl: Redacted.make(url) })))
    })
  },
  "a stand-in for Pinecone": {
    isExact: false,
    open: Effect.gen(function* () {
      const { url } = yield* pineconeServer(dimensions)
      return yield* pineconeStore(url).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { PINECONE_API_KEY: "pc-1" } })
        )
      )
    })
  }
}

/** A direction that turns with its number: those with near numbers are alike. */
const turned = (number: number) =>
  new Float32Array(dimensions).map((_, at) => (at < 2 ? [Math.cos, Math.sin][at]!(number / 10) : 0))

const item = (number: number, metadata: Metadata = {}): Item => ({
  id: `item-${number}`,
  vector: turned(number),
  metadata
})

const aName = () => `c-${crypto.randomUUID().slice(0, 8)}`

const nothing = () => Effect.void

/** A collection with items, of any store. */
const filled = Effect.fnUntraced(function* (store: StoreShape, items: ReadonlyArray<Item>, model?: string) {
  const collection = yield* store.open({ name: aName(), dimensions, model })
  yield* writeAll(store, collection, items, nothing)
  return collection
})

const ids = (matches: ReadonlyArray<{ readonly id: string }>) => matches.map(({ id }) => id)

/** Databases are made before the first test that needs one, which takes seconds. */
const setUpMs = 120_000
beforeAll(
  () => Effect.runPromise(Effect.flatMap(sharedPglite, ({ database }) => database.transaction([]))),
  setUpMs
)
if (postgresMissing === undefined) beforeAll(() => Effect.runPromise(postgresUrl), setUpMs)

/** One that begins, too. */
const startMs = 30_000

for (const [name, { isExact, missing, open }] of Object.entries(kinds)) {
  if (missing !== undefined) {
    test.skip(`vectors in ${name}: ${missing}`, () => {})
    continue
  }
  // A component in eight bits.
  const digits = name === "Redis 8" ? 2 : 4
  describe(`vectors in ${name}`, () => {
    it.live(
      "are all that is promised of them",
      () =>
        Effect.gen(function* () {
          const store = yield* open

          // Found by likeness, the best first, with the cosine as their score.
          const numbers = Array.from({ length: 20 }, (_, at) => at)
          const collection = yield* filled(
            store,
            numbers.map((number) => item(number, { number, parity: number % 2 === 0 ? "even" : "odd" }))
          )
          const near = yield* store.search(collection, turned(7.2), 4, undefined)
          expect(ids(near)).toEqual(["item-7", "item-8", "item-6", "item-9"])
          for (const [at, number] of [7, 8, 6, 9].entries()) {
            expect(near[at]!.score).toBeCloseTo(Math.cos(Math.abs(7.2 - number) / 10), digits)
            expect(near[at]!.metadata).toEqual({ number, parity: number % 2 === 0 ? "even" : "odd" })
          }
          const opposite = yield* store.search(
            collection,
            turned(7).map((one) => -one),
            1,
            undefined
          )
          expect(opposite[0]!.score).toBeCloseTo(-Math.cos(1.2), digits)

          // Narrowed by a filter, to as many as there are.
          const odd = yield* store.search(collection, turned(7.2), 3, {
            parity: "odd",
            number: { gt: 7, lte: 13 }
          })
          expect(ids(odd)).toEqual(["item-9", "item-11", "item-13"])

          // Written again an item replaces itself.
          yield* writeAll(store, collection, [{ ...item(0), vector: turned(7.2) }, item(1)], nothing)
          const again = yield* store.search(collection, turned(7.2), 50, undefined)
          expect(again.length).toBe(20)
          // What is so near may be taken for the nearest, where a component has eight bits.
          expect(again.slice(0, digits < 4 ? 2 : 1)).toContainEqual(
            expect.objectContaining({ id: "item-0", metadata: {} })
          )

          // Gone by id, by filter, and with the collection.
          const byId = yield* store.remove(collection, { ids: ["item-0", "item-7", "nobody"] })
          const byFilter = yield* store.remove(collection, { filter: { parity: "even" } })
          expect([byId, byFilter]).toEqual(isExact ? [2, 9] : [undefined, undefined])
          const left = yield* store.search(collection, turned(0), 50, undefined)
          expect(ids(left).toSorted()).toEqual(
            ["item-1", ...[3, 5, 9, 11, 13, 15, 17, 19].map((number) => `item-${number}`)].toSorted()
          )
          yield* store.drop(collection)
          if (isExact) expect(yield* store.collection(collection.name)).toBe(undefined)
          const fresh = yield* store.open({ ...collection, model: "m" })
          expect(yield* store.search(fresh, turned(0), 50, undefined)).toEqual([])
        }),
      startMs
    )

    it.live(
      "have fields that fit a filter as everywhere",
      () =>
        Effect.gen(function* () {
          const store = yield* open
          const values = ["a", 'say "b"', "it's", "", "10", 0, -1.5, 10, 1e6, true, false, 1]
          const items = [
            ...values.map((value, at) => item(at, { field: value })),
            item(90, {}),
            item(91, { other: "a" })
          ]
          const collection = yield* filled(store, items)
          const filters: ReadonlyArray<Filter> = [
            ...values.map((value) => ({ field: value })),
            { field: { in: ["a", 10, true] } },
            { field: { in: ["10", 1] } },
            { field: { gte: 0 } },
            { field: { gt: 0, lt: 10 } },
            { field: { lte: -1.5 } },
            { field: { gt: 1e6 } },
            { field: "a", other: "a" },
            { nowhere: 1 }
          ]
          for (const filter of filters) {
            const found = yield* store.search(collection, turned(0), 50, filter)
            const expected = items.filter(({ metadata }) => fits(filter, metadata))
            expect([filter, ids(found).toSorted()]).toEqual([filter, ids(expected).toSorted()])
          }
        }),
      startMs
    )

    it.live(
      "are a tenant's own",
      () =>
        Effect.gen(function* () {
          const store = yield* open
          const collection = yield* filled(store, [item(1)])
          const others = yield* Effect.gen(function* () {
            const own = yield* store.open(collection)
            yield* writeAll(store, own, [item(2)], nothing)
            return yield* store.search(own, turned(0), 50, undefined)
          }).pipe(Effect.provideService(Tenant, "acme"))
          expect(ids(others)).toEqual(["item-2"])
          expect(ids(yield* store.search(collection, turned(0), 50, undefined))).toEqual(["item-1"])
        }),
      startMs
    )

    it.live(
      "are written though some beside them are bad, which are named",
      () =>
        Effect.gen(function* () {
          const store = yield* open
          const collection = yield* store.open({ name: aName(), dimensions, model: "m" })
          const bad: ReadonlyArray<Item> = [
            { id: "short", vector: new Float32Array([1, 2]), metadata: {} },
            { id: "zero", vector: new Float32Array(dimensions), metadata: {} },
            { id: "huge", vector: new Float32Array(dimensions).fill(Number.POSITIVE_INFINITY), metadata: {} },
            // The store finds this one, where it minds.
            { id: "sign", vector: turned(3), metadata: { text: "a\u0000b" } }
          ]
          const items = [...Array.from({ length: 30 }, (_, at) => item(at)), ...bad]
          const { refused, written } = yield* writeAll(store, collection, items, nothing)
          const minds = !name.endsWith("Redis 8")
          expect(refused.map(({ id }) => id).toSorted()).toEqual([
            "huge",
            "short",
            ...(minds ? ["sign"] : []),
            "zero"
          ])
          for (const { id, reason } of refused) expect([id, reason.length > 0]).toEqual([id, true])
          expect(written).toBe(minds ? 30 : 31)
          expect((yield* store.search(collection, turned(0), 50, undefined)).length).toBe(written)
        }),
      startMs
    )

    if (isExact) {
      it.live(
        "are of a collection that keeps what its first writer said",
        () =>
          Effect.gen(function* () {
            const store = yield* open
            const name = aName()
            const wanted = [4, 8, 4, 8, 4].map((dimensions) => ({
              name,
              dimensions,
              model: `m${dimensions}`
            }))
            const opened = yield* Effect.forEach(wanted, store.open, { concurrency: "unbounded" })
            expect(new Set(opened.map(({ dimensions, model }) => `${dimensions} ${model}`)).size).toBe(1)
            expect(yield* store.collection(name)).toEqual(opened[0])
            yield* store.drop(opened[0]!)
          }),
        startMs
      )
    }
  })
}

test("what a store could never hold is refused before it is sent", () => {
  const collection = { name: "c", dimensions: 2, model: undefined }
  const fault = (...components: ReadonlyArray<number>) =>
    faultOf(collection, { id: "i", vector: new Float32Array(components), metadata: {} })
  expect(fault(1, 2)).toBe(undefined)
  expect(fault(1)).toContain("1 dimensions")
  expect(fault(0, 0)).toContain("all zeros")
  expect(fault(1e39, 1)).toContain("32-bit")
})

test.skipIf(redisHasVectorSets)(
  "a Redis without vector sets is refused, and says which has them",
  async () => {
    const failure = await redisStore(undefined).pipe(
      Effect.provide(redisSettings()),
      Effect.scoped,
      Effect.flip,
      Effect.runPromise
    )
    expect(failure).toMatchObject({ name: "StoreMissing" })
    expect(failure.message).toMatch(
      /this Redis \(7\.\d+\.\d+\) has no vector sets; Redis 8\.0 and newer have them/
    )
  }
)

test(
  "a database that has lost its tables is set up again, also by who has used it before",
  () =>
    Effect.gen(function* () {
      const { database } = yield* sharedPglite
      const store = sqlStore(database)
      const collection = yield* filled(store, [item(1)])
      yield* database.transaction([{ text: "drop table troupe_vector_collections", values: [] }])

      expect(yield* Effect.flip(store.collection(collection.name))).toMatchObject({
        _tag: "StoreUnavailable"
      })
      expect(yield* store.collection(collection.name)).toBeUndefined()
      expect(ids(yield* store.search(yield* filled(store, [item(2)]), turned(2), 1, undefined))).toEqual([
        "item-2"
      ])
    }).pipe(Effect.scoped, Effect.runPromise),
  startMs
)

test.skipIf(postgresMissing !== undefined)(
  "a large collection of PostgreSQL is searched by a graph, with filters too",
  () =>
    Effect.gen(function* () {
      const database = yield* postgresDatabase(yield* postgresUrl)
      const store = sqlStore(database, 300)
      const items = Array.from({ length: 400 }, (_, at) => ({
        ...item(at / 7, { tenth: at % 10 === 0 }),
        id: `item-${at}`
      }))
      const collection = yield* filled(store, items)
      const [rows] = yield* database.transaction([
        { text: "select indexed from troupe_vector_collections where name = $1", values: [collection.name] }
      ])
      expect(rows).toEqual([{ indexed: true }])
      const wanted = turned(20.01)
      const exact = items
        .filter(({ metadata }) => metadata["tenth"] === true)
        .map(({ id, vector }) => ({ id, score: vector.reduce((sum, one, at) => sum + one * wanted[at]!, 0) }))
        .toSorted((a, b) => b.score - a.score)
      const found = yield* store.search(collection, wanted, 10, { tenth: true })
      expect(ids(found).filter((id) => ids(exact.slice(0, 10)).includes(id)).length).toBeGreaterThanOrEqual(9)
    }).pipe(Effect.scoped, Effect.runPromise)
)
