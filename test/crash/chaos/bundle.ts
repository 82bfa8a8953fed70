/**
 * The campaign's program as one file: as the sources are, or with a bug planted in them. One file starts in half the time,
 * and what a campaign tests does not change while it runs.
 */
import type { BunPlugin } from "bun"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const root = path.resolve(import.meta.dir, "../../..")

/** Lines of a source as they stand, and what a tired hand might have written. */
export interface Change {
  /** From the root of the project. */
  readonly file: string
  readonly line: string
  readonly instead: string
}

/** Changes the sources on their way into the bundle. */
const planting = (changes: ReadonlyArray<Change>): BunPlugin => ({
  name: "plant",
  setup: (build) => {
    const byFile = Map.groupBy(changes, ({ file }) => path.join(root, file))
    for (const [file, some] of byFile) {
      const filter = new RegExp(`${file.replaceAll(/[.\\/]/g, "\\$&")}$`)
      build.onLoad({ filter }, () => {
        const contents = some.reduce(
          (text, { instead, line }) => {
            if (!text.includes(line))
              throw new Error(`there is no longer a line in ${file} in which to plant: ${line}`)
            return text.replace(line, () => instead)
          },
          readFileSync(file, "utf8")
        )
        return { contents, loader: file.endsWith(".lua") ? "text" : "ts" }
      })
    }
  }
})

/** Makes bundles, in a folder that goes when it is closed. */
export class Bundles {
  readonly #folder = mkdtempSync(`${tmpdir()}/troupe-chaos-program-`)
  #made = 0

  close() {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** As the sources are. */
  sound(): Promise<string> {
    return this.planted([])
  }

  async planted(changes: ReadonlyArray<Change>): Promise<string> {
    const missing = changes.find(
      ({ file, line }) => !readFileSync(path.join(root, file), "utf8").includes(line)
    )
    if (missing !== undefined)
      throw new Error(`there is no longer a line in ${missing.file} in which to plant: ${missing.line}`)
    const { outputs } = await Bun.build({
      entrypoints: [path.join(import.meta.dir, "program.ts")],
      target: "bun",
      outdir: `${this.#folder}/${this.#made++}`,
      plugins: [planting(changes)]
    })
    return outputs[0]!.path
  }
}
