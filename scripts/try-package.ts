/**
 * Packs the package, installs the tarball into a project outside of this folder, and uses it there as its users do:
 * a program and a worker under Bun, a client under Node, `tsc` over both, and a project of `troupe init`.
 *
 * It ends with 0 when all of it went well, and leaves nothing behind. `.ci/run` runs it.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import manifest from "../package.json" with { type: "json" }

const root = path.resolve(import.meta.dir, "..")
const folder = await mkdtemp(path.join(tmpdir(), "troupe-package-"))
const project = path.join(folder, "project")
const bin = path.join(project, "node_modules/.bin/troupe")

const said = (stream: ReadableStream<Uint8Array>) => new Response(stream).text()

/** Runs a command to its end, and gives what it said on stdout. Throws with all it said when it failed. */
const run = async (cwd: string, command: ReadonlyArray<string>): Promise<string> => {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, NO_COLOR: "1", TROUPE_LOG: "warn" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  const [stdout, stderr, code] = await Promise.all([said(child.stdout), said(child.stderr), child.exited])
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${stdout}${stderr}`)
  return stdout
}

const expect = (what: string, found: unknown, wanted: unknown) => {
  if (!Bun.deepEquals(found, wanted)) {
    throw new Error(`${what}: ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`)
  }
}

const files = {
  "package.json": JSON.stringify({ name: "project", private: true, type: "module" }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ESNext",
      module: "NodeNext",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      lib: ["ESNext", "DOM"],
      types: []
    },
    include: ["*.ts", "handlers"]
  }),
  "handlers/add.ts": `
import { defineTask } from "troupe"
import { z } from "zod"
export const add = defineTask({
  name: "numbers.add",
  input: z.object({ a: z.number(), b: z.number() }),
  async run({ a, b }, ctx) {
    await ctx.emit(\`\${a} and \${b}\`)
    return { sum: a + b }
  }
})
`,
  "submit.ts": `
import { connect } from "troupe"
import { textKeywords } from "troupe/handlers"
import { add } from "./handlers/add.js"
const troupe = await connect()
const task = await troupe.submit(add, { a: 1, b: 2 })
// @ts-expect-error: a number is wanted.
const wrong = () => troupe.submit(add, { a: "1", b: 2 })
const { sum }: { sum: number } = await task.result({ timeout: "20 seconds" })
// @ts-expect-error: a text is wanted.
const wrongText = () => troupe.submit(textKeywords, { text: 1 })
const later = await troupe.submit(textKeywords, { text: "A worker renews its lease." }, { delay: "1 hour" })
console.log(JSON.stringify({ sum, later: await later.state() }))
await troupe.close()
`,
  // It has one page and no text, which is found out only where the package starts a process that reads it.
  "empty.pdf": `%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >> endobj
trailer << /Root 1 0 R >>
%%EOF`,
  "effect.ts": `
import { Effect } from "effect"
import { Troupe } from "troupe/effect"
import { add } from "./handlers/add.js"
export const program: Effect.Effect<{ sum: number }, unknown, Troupe> = Troupe.use((troupe) => troupe.ask(add, { a: 1, b: 2 }))
`,
  "client.mjs": `
import { connect, defineTask, SubmitRefused, UnknownHandler } from "troupe"
import { Troupe } from "troupe/effect"
const add = defineTask({ name: "numbers.add", run: () => { throw new Error("it runs elsewhere") } })
const troupe = await connect({ handlers: [add] })
const task = await troupe.submit("numbers.add", { a: 20, b: 22 }, { idempotencyKey: "once" })
const chunks = []
for await (const event of task.events()) if (event.type === "chunk") chunks.push(event.chunk)
const unknown = await troupe.submit("numbers.ad", {}).catch((error) => error)
console.log(JSON.stringify({
  ...(await task.result({ timeout: "20 seconds" })),
  chunks,
  again: (await troupe.submit(add, { a: 20, b: 22 }, { idempotencyKey: "once" })).id === task.id,
  unknown: unknown instanceof UnknownHandler && unknown.nearest,
  listed: (await troupe.tasks({ name: "numbers.add" })).tasks.length,
  effect: typeof Troupe.layer
}))
await troupe.close()
`
}

const timed = async <A>(what: string, step: () => Promise<A>): Promise<A> => {
  const start = performance.now()
  const done = await step()
  console.log(`ok    ${what}  ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return done
}

const started: Array<Bun.Subprocess> = []

/** A private Redis, for this process and those it starts. */
const redis = async () => {
  const server = Bun.which("redis-server") ?? Bun.which("valkey-server")
  if (server === null) throw new Error("there is no redis-server on PATH")
  const socket = path.join(folder, "redis.sock")
  started.push(
    Bun.spawn([server, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder], {
      stdout: "ignore"
    })
  )
  process.env["REDIS_URL"] = `unix:${socket}`
  while (!(await Bun.file(socket).exists()) && !(await listens(socket))) await Bun.sleep(20)
}

const listens = (socket: string) =>
  Bun.connect({ unix: socket, socket: { data() {} } }).then(
    (connection) => (connection.end(), true),
    () => false
  )

const use = async () => {
  await timed("npm pack", () => run(root, ["npm", "pack", "--silent", "--pack-destination", folder]))
  const [tarball] = await Array.fromAsync(new Bun.Glob("troupe-*.tgz").scan(folder))
  for (const [name, text] of Object.entries(files)) await Bun.write(path.join(project, name), text)
  await timed("npm install of the tarball", () =>
    run(project, [
      ...[
        "npm",
        "install",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--omit=optional"
      ],
      ...[path.join(folder, tarball!), `zod@${manifest.devDependencies.zod}`]
    ])
  )
  await redis()

  await timed("its types, in a project of Node's resolution", () =>
    run(project, [path.join(root, "node_modules/.bin/tsc"), "-p", "."])
  )
  started.push(
    Bun.spawn([process.execPath, bin, "worker", "--handlers", "handlers"], {
      cwd: project,
      env: { ...process.env, TROUPE_LOG: "warn", TROUPE_FOLDERS: project },
      stdout: "ignore",
      stderr: "inherit"
    })
  )
  const under = await timed("a program and a worker under Bun", () =>
    run(project, [process.execPath, "submit.ts"])
  )
  expect("under Bun", JSON.parse(under), { sum: 3, later: "scheduled" })
  const document = await timed("a document, read in a process of its own", () =>
    run(project, [
      // A task that has failed is an exit code of its own, and here it is to fail.
      ...["sh", "-c", `"$@" || test $? -eq 1`, "sh", process.execPath, bin, "submit", "document.process"],
      ...["--input", `{"path": "empty.pdf"}`, "--wait-ms", "20000", "--json"]
    ])
  )
  const { error } = JSON.parse(document) as { readonly error: { readonly type: string } }
  expect("the document", error.type, "EmptyDocument")
  const node = await timed("a client under Node", () => run(project, ["node", "client.mjs"]))
  expect("under Node", JSON.parse(node), {
    sum: 42,
    chunks: ["20 and 22"],
    again: true,
    unknown: "numbers.add",
    listed: 2,
    effect: "function"
  })
}

/** A project of `troupe init`, which needs no more than its README says. */
const begin = async () => {
  const shop = path.join(folder, "shop")
  const troupe = `file:${(await Array.fromAsync(new Bun.Glob("troupe-*.tgz").scan({ cwd: folder, absolute: true })))[0]}`
  await run(folder, [process.execPath, bin, "init", "shop", "--troupe", troupe])
  await run(shop, [process.execPath, "install", "--omit=optional"])
  await timed("a project of troupe init: its test", () =>
    run(shop, [process.execPath, "test", "--timeout=60000"])
  )
  await timed("and its types", () => run(shop, [path.join(root, "node_modules/.bin/tsc"), "-p", "."]))
  started.push(
    Bun.spawn([process.execPath, "run", "troupe", "worker", "--queues", "greetings:4"], {
      cwd: shop,
      env: { ...process.env, TROUPE_LOG: "warn", TROUPE_NAMESPACE: "shop" },
      stdout: "ignore",
      stderr: "inherit"
    })
  )
  process.env["TROUPE_NAMESPACE"] = "shop"
  const said = await timed("and a task of it from the command line", () =>
    run(shop, [
      ...[process.execPath, "run", "--silent", "troupe", "submit", "demo.greet", "--queue", "greetings"],
      ...["--input", `{"name": "Ada"}`, "--wait-ms", "20000", "--json"]
    ])
  )
  expect("the project's handler", (JSON.parse(said) as { readonly output: unknown }).output, {
    greeting: "Hello, Ada!"
  })
}

const cleanUp = async () => {
  for (const child of started.splice(0).reverse()) {
    child.kill()
    await child.exited
  }
  await rm(folder, { recursive: true, force: true })
}
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void cleanUp().then(() => process.exit(1)))

try {
  await use()
  await begin()
} finally {
  await cleanUp()
}
