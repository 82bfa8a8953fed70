/**
 * Vectors in a Redis that has vector sets, which is 8.0 and newer: a set for each collection, and a hash that says what it holds.
 *
 * Redis keeps a component in eight bits, unless it is told otherwise, and searches by a graph (HNSW): scores are off by some
 * thousandths, and now and then one of the best is missed. Everything is in memory.
 */
import { Effect, Redacted, Result, type Scope } from "effect"
import { Settings } from "../../runtime/config.ts"
import { vectorKeys } from "../../runtime/keys.ts"
import { readAddress } from "../../runtime/redis/address.ts"
import { openReach } from "../../runtime/redis/reach/open.ts"
import { isElsewhere } from "../../runtime/redis/reach/slots.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { refuse } from "../refusal/refuse.ts"
import { type Filter, fits, type Metadata } from "./filter.ts"
import { expressionOf } from "./redis-filter.ts"
import { type Collection, ItemsRefused, type StoreError, type StoreShape, StoreUnavailable } from "./store.ts"

type Word = string | number | Buffer
type Command = readonly [name: string, ...words: ReadonlyArray<Word>]

/** How many nodes of the graph a search looks at, at least. */
const effortMin = 200

/**
 * How many nodes a search with a filter looks at, at most: all of them, or a rare match would be given up on before it is
 * found. Redis 8.0 refuses the 0 that is documented to mean that.
 */
const effortMax = 1_000_000_000

