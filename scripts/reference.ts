/**
 * Writes the reference of what a program imports, `docs/api/*.md`, from the declarations and their comments.
 *
 *     bun scripts/reference.ts            writes it
 *     bun scripts/reference.ts --check    says what of it is out of date, and exits with 1 if anything is
 *
 * What is exported and has no comment is refused: there would be nothing to say of it.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import manifest from "../package.json" with { type: "json" }
import { declarations } from "./declarations.ts"
import { type Exported, exportsOf, namedBy } from "./reference/exports.ts"
import { pageOf } from "./reference/page.ts"

const root = path.resolve(import.meta.dir, "..")

/** The modules of the package, each with its file, in the order in which they are read. */
const modules = Object.entries<string | { readonly bun: string }>(manifest.exports).flatMap(
  ([name, entry]) => {
    const file = typeof entry === "string" ? entry : entry.bun
    return file.endsWith(".ts") ? [{ name: path.posix.join("troupe", name), file: path.normalize(file) }] : []
  }
)

/** The one and then the other, which may grow meanwhile. */
function* concat<A>(one: Iterable<A>, other: Iterable<A>) {
  yield* one
  yield* other
}

const folder = await mkdtemp(path.join(tmpdir(), "troupe-reference-"))
const pages = new Map<string, string>()
const undocumented: Array<string> = []
try {
  await declarations(root, folder)
  const folders = { declarations: folder, sources: root }
  /** Where what several modules export is told. */
  const told = new Map<string, string>()
  const parts: Array<{
    readonly name: string
    readonly here: ReadonlyArray<Exported>
    readonly elsewhere: ReadonlyArray<readonly [name: string, module: string]>
  }> = []
  for (const { file, name } of modules) {
    const all = exportsOf(path.join(folder, file.replace(/\.ts$/, ".d.ts")), folders)
    const here: Array<Exported> = []
    const elsewhere: Array<readonly [name: string, module: string]> = []
    for (const one of all) {
      const where = told.get(`${one.file} ${one.name}`)
      if (where !== undefined) elsewhere.push([one.name, where])
      else {
        told.set(`${one.file} ${one.name}`, name)
        here.push(one)
        if (one.comment === "") undocumented.push(`${one.file}: ${one.name}`)
      }
    }
    parts.push({ name, here, elsewhere })
  }
  // After all exports, so that what any module tells of is not told twice.
  for (const { elsewhere, here, name } of parts) {
    const named: Array<Exported> = []
    for (const one of concat(here, named)) {
      for (const other of namedBy(one, folders)) {
        // A service leads to all that it is made of, which is no affair of whoever reads this.
        if (other.kind !== "type" || told.has(`${other.file} ${other.name}`)) continue
        told.set(`${other.file} ${other.name}`, name)
        named.push(other)
      }
    }
    pages.set(`${name.replaceAll("/", "-")}.md`, pageOf(name, { here, named, elsewhere }))
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

const out = path.join(root, "docs/api")
const check = process.argv.includes("--check")
const stale: Array<string> = []
for (const [name, text] of pages) {
  const file = Bun.file(path.join(out, name))
  if (check && (!(await file.exists()) || (await file.text()) !== text)) stale.push(`docs/api/${name}`)
  if (!check) await Bun.write(file, text)
}

for (const one of undocumented) console.error(`${one}: it is exported, and has no comment`)
for (const one of stale) console.error(`${one}: it is out of date; 'bun run reference' writes it`)
process.exitCode = undocumented.length + stale.length > 0 ? 1 : 0
