/**
 * Files and folders that callers may name: those below the folders that the operator has named (`TROUPE_FOLDERS`).
 *
 * The path is asked first as it is written, so that nobody learns which other files there are, and then again where its
 * links lead.
 */
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Settings } from "../../runtime/config.ts"
import { FilesError } from "../../runtime/files.ts"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"

export const notAllowed = (reason: string) => refuse("PathNotAllowed", reason)

/**
 * The real path of what is named; a relative one is looked for in each folder in turn. Refuses with `PathNotAllowed` and
 * `FileNotFound`.
 */
export const findBelow = Effect.fnUntraced(function* (folders: ReadonlyArray<string>, name: string) {
  if (folders.length === 0) {
    return yield* notAllowed("no folder may be read from; name those that may in TROUPE_FOLDERS")
  }
  const real = (candidate: string) =>
    Effect.tryPromise({
      try: () => fs.realpath(candidate).catch(undefinedIfAbsent),
      catch: FilesError.during("Folders.find")
    })
  const roots = (yield* Effect.forEach(folders, real)).filter((root) => root !== undefined)
  // A folder may be named by a link to it, and what is below it by its real path.
  const named = [...folders.map((folder) => path.resolve(folder)), ...roots]
  const candidates = folders
    .map((folder) => path.resolve(folder, name))
    .filter((candidate) => named.some((folder) => isWithin(folder, candidate)))
  const outside = notAllowed(`${name} is not below a folder that may be read from (TROUPE_FOLDERS)`)
  if (candidates.length === 0 || name.includes("\0")) return yield* outside

  for (const candidate of candidates) {
    const found = yield* real(candidate)
    if (found === undefined) continue
    if (!roots.some((root) => isWithin(root, found))) return yield* outside
    return found
  }
  return yield* refuse("FileNotFound", `there is no file ${name}`)
})

/** Whether it is the folder itself, or below it. */
const isWithin = (folder: string, file: string) =>
  file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep)

/** What the system says of a name that leads nowhere: absent, below a file, links in a circle, longer than any. */
const leadsNowhere = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"])

const undefinedIfAbsent = (cause: NodeJS.ErrnoException) => {
  if (leadsNowhere.has(cause.code ?? "")) return undefined
  throw cause
}

/** The folders that the operator has named, for handlers that read from them. Asks for `Settings`. */
export class Folders extends Context.Service<
  Folders,
  {
    /** The same as `findBelow`. */
    readonly find: (name: string) => Effect.Effect<string, Fatal | FilesError>
  }
>()("troupe/handlers/Folders") {
  static readonly layer = Layer.effect(
    Folders,
    Effect.map(Settings, ({ folders }) => Folders.of({ find: (name) => findBelow(folders, name) }))
  )
}
