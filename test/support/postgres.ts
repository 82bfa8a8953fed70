/**
 * A private PostgreSQL for tests, on a socket in a folder of its own, where this machine has one with pgvector.
 *
 * Debian: `postgresql`, and `scripts/pgvector.sh` for the extension. Without them what needs it is skipped, and says so.
 */
import { Effect } from "effect"
import { existsSync, globSync } from "node:fs"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { atTheEnd } from "./end.ts"

/** Where Debian keeps its servers, of which the newest counts. */
const binaries = globSync("/usr/lib/postgresql/*/bin").toSorted().at(-1)

/** Why there is no such server here, if there is none. */
export const postgresMissing =
  binaries === undefined
    ? "there is no PostgreSQL"
    : existsSync(binaries.replace(/^\/usr\/lib\/(.*)\/bin$/, "/usr/share/$1/extension/vector.control"))
      ? undefined
      : "PostgreSQL has no pgvector; see scripts/pgvector.sh"

/** PostgreSQL does not run as root. */
const asPostgres = (command: ReadonlyArray<string>) =>
  process.getuid?.() === 0
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", ...command]
    : [...command]

const runTo = async (command: ReadonlyArray<string>) => {
  const child = Bun.spawn(asPostgres(command), { stdin: "ignore", stdout: "ignore", stderr: "pipe" })
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${await new Response(child.stderr).text()}`)
}

/** The server's URL; it is started once for all tests of a process. */
export const postgresUrl = Effect.runSync(
  Effect.cached(
    Effect.promise(async () => {
      const folder = await mkdtemp(path.join(tmpdir(), "troupe-postgres-"))
      await chmod(folder, 0o755)
      if (process.getuid?.() === 0) await Bun.$`chown postgres:postgres ${folder}`.quiet()
      const data = path.join(folder, "data")
      await runTo([`${binaries}/initdb`, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"])
      const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off`
      const control = [`${binaries}/pg_ctl`, "-D", data, "-w"]
      await runTo([...control, "-l", path.join(folder, "log"), "-o", options, "start"])
      atTheEnd(async () => {
        await runTo([...control, "-m", "immediate", "stop"])
        await rm(folder, { recursive: true, force: true })
      })
      return `postgres://postgres@${encodeURIComponent(folder)}/postgres`
    })
  )
)
