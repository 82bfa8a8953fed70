/**
 * The files below a folder, in an order that is always the same.
 *
 * Names that begin with a dot are passed over, with all below them, and so are links to folders, which could lead round in
 * a circle. A folder below that cannot be looked into is told, and holds up no other.
 */
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { FilesError } from "../../runtime/files.ts"

export interface Walked {
  /** Paths relative to the folder, with `/` between their words; of more than `most` the first `most` found and one more. */
  readonly files: ReadonlyArray<string>
  /** Folders below it that cannot be looked into, each with what the system says of it. */
  readonly unreadable: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

/** Fails where the folder itself cannot be read, or a disk does not answer. */
export const walk = Effect.fn("walk")((folder: string, wanted: (name: string) => boolean, most: number) =>
  Effect.tryPromise({
    try: async (signal): Promise<Walked> => {
      const found: Array<string> = []
      const unreadable: Array<Walked["unreadable"][number]> = []
      const waiting = [""]
      while (waiting.length > 0 && found.length <= most) {
        signal.throwIfAborted()
        const at = waiting.pop()!
        const entries = await fs
          .readdir(path.join(folder, at), { withFileTypes: true })
          .catch((cause: NodeJS.ErrnoException) => {
            const code = cause.code ?? ""
            if (at === "" || !(closed.has(code) || gone.has(code))) throw cause
            if (closed.has(code)) unreadable.push({ path: at, reason: code })
            return []
          })
        for (const entry of entries) {
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
      return { files: found.sort(byCodeUnits), unreadable }
    },
    catch: FilesError.during("Folders.walk")
  })
)

/** As the `lost+found` of a volume is: it is nobody's fault, and will be the same the next time. */
const closed = new Set(["EACCES", "EPERM", "ENAMETOOLONG", "ELOOP"])

/** Somebody has removed it meanwhile, or has put a file in its place. */
const gone = new Set(["ENOENT", "ENOTDIR"])

const isLinkToFile = async (entry: { readonly isSymbolicLink: () => boolean }, file: string) => {
  if (!entry.isSymbolicLink()) return false
  // One that leads nowhere is none.
  const target = await fs.stat(file).catch(() => undefined)
  return target?.isFile() === true
}

/** The same on every machine, whatever its language. */
const byCodeUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
