/**
 * The process that has the folder of a PGlite open, and answers for it on a socket: the folder bears one process only.
 *
 *     bun keeper.ts FOLDER SOCKET
 *
 *     FOLDER/lock     locked by the one whose turn it is; the lock ends with its process, however that ends
 *     FOLDER/data     the database
 *     FOLDER/new-…    one that is being made; it is moved to its place when it is whole
 *
 * Who comes too late exits with `exitHeld`. It says `ready` on its output when it answers, and goes when its input ends: with
 * whoever has started it.
 */
import { chmod, exists, readdir, rename, rm } from "node:fs/promises"
import * as path from "node:path"
import { exitHeld } from "./keeper-exit.ts"
import { takeLock } from "./lock.ts"
import type { Statement } from "./sql.ts"

/** For so long it waits for those who hold the lock only to look whether it is held. */
const lookersMs = 200

const open = async (data: string) => {
  const [{ PGlite }, { vector }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("@electric-sql/pglite-pgvector")
  ])
  return PGlite.create(data, { extensions: { vector } })
}

/** Makes the database in a process of its own, which needs some 800 MB for it and gives them back. */
const make = async (folder: string) => {
  const data = path.join(folder, "data")
  if (await exists(data)) return
  // Of those who were killed while they made one. What they have started may go on, and has a name of its own.
  for (const name of await readdir(folder)) {
    if (name.startsWith("new-")) await rm(path.join(folder, name), { recursive: true, force: true })
  }
  const fresh = path.join(folder, `new-${process.pid}`)
  const maker = Bun.spawn([process.execPath, import.meta.path, "make", fresh], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit"
  })
  if ((await maker.exited) !== 0) process.exit(1)
  await rename(fresh, data)
}

const keep = async (folder: string, socket: string) => {
  const lock = takeLock(folder, lookersMs)
  if (lock === undefined) process.exit(exitHeld)
  await make(folder)
  const database = await open(path.join(folder, "data"))

  const transaction = (statements: ReadonlyArray<Statement>) =>
    database.transaction(async (open) => {
      const results: Array<unknown> = []
      for (const { text, values } of statements) {
        results.push((await open.query(text, [...values] as Array<unknown>)).rows)
      }
      return results
    })

  // One that was killed has left its own.
  await rm(socket, { force: true })
  const server = Bun.serve({
    unix: socket,
    maxRequestBodySize: 256 * 1024 * 1024,
    fetch: async (request) => {
      try {
        return Response.json(await transaction((await request.json()) as ReadonlyArray<Statement>))
      } catch (thrown) {
        const { code = "XX000", message = String(thrown) } = thrown as {
          readonly code?: string
          readonly message?: string
        }
        return Response.json({ code, message }, { status: 422 })
      }
    }
  })
  await chmod(socket, 0o600)

  const stop = async () => {
    // What is being answered is answered; nobody else may come before the database is closed.
    await server.stop()
    await database.close()
    await rm(socket, { force: true })
    lock.close()
    process.exit(0)
  }
  process.on("SIGTERM", () => void stop())
  // A terminal's Ctrl-C is for whoever has started it, who ends its input.
  process.on("SIGINT", () => {})
  process.stdout.write("ready\n")
  for await (const _ of Bun.stdin.stream()) {
    // Only its end says something.
  }
  await stop()
}

const [folder = "", socket = ""] = process.argv.slice(2)
if (folder === "make") await (await open(socket)).close()
else await keep(folder, socket)