/** Fails with `StoreMissing` where the Redis has no vector sets. Its connection closes with the scope. */
export const redisStore = Effect.fnUntraced(function* (
  url: string | undefined
): Effect.fn.Return<StoreShape, StoreError, Settings | Scope.Scope> {
  const { namespace, redisUrl } = yield* Settings
  const secret = url === undefined ? redisUrl : Redacted.make(url)
  if (secret === undefined) {
    return yield* refuse(
      "StoreMissing",
      "TROUPE_VECTORS=redis keeps vectors in the Redis of REDIS_URL, which is not set"
    )
  }
  const name = "Redis"
  const unavailable = (error: { readonly message: string }) =>
    new StoreUnavailable({ store: name, reason: error.message })
  const address = readAddress(secret)
  if (Result.isFailure(address))
    return yield* refuse("StoreMissing", `TROUPE_VECTORS: ${address.failure.detail}`)
  const reach = yield* Effect.mapError(openReach(address.success, { name: "troupe-vectors" }), unavailable)

  /** The answers of commands; one that was refused is an `Error` in its place. */
  const all = (commands: ReadonlyArray<Command>): Effect.Effect<ReadonlyArray<unknown>, StoreUnavailable> =>
    reach
      .call(
        tagOf(commands),
        async (client) => {
          const pipeline = client.pipeline()
          for (const [command, ...words] of commands) pipeline.call(command, ...words)
          const answers = (await pipeline.exec()) ?? []
          const elsewhere = answers.find(([error]) => error !== null && isElsewhere(error))
          if (elsewhere !== undefined) throw elsewhere[0]!
          return answers
        },
        30_000
      )
      .pipe(
        Effect.mapError(unavailable),
        Effect.flatMap((answers) => {
          const broken = answers.find(([error]) => error !== null && !isRefusal(error))
          return broken === undefined
            ? Effect.succeed(answers.map(([error, answer]) => error ?? answer))
            : Effect.fail(unavailable(broken[0]!))
        })
      )

  const one = (command: Command) =>
    Effect.flatMap(all([command]), ([answer]) =>
      answer instanceof Error ? refuse("StoreRefused", `${name}: ${answer.message}`) : Effect.succeed(answer)
    )

  const [known] = (yield* one(["COMMAND", "INFO", "VADD"])) as ReadonlyArray<unknown>
  if (known === null || known === undefined) {
    const info = String(yield* one(["INFO", "server"]))
    const version = /^redis_version:(.*?)\r?$/m.exec(info)?.[1] ?? "unknown"
    return yield* refuse(
      "StoreMissing",
      `this Redis (${version}) has no vector sets; Redis 8.0 and newer have them. Or say TROUPE_VECTORS=pglite or postgres://…`
    )
  }

  const keysOf = (collection: string) =>
    Effect.map(Tenant, (tenant) => vectorKeys(namespace, tenant, collection))

  const collection = Effect.fn("VectorStore.collection")(function* (name: string) {
    const { about } = yield* keysOf(name)
    const text = yield* one(["HGET", about, "collection"])
    if (typeof text !== "string") return undefined
    const { dimensions, model } = JSON.parse(text) as {
      readonly dimensions: number
      readonly model?: string
    }
    return { name, dimensions, model } satisfies Collection
  })

  const open = Effect.fn("VectorStore.open")(function* ({ dimensions, model, name }: Collection) {
    const { about } = yield* keysOf(name)
    yield* one(["HSETNX", about, "collection", JSON.stringify({ dimensions, model })])
    return (yield* collection(name)) ?? { name, dimensions, model }
  })

  const write: StoreShape["write"] = Effect.fn("VectorStore.write")(function* ({ name }, items) {
    const { items: key } = yield* keysOf(name)
    const answers = yield* all(
      items.map(({ id, metadata, vector }) => [
        "VADD",
        key,
        "FP32",
        bytesOf(vector),
        id,
        "SETATTR",
        JSON.stringify(metadata)
      ])
    )
    const refused = answers.find((answer) => answer instanceof Error)
    if (refused !== undefined) return yield* new ItemsRefused({ reason: refused.message })
  })

  /** What is said of items, in their order; nothing of one that is gone. */
  const metadataOf = Effect.fnUntraced(function* (key: string, ids: ReadonlyArray<string>) {
    if (ids.length === 0) return []
    const answers = yield* all(ids.map((id) => ["VGETATTR", key, id]))
    return answers.map((answer) =>
      typeof answer === "string" ? (JSON.parse(answer) as Metadata) : undefined
    )
  })

  /** Of the items that are like one, the best first, those that fit. */
  const similar = Effect.fnUntraced(function* (
    key: string,
    to: ReadonlyArray<Word>,
    count: number,
    filter: Filter | undefined,
    isExact: boolean
  ) {
    const expression = filter === undefined ? undefined : yield* Effect.fromResult(expressionOf(filter))
    const answer = yield* one([
      "VSIM",
      key,
      ...to,
      "WITHSCORES",
      "COUNT",
      count,
      ...(isExact ? ["TRUTH"] : ["EF", Math.max(effortMin, count)]),
      ...(expression === undefined ? [] : ["FILTER", expression, "FILTER-EF", effortMax])
    ])
    const found = pairsOf(answer)
    const metadata = yield* metadataOf(
      key,
      found.map(([id]) => id)
    )
    return found.flatMap(([id, score], at) => {
      const its = metadata[at]
      // Redis holds true to be 1, which we do not.
      return its === undefined || (filter !== undefined && !fits(filter, its))
        ? []
        : [{ id, score, metadata: its }]
    })
  })

  const search: StoreShape["search"] = Effect.fn("VectorStore.search")(function* (
    { name },
    vector,
    top,
    filter
  ) {
    const { items: key } = yield* keysOf(name)
    const found = yield* similar(key, ["FP32", bytesOf(vector)], top, filter, false)
    // Redis says 1 for the same direction and 0 for the opposite one.
    return found.map((match) => ({ ...match, score: 2 * match.score - 1 }))
  })

  const remove: StoreShape["remove"] = Effect.fn("VectorStore.remove")(function* ({ name }, which) {
    const { items: key } = yield* keysOf(name)
    const ids = "ids" in which ? which.ids : yield* fitting(key, which.filter)
    if (ids.length === 0) return 0
    const answers = yield* all(ids.map((id) => ["VREM", key, id]))
    return answers.filter((answer) => answer === 1).length
  })

  /** The ids of all items that fit: there is no other way to ask than for what is like one of them. */
  const fitting = Effect.fnUntraced(function* (key: string, filter: Filter) {
    const some = yield* one(["VRANDMEMBER", key])
    if (typeof some !== "string") return []
    const count = Number(yield* one(["VCARD", key]))
    return (yield* similar(key, ["ELE", some], count, filter, true)).map(({ id }) => id)
  })

  const drop: StoreShape["drop"] = Effect.fn("VectorStore.drop")(function* ({ name }) {
    const { about, items } = yield* keysOf(name)
    const count = Number(yield* one(["VCARD", items]))
    yield* one(["DEL", items, about])
    return count
  })

  return { name, batch: { count: 200, bytes: 1_000_000 }, collection, open, write, search, remove, drop }
})

/** What the keys of commands share, by which a cluster knows where they are: all that come together are of one collection. */
const tagOf = ([first]: ReadonlyArray<Command>): string => /\{(.*?)\}/.exec(String(first?.[1]))?.[1] ?? ""

/** Whether Redis has answered so, rather than the connection broken. */
const isRefusal = (error: Error) =>
  error.name === "ReplyError" &&
  !/^(LOADING|BUSY|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|OOM|MISCONF)/.test(error.message)

const bytesOf = (vector: Float32Array) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)

/** Ids and scores, which come one after the other. */
const pairsOf = (answer: unknown): ReadonlyArray<readonly [id: string, score: number]> => {
  const flat = Array.isArray(answer) ? (answer as ReadonlyArray<unknown>).flat() : []
  return Array.from(
    { length: flat.length / 2 },
    (_, at) => [String(flat[2 * at]), Number(flat[2 * at + 1])] as const
  )
}
