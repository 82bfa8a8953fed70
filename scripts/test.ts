/**
 * Runs the tests, and ends with one line, `N passed, N failed`, counted from Bun's own report.
 *
 * Arguments go to `bun test`: `npm test -- test/runtime/keys.test.ts`. A run that dies before it reports
 * counts as one failure, and so does one that fails outside of a test.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

if ((Bun.which("redis-server") ?? Bun.which("valkey-server")) === null) {
  console.error("The tests need a redis-server or valkey-server on PATH: they start one of their own.")
  process.exit(1)
}

const folder = await mkdtemp(join(tmpdir(), "troupe-test-"))
const report = join(folder, "report.xml")

const child = Bun.spawn(
  [
    ...[process.execPath, "test", "--timeout=20000"],
    ...["--reporter=junit", `--reporter-outfile=${report}`],
    ...process.argv.slice(2)
  ],
  { stdin: "ignore", stdout: "inherit", stderr: "inherit" }
)
// The terminal sends Ctrl-C to the child as well; we stay to say how far it came.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => child.kill())
const status = await child.exited

// The totals stand on the root element.
const totals = (
  await Bun.file(report)
    .text()
    .catch(() => "")
).match(/<testsuites [^>]*>/)?.[0]
await rm(folder, { recursive: true })
const total = (attribute: string) => Number(totals?.match(new RegExp(` ${attribute}="(\\d+)"`))?.[1] ?? 0)

const skipped = total("skipped")
const failures = total("failures")
const passed = total("tests") - failures - skipped
const failed = failures === 0 && (status !== 0 || totals === undefined) ? 1 : failures

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
