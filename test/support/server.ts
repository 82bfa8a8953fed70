/** A Redis of one test's own, that it may kill, freeze, start again and set up as it likes. */
import { Effect, Layer, Redacted } from "effect"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { Settings, type SettingsShape } from "../../runtime/config.ts"
import { findServer } from "../../runtime/redis/private.ts"
import { addressOf } from "./address.ts"
import { aNamespace } from "./redis.ts"

export { addressOf, aFreePort } from "./address.ts"

export const settingsFor = (url: string, over: Partial<SettingsShape> = {}): Layer.Layer<Settings> =>
  Layer.orDie(Settings.layer({ redisUrl: Redacted.make(url), namespace: aNamespace(), ...over }, {}))

/** Succeeds when the server says that it is ready. */
const ready = async (output: ReadableStream<Uint8Array>): Promise<void> => {
  const reader = output.getReader()
  const decoder = new TextDecoder()
  let said = ""
  while (!/ready to accept connections/i.test(said)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`redis-server ended: ${said}`)
    said += decoder.decode(value, { stream: true })
  }
  // What it says later is read too, or it would wait for a reader.
  const drain = async () => {
    while (!(await reader.read()).done);
  }
  drain().catch(() => {})
}

/** Starts a Redis on a socket in a folder of its own. It keeps its data over `kill` and `start`. */
export const aServer = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(`${tmpdir()}/troupe-server-`)),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const socket = `${folder}/redis.sock`
  const command = [
    ...[
      findServer()!,
      "--port",
      "0",
      "--unixsocket",
      socket,
      "--dir",
      folder,
      "--save",
      "",
      "--appendonly",
      "yes",
      "--appendfsync",
      "always"
    ],
    ...options
  ]
  let child: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined

  const start = Effect.promise(async () => {
    child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" })
    await ready(child.stdout)
  })
  const kill = Effect.promise(async () => {
    child?.kill("SIGKILL")
    await child?.exited
  })
  yield* start
  yield* Effect.addFinalizer(() => kill)

  const url = `unix:${socket}`
  return {
    url,
    address: addressOf(url),
    start,
    kill,
    freeze: Effect.sync(() => child?.kill("SIGSTOP")),
    thaw: Effect.sync(() => child?.kill("SIGCONT")),
    /** A connection of the test's own. */
    client: Effect.acquireRelease(
      // Without a listener ioredis prints each time the server goes away.
      Effect.sync(() => new Redis({ ...addressOf(url), connectionName: "test" }).on("error", () => {})),
      (client) => Effect.sync(() => client.disconnect())
    )
  }
})
