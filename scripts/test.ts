/**
 * Runs the tests, and ends with one line, `N passed, N failed`, counted from Bun's own reports.
 *
 * Arguments go to `bun test`: `npm test -- test/runtime/keys.test.ts`. Without any, the tests that kill and wait
 * (`test/crash`) run beside all others, since they leave the processor alone for most of their time; what they print
 * comes last. A run that dies before it reports counts as one failure, and so does one that fails outside of a test.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

if ((Bun.which("redis-server") ?? Bun.which("valkey-server")) === null) {
  console.error("The tests need a redis-server or valkey-server on PATH: they start one of their own.")
  process.exit(1)
}

/** Each is a run of its own. */
const shards = async (): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const said = process.argv.slice(2)
  if (said.length > 0) return [said]
  const folders = (await readdir("test", { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const others = folders.map(({ name }) => `test/${name}/`).filter((name) => name !== "test/crash/")
  return [others, ["test/crash/"]]
}

const folder = await mkdtemp(join(tmpdir(), "troupe-test-"))

const runs = (await shards()).map((args, at) => {
  const report = join(folder, `${at}.xml`)
  // Two that print at once could not be read.
  const log = at === 0 ? undefined : join(folder, `${at}.log`)
  const out = log === undefined ? ("inherit" as const) : Bun.file(log)
  const child = Bun.spawn(
    [
      ...[process.execPath, "test", "--timeout=20000"],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
      ...args
    ],
    { stdin: "ignore", stdout: out, stderr: out }
  )
  return { child, report, log }
})
// The terminal sends Ctrl-C to the children as well; we stay to say how far they came.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {
  for (const { child } of runs) child.kill()
})

let [passed, failed, skipped] = [0, 0, 0]
for (const { child, log, report } of runs) {
  const status = await child.exited
  if (log !== undefined) process.stdout.write(await Bun.file(log).text())
  // The totals stand on the root element.
  const totals = (
    await Bun.file(report)
      .text()
      .catch(() => "")
  ).match(/<testsuites [^>]*>/)?.[0]
  const total = (attribute: string) => Number(totals?.match(new RegExp(` ${attribute}="(\\d+)"`))?.[1] ?? 0)
  const failures = total("failures")
  skipped += total("skipped")
  passed += total("tests") - failures - total("skipped")
  failed += failures === 0 && (status !== 0 || totals === undefined) ? 1 : failures
}
await rm(folder, { recursive: true })

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
