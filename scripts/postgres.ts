/** Debian's PostgreSQL, for benches and tests that start a private one: where its programs lie, and who may run them. */
import { globSync } from "node:fs"

/** Where Debian keeps its servers, of which the newest counts. */
export const postgresPrograms = globSync("/usr/lib/postgresql/*/bin").toSorted().at(-1)

/** PostgreSQL does not run as root. */
const asPostgres = (command: ReadonlyArray<string>) =>
  process.getuid?.() === 0
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", ...command]
    : [...command]

/** Runs one of its programs to its end, and throws what it said when it fails. */
export const runPostgres = async (command: ReadonlyArray<string>): Promise<void> => {
  const child = Bun.spawn(asPostgres(command), { stdin: "ignore", stdout: "ignore", stderr: "pipe" })
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${await new Response(child.stderr).text()}`)
}
