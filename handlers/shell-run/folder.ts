/**
 * The folder a command works in: fresh, its own, with the files it is given, and gone when it has ended.
 *
 * What is collected from it was written by the command, so no link is followed and only plain files are read.
 */
import { Effect, Stream } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileBytesMax, type FileInfo, type Files, FilesError } from "../../runtime/files.ts"
import { refuse } from "../refusal/refuse.ts"
import { nobody } from "./sandbox.ts"

/** How many files of a command are kept. */
const collectedMax = 64

/** How many names that fit are looked at. */
const lookedAtMax = 10_000

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: FilesError.during("shell.run") })

const remove = (folder: string) =>
  Effect.ignoreCause(Effect.promise(() => fs.rm(folder, { recursive: true, force: true })))

const basePrefix = `troupe-shell-${process.getuid?.() ?? 0}-`

/** Where the commands of this process have their folders; goes with the scope. Those of processes that were killed go, too. */
export const makeBase = Effect.acquireRelease(
  attempt(async () => {
    for (const name of await fs.readdir(tmpdir())) {
      const pid = name.startsWith(basePrefix) ? Number(name.slice(basePrefix.length).split("-", 1)[0]) : 0
      if (pid > 0 && !isAlive(pid)) await fs.rm(path.join(tmpdir(), name), { recursive: true, force: true })
    }
    const base = await fs.realpath(await fs.mkdtemp(path.join(tmpdir(), `${basePrefix}${process.pid}-`)))
    for (const folder of [base, path.join(base, "work"), path.join(base, "hold")]) {
      await fs.mkdir(folder, { recursive: true })
      // Others may pass through it, and see nothing.
      await fs.chmod(folder, 0o711)
    }
    return base
  }),
  remove
)

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** A fresh folder with the uploads in it, which goes with the scope. `Fatal` is of type `FileNotFound`. */
export const makeFolder = Effect.fnUntraced(function* (
  base: string,
  given: ReadonlyArray<{ readonly name: string; readonly file: string }>,
  files: Files["Service"],
  asNobody: boolean
) {
  const folder = yield* Effect.acquireRelease(
    attempt(() => fs.mkdtemp(path.join(base, "work", "run-"))),
    remove
  )
  for (const { file, name } of given) {
    const target = path.join(folder, name)
    yield* attempt(() => fs.mkdir(path.dirname(target), { recursive: true }))
    yield* Effect.scoped(copy(file, target, files)).pipe(
      Effect.catchTag("FileNotFound", ({ message }) => refuse("FileNotFound", message))
    )
  }
  if (asNobody) yield* attempt(() => give(folder))
  return folder
})

const copy = Effect.fnUntraced(function* (id: string, target: string, files: Files["Service"]) {
  const handle = yield* Effect.acquireRelease(
    attempt(() => fs.open(target, "wx", 0o600)),
    (handle) => Effect.ignoreCause(Effect.promise(() => handle.close()))
  )
  yield* Stream.runForEach(files.stream(id), (piece) => attempt(() => handle.writeFile(piece)))
})

/** Makes a folder and all in it the command's own. */
const give = async (folder: string): Promise<void> => {
  await fs.chown(folder, nobody, nobody)
  for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
    const inside = path.join(folder, entry.name)
    if (entry.isDirectory()) await give(inside)
    else await fs.chown(inside, nobody, nobody)
  }
}

export interface Collected extends FileInfo {
  /** Its path in the folder. */
  readonly name: string
}

/** Keeps the files that fit the patterns. `Fatal` is of type `OutputTooLarge`. */
export const collect = Effect.fnUntraced(function* (
  folder: string,
  patterns: ReadonlyArray<string>,
  files: Files["Service"]
) {
  const names = yield* attempt(async () => {
    const found = new Set<string>()
    for (const pattern of patterns) {
      const scan = new Bun.Glob(pattern).scan({
        cwd: folder,
        onlyFiles: true,
        followSymlinks: false,
        dot: false
      })
      for await (const name of scan) {
        found.add(name)
        if (found.size > lookedAtMax) break
      }
    }
    return [...found].sort()
  })
  let bytesLeft = fileBytesMax
  const collected: Array<Collected> = []
  for (const name of names) {
    const bytes = yield* readPlain(folder, name, bytesLeft)
    if (bytes === undefined) continue
    if (bytes === "too large") {
      return yield* refuse("OutputTooLarge", `the files to be collected have more than ${fileBytesMax} bytes`)
    }
    if (collected.length === collectedMax) {
      return yield* refuse("OutputTooLarge", `more than ${collectedMax} files fit what is to be collected`)
    }
    bytesLeft -= bytes.byteLength
    const type = Bun.file(name).type
    collected.push({ name, ...(yield* Effect.orDie(files.upload(new Blob([bytes]).stream(), { type }))) })
  }
  return collected
})

/** The bytes of a plain file inside of the folder; nothing for what is none, or leads out of it. */
const readPlain = (folder: string, name: string, bytesMax: number) =>
  attempt(async () => {
    const root = await fs.realpath(folder)
    const parent = await fs.realpath(path.dirname(path.join(folder, name))).catch(() => undefined)
    if (parent !== root && parent?.startsWith(`${root}/`) !== true) return undefined
    const handle = await fs
      .open(
        path.join(parent, path.basename(name)),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      )
      .catch(() => undefined)
    if (handle === undefined) return undefined
    try {
      const stat = await handle.stat()
      // A second name of a file may be that of one which is not the command's.
      if (!stat.isFile() || stat.nlink !== 1) return undefined
      return stat.size > bytesMax ? ("too large" as const) : await handle.readFile()
    } finally {
      await handle.close()
    }
  })
