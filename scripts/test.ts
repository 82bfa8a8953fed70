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

/** What a run has printed so far; hands it on at once where no two print at once. */
const printed = (child: Bun.Subprocess<"ignore", "pipe", "pipe">, handOn: boolean) => {
  const output = { text: "", ended: Promise.resolve() }
  const read = async (from: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const bytes of from) {
      if (handOn) process.stdout.write(bytes)
      output.text += decoder.decode(bytes, { stream: true })
    }
  }
  output.ended = Promise.all([read(child.stdout), read(child.stderr)]).then(() => {})
  return output
}

/** Each test that failed, with what was printed since the one before it. */
const failuresOf = (output: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let since: Array<string> = []
  for (const line of Bun.stripANSI(output).split("\n")) {
    since.push(line)
    const outcome = /^\((fail|pass|skip|todo)\)/.exec(line)?.[1]
    if (outcome === "fail") found.push(since.join("\n").trim())
    if (outcome !== undefined) since = []
  }
  return found
}

const folder = await mkdtemp(join(tmpdir(), "troupe-test-"))

const runs = (await shards()).map((args, at) => {
  const report = join(folder, `${at}.xml`)
  const child = Bun.spawn(
    [
      ...[process.execPath, "test", "--timeout=20000"],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
      ...args
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" }
  )
  return { at, child, output: printed(child, at === 0), report }
})
// The terminal sends Ctrl-C to the children as well; we stay to say how far they came.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {
  for (const { child } of runs) child.kill()
})

let [passed, failed, skipped] = [0, 0, 0]
const told: Array<string> = []
for (const { at, child, output, report } of runs) {
  const status = await child.exited
  // A process that a test has left behind would keep the pipe open.
  await Promise.race([output.ended, Bun.sleep(1000)])
  if (at > 0) process.stdout.write(output.text)
  told.push(...failuresOf(output.text))
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

const once = told.length > 0 ? `\nWhat failed, once more:\n\n${told.join("\n\n")}\n\n` : ""
const closing = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`
process.stdout.write(once + closing, () => process.exit(failed > 0 || passed === 0 ? 1 : 0))
