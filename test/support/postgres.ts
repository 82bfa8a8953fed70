/**
 * A private PostgreSQL for tests, on a socket in a folder of its own, where this machine has one with pgvector.
 *
 * Debian: `postgresql`, and `scripts/pgvector.sh` for the extension. Without them what needs it is skipped, and says so.
 */
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { postgresPrograms, runPostgres } from "../../scripts/postgres.ts"
import { atTheEnd } from "./end.ts"

/** Why there is no such server here, if there is none. */
export const postgresMissing =
  postgresPrograms === undefined
    ? "there is no PostgreSQL"
    : existsSync(
          postgresPrograms.replace(/^\/usr\/lib\/(.*)\/bin$/, "/usr/share/$1/extension/vector.control")
        )
      ? undefined
      : "PostgreSQL has no pgvector; see scripts/pgvector.sh"

/** The server's URL; it is started once for all tests of a process. */
export const postgresUrl = Effect.runSync(
  Effect.cached(
    Effect.promise(async () => {
      const folder = await mkdtemp(path.join(tmpdir(), "troupe-postgres-"))
      await chmod(folder, 0o755)
      if (process.getuid?.() === 0) await Bun.$`chown postgres:postgres ${folder}`.quiet()
      const data = path.join(folder, "data")
      await runPostgres([
        `${postgresPrograms}/initdb`,
        "-D",
        data,
        "-U",
        "postgres",
        "--auth=trust",
        "--no-sync"
      ])
      const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off`
      const control = [`${postgresPrograms}/pg_ctl`, "-D", data, "-w"]
      await runPostgres([...control, "-l", path.join(folder, "log"), "-o", options, "start"])
      atTheEnd(async () => {
        await runPostgres([...control, "-m", "immediate", "stop"])
        await rm(folder, { recursive: true, force: true })
      })
      return `postgres://postgres@${encodeURIComponent(folder)}/postgres`
    })
  )
)
