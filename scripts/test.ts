/**
 * Runs the tests, and ends with one line, `N passed, N failed`, counted from Bun's own reports.
 *
 * Arguments go to `bun test`: `npm test -- test/runtime/keys.test.ts`. Without any, the files are spread over several runs
 * (`test-runs.ts`), of which as many go on at once as there are processors, and two at least. Each prints when it is
 * over. A run that dies before it reports counts as one failure, and so does one that fails outside of a test.
 *
 * `TEST_TIMES=1 npm test` notes in `test-times.json` how long files take, by which they are spread.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { testRuns, worthNoting } from "./test-runs.ts"
import noted from "./test-times.json" with { type: "json" }

if ((Bun.which("redis-server") ?? Bun.which("valkey-server")) === null) {
  console.error("The tests need a redis-server or valkey-server on PATH: they start one of their own.")
  process.exit(1)
}

/** Each run has a Redis of its own, and whatever else its tests start. */
const lanesMax = 6

const said = process.argv.slice(2)
const lanes = said.length > 0 ? 1 : Math.min(lanesMax, Math.max(2, availableParallelism()))
const runs =
  said.length > 0
    ? [said]
    : testRuns(await Array.fromAsync(new Bun.Glob("test/**/*.test.ts").scan()), noted, lanes)

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

/** How much is shown once more of what a run printed that has failed outside of a test, or died, in lines. */
const diedLines = 40

/** Those that have started and not ended. */
const living = new Set<Bun.Subprocess>()
let isStopped = false
// The terminal sends Ctrl-C to the children as well; we stay to say how far they came.
process.on("SIGINT", () => void (isStopped = true))
process.on("SIGTERM", () => {
  isStopped = true
  for (const child of living) child.kill()
})

let [passed, failed, skipped] = [0, 0, 0]
const told: Array<string> = []
const reports: Array<string> = []

const run = async (args: ReadonlyArray<string>, at: number) => {
  const file = join(folder, `${at}.xml`)
  const child = Bun.spawn(
    [
      ...[process.execPath, "test", "--timeout=20000"],
      ...["--reporter=junit", `--reporter-outfile=${file}`],
      ...args
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" }
  )
  living.add(child)
  const handOn = runs.length === 1
  const output = printed(child, handOn)
  const status = await child.exited
  living.delete(child)
  // A process that a test has left behind would keep the pipe open.
  await Promise.race([output.ended, Bun.sleep(1000)])
  if (!handOn) process.stdout.write(output.text)
  told.push(...failuresOf(output.text))
  const report = await Bun.file(file)
    .text()
    .catch(() => "")
  reports.push(report)
  // The totals stand on the root element.
  const totals = report.match(/<testsuites [^>]*>/)?.[0]
  const total = (attribute: string) => Number(totals?.match(new RegExp(` ${attribute}="(\\d+)"`))?.[1] ?? 0)
  const failures = total("failures")
  skipped += total("skipped")
  passed += total("tests") - failures - total("skipped")
  const hasDied = failures === 0 && (status !== 0 || totals === undefined)
  failed += hasDied ? 1 : failures
  if (hasDied) {
    const end = output.text.trimEnd().split("\n").slice(-diedLines).join("\n")
    told.push(`${end}\nA run ended with ${child.signalCode ?? status}; its files: ${args.join(" ")}`)
  }
}

const queue = runs.entries()
const lane = async () => {
  for (const [at, args] of queue) {
    if (isStopped) return
    await run(args, at)
  }
}
await Promise.all(Array.from({ length: lanes }, lane))
await rm(folder, { recursive: true })
if (process.env["TEST_TIMES"] === "1" && said.length === 0 && !isStopped) {
  const times = JSON.stringify(worthNoting(reports), undefined, 2)
  await Bun.write(join(import.meta.dir, "test-times.json"), `${times}\n`)
}

const once = told.length > 0 ? `\nWhat failed, once more:\n\n${told.join("\n\n")}\n\n` : ""
const closing = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`
process.stdout.write(once + closing, () => process.exit(failed > 0 || passed === 0 || isStopped ? 1 : 0))
