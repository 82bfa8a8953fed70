/**
 * The files below a folder, in an order that is always the same.
 *
 * Names that begin with a dot are passed over, with all below them, and so are links to folders, which could lead round in
 * a circle.
 */
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { FilesError } from "../../runtime/files.ts"

/** Paths relative to the folder, with `/` between their words; of more than `most` files the first `most` found and one more. */
export const walk = Effect.fn("walk")((folder: string, wanted: (name: string) => boolean, most: number) =>
  Effect.tryPromise({
    try: async (signal) => {
      const found: Array<string> = []
      const waiting = [""]
      while (waiting.length > 0 && found.length <= most) {
        signal.throwIfAborted()
        const at = waiting.pop()!
        for (const entry of await fs.readdir(path.join(folder, at), { withFileTypes: true })) {
          if (entry.name.startsWith(".")) continue
          const name = at === "" ? entry.name : `${at}/${entry.name}`
          if (entry.isDirectory()) waiting.push(name)
          else if (
            wanted(entry.name) &&
            (entry.isFile() || (await isLinkToFile(entry, path.join(folder, name))))
          ) {
            found.push(name)
          }
        }
      }
      return found.sort(byCodeUnits)
    },
    catch: FilesError.during("Folders.walk")
  })
)

const isLinkToFile = async (entry: { readonly isSymbolicLink: () => boolean }, file: string) => {
  if (!entry.isSymbolicLink()) return false
  // One that leads nowhere is none.
  const target = await fs.stat(file).catch(() => undefined)
  return target?.isFile() === true
}

/** The same on every machine, whatever its language. */
const byCodeUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
