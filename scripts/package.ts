/**
 * Builds what the package has beside its sources: JavaScript for Node in `dist/node`, and declarations in `dist/types`.
 *
 * Bun runs the sources as they are, and a clone needs none of this. `npm pack` and `npm publish` run it first.
 */
import { mkdir, rm } from "node:fs/promises"
import * as path from "node:path"
import manifest from "../package.json" with { type: "json" }
import { declarations } from "./declarations.ts"

const root = path.resolve(import.meta.dir, "..")
const dist = path.join(root, "dist")

/** What a program imports under Node. */
const entries = Object.values<string | { readonly bun: string; readonly default?: string }>(manifest.exports)
const client = entries.flatMap((entry) =>
  typeof entry === "string" || entry.default === undefined ? [] : [entry.bun]
)

/** Node 20 has no `Map.groupBy` and no `Object.groupBy`, and a library changes no globals of its user. */
const grouping = `
const troupeGroupByMap = (items, keyOf) => {
  const groups = new Map()
  let at = 0
  for (const item of items) {
    const key = keyOf(item, at++)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
const troupeGroupByObject = (items, keyOf) => Object.fromEntries(troupeGroupByMap(items, keyOf))
`

const javascript = async () => {
  const built = await Bun.build({
    entrypoints: client.map((file) => path.join(root, file)),
    root,
    outdir: path.join(dist, "node"),
    target: "node",
    format: "esm",
    // One copy of `effect` in a program, which is the program's own.
    packages: "external",
    splitting: true,
    banner: grouping,
    define: { "Map.groupBy": "troupeGroupByMap", "Object.groupBy": "troupeGroupByObject" },
    naming: { chunk: "chunks/[hash].[ext]" }
  })
  return built.outputs.length
}

await rm(dist, { recursive: true, force: true })
await mkdir(dist)
const [files] = await Promise.all([javascript(), declarations(root, path.join(dist, "types"))])
// `npm pack` has its own answer on stdout.
console.error(`dist/: ${files} files of JavaScript for Node, and declarations`)
