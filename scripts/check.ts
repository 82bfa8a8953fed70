/**
 * Runs every check, and prints a line for each with the time it took, and what it found.
 *
 * The checks run beside each other and are reported in the order below, the quick ones first. One that finds
 * something does not keep the others from being reported.
 */

interface Outcome {
  readonly passed: boolean
  readonly output: string
}

/** Folder and file names that say nothing about what is in them, so that everything ends up there. */
const emptyNames = new Set(["utils", "util", "types", "helpers", "helper", "common", "misc"])

const names = async (): Promise<Outcome> => {
  const found: Array<string> = []
  for await (const path of new Bun.Glob("{runtime,actors,handlers,api,test,bench,scripts}/**/*").scan(".")) {
    if (path.split("/").some((part) => emptyNames.has(part.replace(/\..*$/, "")))) found.push(path)
  }
  return {
    passed: found.length === 0,
    output: found.map((path) => `${path}: name it after what it is about\n`).join("")
  }
}

const run = async (...command: ReadonlyArray<string>): Promise<Outcome> => {
  const child = Bun.spawn([process.execPath, ...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" })
  const [output, errors, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited
  ])
  return { passed: status === 0, output: output + errors }
}

/** Runs a tool of node_modules/.bin under this Bun: a machine without Node has the same checks. */
const tool = (name: string, ...options: ReadonlyArray<string>) =>
  run("x", "--bun", "--no-install", name, ...options)

const timed = async (check: () => Promise<Outcome>) => {
  const start = performance.now()
  const outcome = await check()
  return { ...outcome, seconds: ((performance.now() - start) / 1000).toFixed(1) }
}

const checks = Object.entries({
  names: timed(names),
  "format ('bun run format' mends it)": timed(() => tool("oxfmt", "--list-different", ".")),
  lua: timed(() => run("scripts/lua.ts")),
  lint: timed(() =>
    tool("oxlint", "--type-aware", "--deny-warnings", "--report-unused-disable-directives", "--format=agent")
  ),
  "unused code": timed(() => tool("knip", "--no-progress", "--no-config-hints")),
  types: timed(() => tool("tsc", "--noEmit", "--pretty", "false")),
  effect: timed(() =>
    tool("effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--format", "text", "--strict")
  ),
  "reference ('bun run reference' mends it)": timed(() => run("scripts/reference.ts", "--check"))
})

for (const [name, check] of checks) {
  const { passed, output, seconds } = await check
  console.log(`${passed ? "ok  " : "FAIL"}  ${name}  ${seconds} s`)
  if (passed) continue
  console.log(output.trimEnd())
  process.exitCode = 1
}
