import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { exportsOf, namedBy } from "../../scripts/reference/exports.ts"

const folder = mkdtempSync(path.join(tmpdir(), "troupe-reference-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const declare = (name: string, text: string) => writeFileSync(path.join(folder, `${name}.d.ts`), text)

describe("the reference", () => {
  test("follows what a declaration names to the module that declares it, and no comment's words", () => {
    declare(
      "index",
      `import type { Effect } from "effect"
       import type { All as Every, Other } from "./passed-on.ts"
       import * as Named from "./named.ts"
       /** A context. */
       export interface Context {
         /** Waits for an Other. */
         readonly all: Every
         readonly options: Named.Options
         readonly run: Effect.Effect<void>
       }`
    )
    declare("passed-on", `export * from "./children.ts"`)
    declare("children", `/** Waits. */\nexport interface All {}\n/** Another. */\nexport interface Other {}`)
    declare("named", `/** Says how. */\nexport interface Options {}\nexport interface Unnamed {}`)
    const folders = { declarations: folder, sources: folder }
    const [context] = exportsOf(path.join(folder, "index.d.ts"), folders)

    const named = namedBy(context!, folders)

    expect(named.map(({ comment, file, name }) => [name, file, comment])).toEqual([
      ["All", "children.ts", "Waits."],
      ["Options", "named.ts", "Says how."]
    ])
  })
})
