/** Where handlers are looked for, and what of a folder is one. */
import { expect } from "bun:test"
import { Effect } from "effect"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import * as path from "node:path"
import { Handlers } from "../../runtime/registry.ts"
import { it } from "../support/effect.ts"
import { temporaryFolder } from "../support/folder.ts"

const contract = path.resolve(import.meta.dir, "../../runtime/handler.ts")

/** A module with one handler. */
const named = (name: string) =>
  `import { defineTask } from ${JSON.stringify(contract)}\nexport const it = defineTask({ name: "${name}", run: () => 1 })\n`

it.live("handlers are found in files and folders, and where links lead to either", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const elsewhere = yield* temporaryFolder
    yield* Effect.promise(async () => {
      await writeFile(path.join(folder, "a.file.ts"), named("a.file"))
      await mkdir(path.join(folder, "a-folder"))
      await writeFile(path.join(folder, "a-folder/index.ts"), named("a.folder"))
      await writeFile(path.join(elsewhere, "linked.ts"), named("a.link"))
      await symlink(path.join(elsewhere, "linked.ts"), path.join(folder, "linked.ts"))
      await mkdir(path.join(elsewhere, "folder"))
      await writeFile(path.join(elsewhere, "folder/index.ts"), named("a.linked-folder"))
      await symlink(path.join(elsewhere, "folder"), path.join(folder, "linked-folder"))
      await symlink(path.join(elsewhere, "nowhere.ts"), path.join(folder, "dangling.ts"))
      await symlink(path.join(elsewhere, "nowhere"), path.join(folder, "nothing"))
    })

    const { all, broken } = yield* Effect.provide(Handlers.use(Effect.succeed), Handlers.layer({ folder }))

    expect(all.map(({ name }) => name).toSorted()).toEqual([
      "a.file",
      "a.folder",
      "a.link",
      "a.linked-folder"
    ])
    expect(broken.map(({ module }) => path.relative(folder, module))).toEqual(["dangling.ts"])
  })
)
