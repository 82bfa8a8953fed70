/** What becomes of vectors when their store fails, limits, or goes away for a while. */
import { describe, expect, test } from "bun:test"
import { ConfigProvider, Effect } from "effect"
import { createServer, type Server, type Socket } from "node:net"
import { pineconeStore } from "../../../handlers/vectors/pinecone.ts"
import { postgresDatabase } from "../../../handlers/vectors/postgres.ts"
import { sqlStore } from "../../../handlers/vectors/sql.ts"
import { writeAll } from "../../../handlers/vectors/write.ts"
import { it } from "../../support/effect.ts"
import { pineconeServer } from "../../support/pinecone.ts"
import { postgresMissing, postgresUrl } from "../../support/postgres.ts"

const withKey = (key: string) =>
  Effect.provideService(
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env: { PINECONE_API_KEY: key } })
  )

const collection = { name: "c", dimensions: 2, model: undefined }

const items = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `i${at}`,
    vector: new Float32Array([1, at]),
    metadata: { at }
  }))

const nothing = () => Effect.void

describe("Pinecone", () => {
  const failing = [
    [
      "says it is asked too often",
      new Response("{}", { status: 429, headers: { "retry-after": "3" } }),
      { name: "RetryAfter", afterMs: 3_000, counted: false }
    ],
    ["is down", new Response("no healthy upstream", { status: 503 }), { _tag: "StoreUnavailable" }],
    ["answers what nobody can read", new Response("<html>", { status: 200 }), { _tag: "StoreUnavailable" }],
    [
      "says no",
      Response.json({ code: 7, message: "forbidden", details: [] }, { status: 403 }),
      { name: "StoreRefused", message: "Pinecone: it answered 403: forbidden" }
    ],
    [
      "says its key back",
      Response.json({ code: 16, message: "no such key: pc-1", details: [] }, { status: 401 }),
      { name: "StoreRefused", message: "Pinecone: it answered 401: no such key: [secret PINECONE_API_KEY]" }
    ]
  ] as const
  for (const [what, answer, expected] of failing) {
    it.live(`that ${what} fails a task as it should`, () =>
      Effect.gen(function* () {
        const { url } = yield* pineconeServer(2, () => answer.clone())
        const store = yield* pineconeStore(url).pipe(withKey("pc-1"))
        expect(
          yield* Effect.flip(store.search(collection, new Float32Array([1, 0]), 1, undefined))
        ).toMatchObject(expected)
      })
    )
  }

  it.live("is not asked without a key, and says when the key is wrong", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(pineconeStore("http://localhost").pipe(withKey("")))).toMatchObject({
        name: "StoreMissing"
      })
      const { url } = yield* pineconeServer(2)
      const store = yield* pineconeStore(url).pipe(withKey("another"))
      expect(yield* Effect.flip(store.collection("c"))).toMatchObject({ name: "StoreRefused" })
    })
  )

  it.live("is written to in requests of the size it takes, in the version of its API that we know", () =>
    Effect.gen(function* () {
      const { asked, namespaces, url } = yield* pineconeServer(2)
      const store = yield* pineconeStore(url).pipe(withKey("pc-1"))
      expect(yield* writeAll(store, collection, items(1_200), nothing)).toEqual({
        written: 1_200,
        refused: []
      })
      expect(asked.map(({ vectors }) => vectors)).toEqual([500, 500, 200])
      expect(new Set(asked.map(({ version }) => version))).toEqual(new Set(["2025-04"]))
      expect(namespaces.get("c")!.size).toBe(1_200)
    })
  )
})

/** A way to a server that can be shut and opened, and cuts all connections as it is shut. */
const door = (to: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      let isOpen = true
      const server: Server = createServer((client) => {
        if (!isOpen) return client.destroy()
        void import("node:net").then(({ connect }) => {
          const beyond = connect(to)
          for (const socket of [client, beyond]) {
            sockets.add(socket)
            socket.on("error", () => {})
            socket.on("close", () => (client.destroy(), beyond.destroy(), sockets.delete(socket)))
          }
          client.pipe(beyond)
          beyond.pipe(client)
        })
      })
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve)
      })
      const { port } = server.address() as { readonly port: number }
      return {
        server,
        port,
        set: (open: boolean) => {
          isOpen = open
          if (!open) for (const socket of sockets) socket.destroy()
        }
      }
    }),
    ({ server, set }) => Effect.promise(async () => (set(false), void server.close()))
  )

describe("PostgreSQL", () => {
  test.skipIf(postgresMissing !== undefined)(
    "that goes away is unavailable, and is used again when it is back",
    () =>
      Effect.gen(function* () {
        const folder = decodeURIComponent(/@(.*)\//.exec(yield* postgresUrl)![1]!)
        const way = yield* door(`${folder}/.s.PGSQL.5432`)
        const database = yield* postgresDatabase(`postgres://postgres@127.0.0.1:${way.port}/postgres`)
        const store = sqlStore(database)
        const own = yield* store.open({ ...collection, name: `c-${crypto.randomUUID().slice(0, 8)}` })
        yield* writeAll(store, own, items(10), nothing)
        way.set(false)
        expect(yield* Effect.flip(writeAll(store, own, items(10), nothing))).toMatchObject({
          _tag: "StoreUnavailable"
        })
        way.set(true)
        yield* writeAll(store, own, items(12), nothing)
        expect((yield* store.search(own, new Float32Array([1, 0]), 50, undefined)).length).toBe(12)
      }).pipe(Effect.scoped, Effect.runPromise),
    60_000
  )

  test.skipIf(postgresMissing !== undefined)(
    "that is busy is waited for, longer than one that does not let anybody in",
    () =>
      Effect.gen(function* () {
        const { transaction } = yield* postgresDatabase(yield* postgresUrl, 300)
        const slow = transaction([{ text: "select pg_sleep(0.5)", values: [] }])

        const ended = yield* Effect.all(
          Array.from({ length: 12 }, () => Effect.result(slow)),
          { concurrency: "unbounded" }
        )

        expect(ended.map(({ _tag }) => _tag)).toEqual(ended.map(() => "Success"))
      }).pipe(Effect.scoped, Effect.runPromise),
    60_000
  )

  test("that cannot be reached is unavailable, and its password is not told", async () => {
    const failure = await postgresDatabase("postgres://me:secret@127.0.0.1:1/app").pipe(
      Effect.flatMap(({ transaction }) => transaction([])),
      Effect.scoped,
      Effect.flip,
      Effect.runPromise
    )
    expect(failure).toMatchObject({ _tag: "StoreUnavailable" })
    expect(failure.message).toContain("postgres://me:***@127.0.0.1:1/app")
    expect(failure.message).not.toContain("secret")
  })
})
