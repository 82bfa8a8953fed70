/**
 * Vectors in PostgreSQL with pgvector: a table for each collection, and one that lists them.
 *
 * All that is said to the database is a list of statements that count together or not at all, so it may be said again after a
 * connection broke: nothing is added twice.
 */
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { Fatal } from "../../runtime/handler.ts"
import { Tenant } from "../../runtime/tenant.ts"
import { refuse } from "../refusal/refuse.ts"
import { type Filter, type Metadata, testsOf } from "./filter.ts"
import { type Collection, ItemsRefused, type StoreError, type StoreShape, StoreUnavailable } from "./store.ts"

export interface Statement {
  readonly text: string
  readonly values: ReadonlyArray<string | number | null | ReadonlyArray<string>>
}

export type Row = Readonly<Record<string, unknown>>

/** The database does not take a statement; none of them counts. */
export class SqlRefused extends Schema.TaggedError<SqlRefused>()("SqlRefused", {
  /** SQLSTATE, five letters. */
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.reason} (${this.code})`
  }
}

export interface Database {
  readonly name: string
  /** Whether large collections get an index, which takes a while to build. */
  readonly hasIndexes: boolean
  /** Runs statements as one transaction, and gives the rows of each. */
  readonly transaction: (
    statements: ReadonlyArray<Statement>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Row>>, SqlRefused | StoreUnavailable | Fatal>
}

/** A page has 8 kB, of which a component takes four bytes. */
const besideDimensionsMax = 1_800

/** More dimensions cannot be indexed; they are compared one by one. */
const indexedDimensionsMax = 2_000

/** Below so many items comparing all of them is quick, and finds exactly the best. */
const indexedFromDefault = 20_000

/** How many nodes of the graph (HNSW) a search looks at: what pgvector does unasked, more for more, and at most. */
const effortOf = (top: number) => Math.min(1_000, Math.max(40, 2 * top))

const lock: Statement = { text: "select pg_advisory_xact_lock(7310863542)", values: [] }

const setUp: ReadonlyArray<Statement> = [
  lock,
  { text: "create extension if not exists vector", values: [] },
  {
    text: `create table if not exists troupe_vector_collections (
      tenant text not null, name text not null, dimensions int not null, model text, items text not null,
      indexed boolean not null default false, primary key (tenant, name))`,
    values: []
  },
  { text: "select extversion as version from pg_extension where extname = 'vector'", values: [] }
]

const tableMissing = "42P01"

const plain = (text: string): Statement => ({ text, values: [] })

/** What a database's refusal means to a store: nothing that will pass, or that one item has caused, unless its code says so. */
const meaning = (database: Database) => (error: SqlRefused | StoreUnavailable | Fatal) => {
  if (error instanceof Fatal || error._tag === "StoreUnavailable") return error
  const { code, message } = error
  if (/^(22|23|54)/.test(code)) return new ItemsRefused({ reason: message })
  // A table that went away is made again; the others are of connections, of too much at once, and of deadlocks.
  if (code === tableMissing || /^(08|40|53|55|57)/.test(code)) {
    return new StoreUnavailable({ store: database.name, reason: message })
  }
  const isMissing = /^(58P01|0A000)$/.test(code)
  const advice = isMissing ? "; install pgvector where the database runs" : ""
  return new Fatal(`${database.name}: ${message}${advice}`, {
    type: isMissing ? "ExtensionMissing" : "StoreRefused"
  })
}

export const sqlStore = (database: Database, indexedFrom = indexedFromDefault): StoreShape => {
  /** Of pgvector, once the database is set up. */
  let version: string | undefined

  const run = Effect.fnUntraced(
    function* (statements: ReadonlyArray<Statement>) {
      if (version === undefined) {
        const rows = yield* database.transaction(setUp)
        version = String(rows.at(-1)?.[0]?.["version"])
      }
      return yield* database.transaction(statements)
    },
    Effect.tapError((error) =>
      Effect.sync(() => {
        // Tables that went away, maybe with their database, are made again by whoever comes next.
        if (error instanceof SqlRefused && error.code === tableMissing) version = undefined
      })
    ),
    Effect.mapError(meaning(database))
  )

  /** Nothing that is not written to an item can be refused for one. */
  const asked = (
    statements: ReadonlyArray<Statement>
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<Row>>, StoreError> =>
    Effect.catchTag(run(statements), "ItemsRefused", ({ reason }) => refuse("StoreRefused", reason))

  const collection = Effect.fn("VectorStore.collection")(function* (name: string) {
    const [rows = []] = yield* asked([
      {
        text: "select dimensions, model from troupe_vector_collections where tenant = $1 and name = $2",
        values: [yield* Tenant, name]
      }
    ])
    const row = rows[0] as { readonly dimensions: number; readonly model: string | null } | undefined
    return row === undefined
      ? undefined
      : ({ name, dimensions: row.dimensions, model: row.model ?? undefined } satisfies Collection)
  })

  const open = Effect.fn("VectorStore.open")(function* (wanted: Collection) {
    const tenant = yield* Tenant
    const there = yield* collection(wanted.name)
    if (there !== undefined) return there
    const items = tableOf(tenant, wanted.name)
    yield* asked([
      lock,
      {
        text: `insert into troupe_vector_collections (tenant, name, dimensions, model, items)
          values ($1, $2, $3, $4, $5) on conflict do nothing`,
        values: [tenant, wanted.name, wanted.dimensions, wanted.model ?? null, items]
      },
      // Whoever has made the row has made the table with it, so that both say the same.
      plain(`create table if not exists ${items} (
        id text primary key, embedding vector(${wanted.dimensions}) not null, metadata jsonb not null)`),
      // Beside its row where a page holds both: what lies elsewhere takes twice as long to write and to compare.
      ...(wanted.dimensions <= besideDimensionsMax
        ? [plain(`alter table ${items} alter column embedding set storage plain`)]
        : []),
      plain(`create index if not exists ${items}_metadata on ${items} using gin (metadata jsonb_path_ops)`)
    ])
    return (yield* collection(wanted.name)) ?? wanted
  })

  const write = Effect.fn("VectorStore.write")(function* (
    { name }: Collection,
    items: Parameters<StoreShape["write"]>[1]
  ) {
    const table = tableOf(yield* Tenant, name)
    // In one order everywhere, so that two that write the same items wait for each other in one direction.
    const sorted = items.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    yield* run([
      {
        text: `insert into ${table} (id, embedding, metadata)
          select id, embedding::vector, metadata::jsonb
          from unnest($1::text[], $2::text[], $3::text[]) as item (id, embedding, metadata)
          on conflict (id) do update set embedding = excluded.embedding, metadata = excluded.metadata`,
        values: [
          sorted.map(({ id }) => id),
          sorted.map(({ vector }) => vectorText(vector)),
          sorted.map(({ metadata }) => JSON.stringify(metadata))
        ]
      }
    ])
  })

  const search: StoreShape["search"] = Effect.fn("VectorStore.search")(function* (
    { name },
    vector,
    top,
    filter
  ) {
    const table = tableOf(yield* Tenant, name)
    const { text, values } = condition(filter, 3)
    // Where an index cannot go on until enough items fit, a filter is held against all items.
    const plan = plain(
      filter === undefined || isAtLeast(version, 0, 8)
        ? `select set_config('hnsw.ef_search', '${effortOf(top)}', true)${isAtLeast(version, 0, 8) ? ", set_config('hnsw.iterative_scan', 'strict_order', true)" : ""}`
        : "set local enable_indexscan = off"
    )
    const [, rows = []] = yield* asked([
      plan,
      {
        text: `select id, metadata, 1 - distance as score from (
            select id, metadata, embedding <=> $1::vector as distance from ${table} where ${text}
            order by embedding <=> $1::vector limit $2) nearest
          order by distance, id`,
        values: [vectorText(vector), top, ...values]
      }
    ])
    return rows.map((row) => ({
      id: row["id"] as string,
      score: Number(row["score"]),
      metadata: row["metadata"] as Metadata
    }))
  })

  const remove: StoreShape["remove"] = Effect.fn("VectorStore.remove")(function* ({ name }, which) {
    const table = tableOf(yield* Tenant, name)
    const { text, values } =
      "ids" in which ? { text: "id = any($1::text[])", values: [which.ids] } : condition(which.filter, 1)
    return yield* counted([
      {
        text: `with gone as (delete from ${table} where ${text} returning 1) select count(*)::int as count from gone`,
        values
      }
    ])
  })

  const drop: StoreShape["drop"] = Effect.fn("VectorStore.drop")(function* ({ name }) {
    const tenant = yield* Tenant
    const table = tableOf(tenant, name)
    return yield* counted([
      plain(`select count(*)::int as count from ${table}`),
      lock,
      {
        text: "delete from troupe_vector_collections where tenant = $1 and name = $2",
        values: [tenant, name]
      },
      plain(`drop table ${table}`)
    ])
  })

  /** Large collections are searched by a graph: it is built once, and grows with each write. */
  const settle = Effect.fn("VectorStore.settle")(function* ({ dimensions, name }: Collection) {
    if (!database.hasIndexes || dimensions > indexedDimensionsMax || !isAtLeast(version, 0, 5)) return
    const tenant = yield* Tenant
    const table = tableOf(tenant, name)
    const [rows = []] = yield* asked([
      {
        text: `select indexed, (select count(*)::int from (select 1 from ${table} limit ${indexedFrom}) as enough) as count
          from troupe_vector_collections where tenant = $1 and name = $2`,
        values: [tenant, name]
      }
    ])
    const row = rows[0] as { readonly indexed: boolean; readonly count: number } | undefined
    if (row === undefined || row.indexed || row.count < indexedFrom) return
    yield* asked([
      lock,
      plain("set local statement_timeout = 0"),
      plain(
        `create index if not exists ${table}_cosine on ${table} using hnsw (embedding vector_cosine_ops)`
      ),
      {
        text: "update troupe_vector_collections set indexed = true where tenant = $1 and name = $2",
        values: [tenant, name]
      }
    ])
  })

  const counted = (statements: ReadonlyArray<Statement>) =>
    Effect.map(asked(statements), ([rows]) => rows?.[0]?.["count"] as number | undefined)

  return {
    name: database.name,
    batch: { count: 500, bytes: 4_000_000 },
    collection,
    open,
    write,
    settle,
    search,
    remove,
    drop
  }
}

const isAtLeast = (version: string | undefined, major: number, minor: number) => {
  const [its = 0, of = 0] = (version ?? "").split(".").map(Number)
  return its > major || (its === major && of >= minor)
}

/** The table of a collection: no name of a caller's ever stands in SQL. */
const tableOf = (tenant: string, name: string) =>
  `troupe_vectors_${createHash("sha256").update(`${tenant}\n${name}`).digest("hex").slice(0, 24)}`

/** So many parts of a component of a vector of length 1 are told apart, as 32-bit floats do about. */
const parts = 1e8

/** As pgvector reads it: of length 1, since only its direction counts, so that few digits are enough. */
const vectorText = (vector: Float32Array) => {
  const length = Math.hypot(...vector)
  let text = "["
  for (let at = 0; at < vector.length; at++) {
    text += `${at === 0 ? "" : ","}${Math.round((vector[at]! / length) * parts) / parts}`
  }
  return `${text}]`
}

/** A filter as SQL whose values are numbered from `first`. */
export const condition = (filter: Filter | undefined, first: number): Statement => {
  const values: Array<Statement["values"][number]> = []
  const parts = (filter === undefined ? [] : testsOf(filter)).map((test) => {
    const next = (value: Statement["values"][number]) => `$${first - 1 + values.push(value)}`
    if (test.is === "in") {
      const objects = test.values.map((value) => JSON.stringify({ [test.field]: value }))
      return `metadata @> any(${next(objects)}::text[]::jsonb[])`
    }
    const field = `metadata -> '${test.field}'`
    const sign = { gt: ">", gte: ">=", lt: "<", lte: "<=" }[test.is]
    // A case is evaluated in order, so that no text is read as a number.
    return `case when jsonb_typeof(${field}) = 'number' then (${field})::float8 ${sign} ${next(test.number)}::float8 else false end`
  })
  return { text: parts.length === 0 ? "true" : parts.join(" and "), values }
}
