/**
 * A PostgreSQL server, asked through `pg`.
 *
 * Each list of statements is a transaction on a connection of a small pool, for which it waits as long as its task may. What a
 * connection breaks in is unavailable, and tried again by the task's retry policy.
 */
import { Effect, type Scope, Semaphore } from "effect"
import type { PoolClient } from "pg"
import type { Fatal } from "../../runtime/handler.ts"
import { optionalPackage } from "../packages/optional.ts"
import { type Database, type Row, SqlRefused, type Statement } from "./sql.ts"
import { StoreUnavailable } from "./store.ts"

/** Of each worker process. */
const connectionsMax = 4

/** How long a server may take to let somebody in. */
const connectTimeoutMs = 10_000

/** A statement that takes longer is ended by the server. */
const statementTimeoutMs = 60_000

/** Fails with `PackageMissing`. Connects when it is first asked; its connections close with the scope. */
export const postgresDatabase = Effect.fnUntraced(function* (
  url: string,
  connectMs: number = connectTimeoutMs
): Effect.fn.Return<Database, Fatal, Scope.Scope> {
  const { default: pg } = yield* optionalPackage("pg", () => import("pg"))
  const name = `PostgreSQL ${withoutPassword(url)}`
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new pg.Pool({
        connectionString: url,
        max: connectionsMax,
        connectionTimeoutMillis: connectMs,
        statement_timeout: statementTimeoutMs,
        application_name: "troupe",
        allowExitOnIdle: true
      })
      // An idle connection that breaks is replaced; who uses one hears by its statement. Unheard, these would end the process.
      made.on("error", () => {})
      made.on("connect", (client) => void client.on("error", () => {}))
      return made
    }),
    (made) => Effect.promise(() => made.end())
  )

  // The pool would count the time for a connection to be free as time to connect, and give up on a server that is only busy.
  const free = yield* Semaphore.make(connectionsMax)

  const transaction: Database["transaction"] = (statements) =>
    Effect.acquireUseRelease(
      Effect.tryPromise({ try: () => pool.connect(), catch: (cause) => failureOf(name, cause) }),
      (client) =>
        Effect.tryPromise({
          try: () => inTransaction(client, statements),
          catch: (cause) => failureOf(name, cause)
        }),
      (client, exit) =>
        // A connection that may be within a transaction, or broken, is not used again.
        Effect.sync(() => client.release(exit._tag === "Failure"))
    ).pipe(free.withPermits(1))

  return { name, hasIndexes: true, transaction }
})

const inTransaction = async (client: PoolClient, statements: ReadonlyArray<Statement>) => {
  const results: Array<ReadonlyArray<Row>> = []
  await client.query("begin")
  for (const { text, values } of statements) {
    results.push((await client.query<Row>(text, [...values])).rows)
  }
  await client.query("commit")
  return results
}

/** A refusal has a code of five letters; all else is the connection's. */
const failureOf = (store: string, cause: unknown): SqlRefused | StoreUnavailable => {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
  const reason = typeof message === "string" && message !== "" ? message : String(code ?? cause)
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && code !== "EPIPE"
    ? new SqlRefused({ code, reason })
    : new StoreUnavailable({ store, reason })
}

const withoutPassword = (text: string) => {
  const url = URL.parse(text)
  if (url === null) return "by a URL that cannot be shown"
  url.password = url.password === "" ? "" : "***"
  return url.href
}
