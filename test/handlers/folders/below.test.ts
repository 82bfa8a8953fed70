import { describe, expect } from "bun:test"
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { findBelow } from "../../../handlers/folders/below.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"

describe("a path that leads nowhere", () => {
  it.live("is of no file, and nothing is said of where it was looked for", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        await fs.writeFile(path.join(folder, "a.txt"), "a")
        await fs.symlink("b", path.join(folder, "c"))
        await fs.symlink("c", path.join(folder, "b"))
      })
      for (const [what, name] of [
        ["absent", "absent.txt"],
        ["below a file", "a.txt/b"],
        ["a link to itself", "b"],
        ["below a link to itself", "b/a.txt"],
        ["a name that is too long", "x".repeat(300)],
        ["a path that is too long", "x/".repeat(5_000)]
      ] as const) {
        const refused = yield* Effect.flip(findBelow([folder], name))
        expect(refused, what).toMatchObject({ name: "FileNotFound" })
        expect(refused.message, what).not.toContain(folder)
      }
    })
  )
})
