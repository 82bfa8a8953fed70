/** Malformed command lines: commands that there are, with flags that there are, and values that are none. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { resolve } from "node:path"
import { startPrivate } from "../../runtime/redis/private.ts"
import { text } from "./malformed.ts"

const commands = ["submit", "status", "result", "tail", "cancel", "retry", "tasks", "dead", "queues"].concat([
  ...["reschedule", "schedules", "agents", "workers", "nodes", "keys", "x", ""]
])
const parts = [
  "list",
  "show",
  "create",
  "delete",
  "pause",
  "resume",
  "retry",
  "purge",
  "limit",
  "drain",
  "tell",
  "ask",
  "x"
]
const flags = [
  ...["json", "redis", "tenant", "state", "name", "queue", "tag", "key", "from", "to", "limit", "cursor"],
  ...["input", "file", "delay", "run-at", "priority", "timeout", "wait", "after", "cron", "every", "at"],
  ...["time-zone", "missed", "overlap", "reason", "yes", "now", "role", "dry-run", "concurrency", "rate", "x"]
]

/** What may stand in a line: no line has a NUL in it. */
const word = text.map((value) => value.replaceAll("\0", "?").toWellFormed().slice(0, 2_000))

/** A command line whose every value is made up. */
const line: fc.Arbitrary<ReadonlyArray<string>> = fc
  .tuple(
    fc.constantFrom(...commands),
    fc.option(fc.constantFrom(...parts)),
    fc.array(word, { maxLength: 2 }),
    fc.array(fc.tuple(fc.constantFrom(...flags), word), { maxLength: 3 })
  )
  .map(([command, part, words, flags]) => [
    command,
    ...(part === null ? [] : [part]),
    ...words,
    // Where it would look for a Redis is not for chance to say.
    ...flags.flatMap(([flag, value]) => (flag === "redis" ? ["--redis", "x"] : [`--${flag}`, value]))
  ])
  // Without a task it follows all of them, and has no end.
  .filter(([command, ...rest]) => command !== "tail" || rest.some((part) => !part.startsWith("-")))

/** Runs so many command lines in a process of their own. */
export const fuzzCommands = async (inputs: number, seed: number) => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-fuzz-cli-`)
  const scope = Scope.makeUnsafe()
  const { url } = await startPrivate({ folder, durable: false }).pipe(
    Effect.provide(NodeServices.layer),
    Scope.provide(scope),
    Effect.runPromise
  )
  try {
    const child = Bun.spawn([process.execPath, resolve(import.meta.dir, "cli-child.ts")], {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, REDIS_URL: url, NO_COLOR: "1", TROUPE_LOG: "none" },
      stdin: new Blob([JSON.stringify(fc.sample(line, { numRuns: inputs, seed }))]),
      stdout: "ignore",
      stderr: "pipe"
    })
    const said = await new Response(child.stderr).text()
    const code = await child.exited
    return {
      inputs,
      failures:
        code === 0
          ? []
          : [`command lines ended with ${code} (seed ${seed}):\n${said.split("\n").slice(-20).join("\n")}`]
    }
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(folder, { recursive: true, force: true })
  }
}
