/** Makes the declarations of what a program imports: one `.d.ts` for each source that its types come from. */
import { rm } from "node:fs/promises"
import * as path from "node:path"
import manifest from "../package.json" with { type: "json" }

/** The files behind the exports of the package. */
export const surface = Object.values<string | { readonly bun: string }>(manifest.exports).flatMap((entry) => {
  const file = typeof entry === "string" ? entry : entry.bun
  return file.endsWith(".ts") ? [file] : []
})

/** Writes them into a folder, under the paths of their sources. `root` is this project. */
export const declarations = async (root: string, out: string): Promise<void> => {
  // Beside the other one, where TypeScript finds the packages of this project.
  const project = path.join(root, `tsconfig.declarations-${process.pid}.json`)
  await Bun.write(
    project,
    JSON.stringify({
      extends: "./tsconfig.json",
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        // `bun run check` has checked.
        noCheck: true,
        rootDir: ".",
        outDir: out
      },
      include: [],
      files: [...surface, "runtime/lua/lua.d.ts"]
    })
  )
  try {
    const compiler = Bun.spawn([process.execPath, "x", "--bun", "--no-install", "tsc", "-p", project], {
      cwd: root,
      stdin: "ignore",
      // `npm pack` has its own answer on stdout.
      stdout: 2,
      stderr: "inherit"
    })
    if ((await compiler.exited) !== 0) throw new Error("the declarations could not be made (see above)")
  } finally {
    await rm(project, { force: true })
  }
}
