/**
 * Vectors in an index of Pinecone, by its REST API: a namespace for each collection, `<tenant>.<collection>` for other tenants
 * than `default`.
 *
 * The index says how many dimensions there are, and how likeness is measured: make it with the metric `cosine`. Which model the
 * vectors are of nobody can say there, and what was written is found a little later.
 */
import { Clock, Config, Duration, Effect, Redacted, Schema } from "effect"
import { RetryAfter } from "../../runtime/handler.ts"
import { Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { pauseOf } from "../pause/retry-after.ts"
import { refuse } from "../refusal/refuse.ts"
import { withholding } from "../secrets/withhold.ts"
import { type Filter, Metadata, testsOf } from "./filter.ts"
import { type Collection, ItemsRefused, type StoreError, type StoreShape, StoreUnavailable } from "./store.ts"

const name = "Pinecone"
const version = "2025-04"
const answerWithin: Duration.Input = "30 seconds"

/** One request to delete names so many ids at most. */
const idsMax = 1_000

const Stats = Schema.Struct({ dimension: Schema.optionalKey(Schema.Int) })
const Found = Schema.Struct({
  matches: Schema.Array(
    Schema.Struct({ id: Schema.String, score: Schema.Finite, metadata: Schema.optionalKey(Metadata) })
  )
})

/** Fails with `StoreMissing` without `PINECONE_API_KEY`. */
export const pineconeStore = Effect.fnUntraced(function* (
  url: string
): Effect.fn.Return<StoreShape, StoreError> {
  const key = yield* Config.Redacted("PINECONE_API_KEY").pipe(
    Effect.catch(() => refuse("StoreMissing", "vectors in Pinecone need PINECONE_API_KEY"))
  )
  const withoutKey = withholding([{ name: "PINECONE_API_KEY", value: Redacted.value(key) }]).text

  const post = Effect.fnUntraced(function* <S extends Schema.Decoder<unknown>>(
    path: string,
    body: unknown,
    answer: S
  ) {
    const now = yield* Clock.currentTimeMillis
    const response = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(url + path, {
          method: "POST",
          headers: {
            "api-key": Redacted.value(key),
            "content-type": "application/json",
            "x-pinecone-api-version": version
          },
          body: JSON.stringify(body),
          signal
        })
        return { status: response.status, headers: response.headers, text: await response.text() }
      },
      catch: (cause) => unavailable(cause instanceof Error ? cause.message : String(cause))
    }).pipe(
      Effect.timeoutOrElse({
        duration: answerWithin,
        orElse: () =>
          unavailable(`no answer within ${Duration.format(Duration.fromInputUnsafe(answerWithin))}`)
      })
    )
    const { headers, status, text } = response
    if (status === 200) {
      return yield* Effect.mapError(decode(answer, text), () =>
        unavailable(`its answer cannot be read: ${withoutKey(text).slice(0, 200)}`)
      )
    }
    // It may say back what it was sent.
    const told = `it answered ${status}: ${messageIn(withoutKey(text))}`
    if (status === 429) {
      return yield* Effect.fail(
        new RetryAfter(pauseOf(Object.fromEntries(headers), now), {
          message: `${name}: ${told}`,
          counted: false
        })
      )
    }
    if (status === 400 || status === 413 || status === 422) return yield* new ItemsRefused({ reason: told })
    if (status >= 400 && status < 500 && status !== 408)
      return yield* refuse("StoreRefused", `${name}: ${told}`)
    return yield* unavailable(told)
  })

  /** Where no item is sent none can be refused. */
  const asked = <S extends Schema.Decoder<unknown>>(path: string, body: unknown, answer: S) =>
    Effect.catchTag(post(path, body, answer), "ItemsRefused", ({ reason }) =>
      refuse("StoreRefused", `${name}: ${reason}`)
    )

  const namespaceOf = (collection: string) =>
    Effect.map(Tenant, (tenant) => (tenant === tenantDefault ? collection : `${tenant}.${collection}`))

  const collection = Effect.fn("VectorStore.collection")(function* (name: string) {
    const { dimension } = yield* asked("/describe_index_stats", {}, Stats)
    if (dimension === undefined)
      return yield* refuse("StoreRefused", `the index of ${url} has no dense vectors`)
    return { name, dimensions: dimension, model: undefined } satisfies Collection
  })

  const write: StoreShape["write"] = Effect.fn("VectorStore.write")(function* (collection, items) {
    const vectors = items.map(({ id, metadata, vector }) => ({ id, values: Array.from(vector), metadata }))
    const namespace = yield* namespaceOf(collection.name)
    yield* post("/vectors/upsert", { vectors, namespace }, Schema.Unknown)
  })

  const search: StoreShape["search"] = Effect.fn("VectorStore.search")(
    function* (collection, vector, top, filter) {
      const { matches } = yield* asked(
        "/query",
        {
          namespace: yield* namespaceOf(collection.name),
          vector: Array.from(vector),
          topK: top,
          includeMetadata: true,
          includeValues: false,
          ...(filter === undefined ? {} : { filter: expressionOf(filter) })
        },
        Found
      )
      return matches.map(({ id, metadata = {}, score }) => ({ id, score, metadata }))
    }
  )

  const remove: StoreShape["remove"] = Effect.fn("VectorStore.remove")(function* (collection, which) {
    const namespace = yield* namespaceOf(collection.name)
    const erase = (what: object) => asked("/vectors/delete", { ...what, namespace }, Schema.Unknown)
    if ("filter" in which) yield* erase({ filter: expressionOf(which.filter) })
    else {
      for (let at = 0; at < which.ids.length; at += idsMax)
        yield* erase({ ids: which.ids.slice(at, at + idsMax) })
    }
    return undefined
  })

  const drop: StoreShape["drop"] = Effect.fn("VectorStore.drop")(function* (collection) {
    const namespace = yield* namespaceOf(collection.name)
    yield* asked("/vectors/delete", { deleteAll: true, namespace }, Schema.Unknown)
    return undefined
  })

  return {
    name,
    // It takes 1 000 vectors and 2 MB in a request.
    batch: { count: 500, bytes: 1_500_000 },
    collection,
    open: ({ name }) => collection(name),
    write,
    search,
    remove,
    drop
  }
})

const unavailable = (reason: string) => new StoreUnavailable({ store: name, reason })

const decode = <S extends Schema.Decoder<unknown>>(answer: S, text: string) =>
  Schema.decodeEffect(Schema.fromJsonString(answer))(text)

/** Errors are `{code, message, details}`, in an envelope or not; or what stands before the API answers with a page. */
const messageIn = (text: string): string => {
  try {
    const { error, message = error?.message } = JSON.parse(text) as {
      readonly message?: string
      readonly error?: { readonly message?: string }
    }
    return (message ?? text).slice(0, 300)
  } catch {
    return text.slice(0, 300)
  }
}

/** A filter in Pinecone's language, which is MongoDB's. */
export const expressionOf = (filter: Filter): unknown => {
  const parts = testsOf(filter).map((test) => ({
    [test.field]: test.is === "in" ? { $in: test.values } : { [`$${test.is}`]: test.number }
  }))
  return parts.length === 1 ? parts[0] : { $and: parts }
}
