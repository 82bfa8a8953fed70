/**
 * A PGlite, PostgreSQL inside of a process, in a folder that all processes of a machine share.
 *
 * The folder bears one process only. So whoever finds nobody who answers for it starts a process that does (`keeper.ts`), and all
 * speak to that one by a socket. When it ends, with the worker that started it or by itself, the next who asks starts another:
 * what was committed is in the folder, and what had no answer yet is said again.
 */
import { Clock, Duration, Effect, Schema, type Scope, Semaphore } from "effect"
import { createHash } from "node:crypto"
import { mkdir, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import type { Fatal } from "../../runtime/handler.ts"
import { firstMissing } from "../packages/installed.ts"
import { refuse } from "../refusal/refuse.ts"
import { exitHeld } from "./keeper-exit.ts"
import { takeLock } from "./lock.ts"
import { type Database, type Row, SqlRefused, type Statement } from "./sql.ts"
import { StoreUnavailable } from "./store.ts"

const packages = ["@electric-sql/pglite", "@electric-sql/pglite-pgvector"]

/** How long a request waits for a keeper that answers: one that begins recovers its folder first, or makes it. */
const waitMax = Duration.seconds(90)

/** How soon to look again whether the keeper answers that another process has started. */
const pause = "50 millis"

/** How long a keeper may take to close its folder before it is killed, which loses nothing either. */
const closeMax = "5 seconds"

/** A socket's path is part of its address, which has room for 108 bytes on Linux, and for a few less elsewhere. */
const socketPathMax = 100

/** Nobody answers: there is no keeper, or it went away. */
class Unanswered extends Schema.TaggedError<Unanswered>()("Unanswered", { reason: Schema.String }) {}

/** Fails with `PackageMissing`. The keeper that this process has started, if it has, ends with the scope. */
export const pgliteDatabase = Effect.fnUntraced(function* (
  folder: string
): Effect.fn.Return<Database, Fatal | StoreUnavailable, Scope.Scope> {
  const absent = firstMissing(packages)
  if (absent !== undefined) {
    return yield* refuse(
      "PackageMissing",
      `vectors in PGlite need the package ${absent}, which is not installed: bun add ${packages.join(" ")}`
    )
  }
  const name = `PGlite in ${folder}`
  const failed = (reason: string) => new StoreUnavailable({ store: name, reason })
  const socket = yield* Effect.mapError(socketOf(path.resolve(folder)), failed)
  const starting = yield* Semaphore.make(1)
  let keeper: Keeper | undefined

  yield* Effect.addFinalizer(() => (keeper === undefined ? Effect.void : stop(keeper)))

  /** Looking costs little; a keeper that starts in vain, while another one begins, costs a process. */
  const isKept = (at: string) =>
    Effect.try({
      try: () => {
        const lock = takeLock(at)
        lock?.close()
        return lock === undefined
      },
      catch: (cause) => failed(cause instanceof Error ? cause.message : String(cause))
    })

  /** Starts a keeper, where none lives. One that finds the folder kept after all goes again. */
  const start = starting.withPermits(1)(
    Effect.uninterruptible(
      Effect.gen(function* () {
        if (keeper !== undefined && isAlive(keeper)) return
        if (yield* isKept(path.resolve(folder))) return
        keeper = spawn(path.resolve(folder), socket)
        const began = yield* Effect.promise(() => beginning(keeper!))
        if (began !== undefined) return yield* failed(`its keeper does not start: ${began}`)
      })
    )
  )

  const transaction: Database["transaction"] = Effect.fn("PGlite.transaction")(function* (statements) {
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(waitMax)
    while (true) {
      const answer = yield* Effect.result(ask(socket, statements))
      if (answer._tag === "Success") {
        const { body, status } = answer.success
        if (status === 200) return body as ReadonlyArray<ReadonlyArray<Row>>
        const { code, message } = body as { readonly code: string; readonly message: string }
        return yield* new SqlRefused({ code, reason: message })
      }
      if ((yield* Clock.currentTimeMillis) > until) {
        return yield* failed(
          `nobody answers for it, and another process keeps it: ${answer.failure.reason}. Processes of other machines cannot share it; say TROUPE_VECTORS=postgres://…`
        )
      }
      yield* start
      yield* Effect.sleep(pause)
    }
  })

  // A graph takes minutes to build in there, in which nobody is answered.
  return { name, hasIndexes: false, transaction }
})

const ask = (socket: string, statements: ReadonlyArray<Statement>) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch("http://keeper/", {
        method: "POST",
        body: JSON.stringify(statements),
        unix: socket,
        signal
      })
      return { status: response.status, body: (await response.json()) as unknown }
    },
    catch: (cause) => new Unanswered({ reason: cause instanceof Error ? cause.message : String(cause) })
  })

// ---------------------------------------------------------------------------------------------------------
// The keeper's process
// ---------------------------------------------------------------------------------------------------------

type Keeper = Bun.Subprocess<"pipe", "pipe", "pipe">

const spawn = (folder: string, socket: string): Keeper => {
  const program = path.join(import.meta.dir, "keeper.ts")
  const child = Bun.spawn([process.execPath, program, folder, socket], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe"
  })
  // It goes with us, and does not keep us.
  child.unref()
  return child
}

const isAlive = ({ exitCode, signalCode }: Keeper) => exitCode === null && signalCode === null

/** Resolves when it answers, or has found that another one keeps the folder; with what it says when it fails. */
const beginning = async (keeper: Keeper): Promise<string | undefined> => {
  const reader = keeper.stdout.getReader()
  const { done } = await reader.read()
  reader.releaseLock()
  if (!done) return undefined
  const exit = await keeper.exited
  if (exit === exitHeld) return undefined
  const said = await new Response(keeper.stderr).text()
  return said.trim().slice(-500) || `exit ${exit}`
}

/** Its input ends, and so does it when it has closed its folder. */
const stop = (keeper: Keeper) =>
  Effect.promise(async () => {
    void keeper.stdin.end()
    await keeper.exited
  }).pipe(
    Effect.timeoutOrElse({ duration: closeMax, orElse: () => Effect.sync(() => keeper.kill("SIGKILL")) }),
    Effect.interruptible
  )

/**
 * Where the keeper of a folder answers: in the folder, where only we may enter; or, where that path is too long, in a folder of
 * ours below the system's for such things.
 */
const socketOf = (folder: string): Effect.Effect<string, string> =>
  Effect.tryPromise({
    try: async () => {
      const near = path.join(folder, "keeper.sock")
      if (Buffer.byteLength(near) <= socketPathMax) return near
      const uid = process.getuid?.() ?? 0
      const own = path.join(tmpdir(), `troupe-${uid}`)
      await mkdir(own, { recursive: true, mode: 0o700 })
      const found = await stat(own)
      if (found.uid !== uid || (found.mode & 0o077) !== 0) {
        throw new Error(
          `${own} can be entered by others, and the path of the folder is too long for a socket`
        )
      }
      return path.join(own, `${createHash("sha256").update(folder).digest("hex").slice(0, 32)}.sock`)
    },
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })
