/** The Redis of a bench: private, on TCP as nearly all are, without an append-only file; and what it says of itself. */
import { Effect, FileSystem } from "effect"
import { Redis } from "ioredis"
import { startPrivate } from "../runtime/redis/private.ts"
import { freePort } from "./systems/port.ts"

export interface BenchRedis {
  readonly url: string
  readonly version: string
  /** A connection of the bench's own. */
  readonly client: Redis
  /** What the main thread has used: it alone runs commands and scripts. */
  readonly cpuMicros: Effect.Effect<number>
  /** What the data takes, without the buffers of its clients. */
  readonly usedBytes: Effect.Effect<number>
  readonly flush: Effect.Effect<void>
}

/** Starts a Redis, which stops with the scope. */
export const startRedis = Effect.gen(function* () {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "troupe-bench-" })
  const { url: socket } = yield* startPrivate({ folder, durable: false })
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis({ path: socket.replace(/^unix:/, "") })),
    (client) => Effect.sync(() => client.disconnect())
  )
  const port = yield* Effect.promise(freePort)
  yield* Effect.promise(() => client.config("SET", "port", port))
  const info = (section: string, ...names: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      const text = await client.info(section)
      return names.map((name) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(text)?.[1] ?? "")
    })
  const [version = ""] = yield* info("server", "redis_version")
  return {
    url: `redis://127.0.0.1:${port}`,
    version,
    client,
    cpuMicros: Effect.map(
      info("cpu", "used_cpu_user_main_thread", "used_cpu_sys_main_thread"),
      ([user, system]) => (Number(user) + Number(system)) * 1e6
    ),
    usedBytes: Effect.map(
      info("memory", "used_memory", "mem_clients_normal"),
      ([used, clients]) => Number(used) - Number(clients)
    ),
    flush: Effect.promise(() => client.flushall("SYNC"))
  } satisfies BenchRedis
})
