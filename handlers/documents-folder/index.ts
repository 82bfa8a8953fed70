/**
 * Processes all documents of a folder, each as a task of `document.process`, and reports what became of each file.
 *
 * The files are listed once and shared out to parts, tasks of `documents.part`, of which a few are under way at a time; so
 * a large folder does not fill the queue, and every end of a part moves the one progress of the whole. A file that is
 * refused is reported and holds up no other.
 *
 * Safe to repeat: a run that follows another finds the list and the parts of the one before. A document's id is made of its
 * bytes, so the same folder again gives the same documents.
 */
import { Effect, Schema } from "effect"
import { CurrentTask, defineTask } from "../../runtime/handler.ts"
import { options, optionsFit } from "../documents/options.ts"
import { Folders, notAllowed } from "../folders/below.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { countsOf, FileReport, reportOf, unreadableFolder } from "./report.ts"
import { walk } from "./walk.ts"

/** A folder of more files is refused: the report of each has to fit into the output. */
export const filesMax = 10_000

/** A folder is shared out to about so many parts, and so the progress has about so many steps. */
const partsAbout = 25

/** A part costs some calls to Redis beside those of its documents. */
const partFilesMin = 4

/** So many parts are under way at a time: while the last file of one is processed, there are others. */
const partsAtOnce = 4

/** So many folders that cannot be looked into are told. */
const unreadableMax = 50

/** A list is remembered in pieces of so many characters. */
const pieceCharacters = 150_000

const Ending = Schema.String.check(
  Schema.isPattern(/^\.[A-Za-z0-9.]{1,15}$/u, { message: "must be the ending of a name, such as .pdf" })
)

const input = Schema.Struct({
  /** A folder below, or one of, those in `TROUPE_FOLDERS`. */
  path: Schema.NonEmptyString,
  /** How the names of the files end that are meant, as `.pdf`. Default: all files. */
  endings: Schema.optionalKey(Schema.Array(Ending).check(Schema.isMinLength(1), Schema.isMaxLength(32))),
  ...options
}).check(optionsFit)

const counts = {
  files: Schema.Int,
  processed: Schema.Int,
  refused: Schema.Int,
  failed: Schema.Int
}

const output = Schema.Struct({ ...counts, results: Schema.Array(FileReport) })

/** `documents.folder`: does what `document.process` does with all documents of a folder, and reports on each. */
export const documentsFolder = defineTask.effect({
  name: "documents.folder",
  queue: "documents",
  input: exactly(input),
  output,
  layer: Folders.layer,

  run: Effect.fn("documents.folder")(function* ({ endings, path, ...asked }) {
    const task = yield* CurrentTask
    const { folder, pieces, unreadable } = yield* listed(path, endings)
    const files = pieces.flat()
    const parts = partsOf(files)
    const children: Array<Effect.Success<ReturnType<typeof task.submit>>> = []
    const results: Array<FileReport> = []
    for (let at = 0; at < parts.length + partsAtOnce - 1; at++) {
      const part = parts[at]
      if (part !== undefined) {
        children.push(yield* task.submit("documents.part", { folder, files: part, ...asked }))
      }
      const ended = children[at - partsAtOnce + 1]
      if (ended === undefined) continue
      const [reported] = yield* task.all([ended])
      results.push(...(yield* Effect.orDie(readReports(reported))))
      yield* task.step(`${results.length} files`, told(results, files.length))
    }
    results.push(...unreadable)
    return { ...countsOf(results), results }
  })
})

/** Some of a folder's files; for `documents.folder` alone. */
export const documentsPart = defineTask.effect({
  name: "documents.part",
  queue: "documents",
  input: Schema.Struct({
    folder: Schema.NonEmptyString,
    files: Schema.Array(Schema.NonEmptyString),
    ...options
  }),
  output: Schema.Array(FileReport),

  run: Effect.fn("documents.part")(function* ({ files, folder, ...asked }) {
    const task = yield* CurrentTask
    const outcomes = yield* task.group(
      files.map((file) => ({ task: "document.process", input: { path: `${folder}/${file}`, ...asked } })),
      { onFailure: "collect" }
    )
    return outcomes.map((outcome, at) => reportOf(files[at]!, outcome))
  })
})

const readReports = Schema.decodeUnknownEffect(Schema.Array(FileReport))

/** What is remembered of a folder; its further files are in steps of their own. */
interface Listed {
  readonly folder: string
  readonly files: ReadonlyArray<string>
  readonly more: boolean
  /** Absent in what an older version has remembered. */
  readonly unreadable?: ReadonlyArray<FileReport>
}

/** Where the folder is, and its files; listed by the first run of the task. */
const listed = Effect.fnUntraced(function* (name: string, endings: ReadonlyArray<string> | undefined) {
  const task = yield* CurrentTask
  const folders = yield* Folders
  const list = Effect.gen(function* () {
    const folder = yield* folders.find(name)
    const { files: found, unreadable } = yield* walk(
      folder,
      (file) => endings?.some((ending) => file.toLowerCase().endsWith(ending.toLowerCase())) ?? true,
      filesMax
    ).pipe(
      Effect.catchIf(
        ({ cause }) => cause instanceof Error && "code" in cause && cause.code === "ENOTDIR",
        () => notAllowed(`${name} is not a folder`)
      )
    )
    if (found.length === 0) return yield* refuse("NoFiles", `there is no file to process in ${name}`)
    if (found.length > filesMax) {
      return yield* refuse(
        "FolderTooLarge",
        `${name} has more than ${filesMax} files; submit the folders below it one by one, or name endings`
      )
    }
    return {
      folder,
      pieces: piecesOf(found),
      unreadable: unreadable.slice(0, unreadableMax).map(({ path, reason }) => unreadableFolder(path, reason))
    }
  })
  // A later run that finds only some of the pieces lists again, and goes on after the last file it knows.
  let fresh: Effect.Success<typeof list> | undefined
  const first = yield* task.step(
    "list",
    Effect.map(list, (made): Listed => {
      fresh = made
      const { folder, pieces, unreadable } = made
      return { folder, files: pieces[0]!, more: pieces.length > 1, unreadable }
    })
  )
  const pieces = [first.files]
  for (let more = first.more; more;) {
    const after = pieces.at(-1)!.at(-1)!
    const next = yield* task.step(
      `list after ${pieces.length}`,
      Effect.gen(function* () {
        fresh ??= yield* list
        const rest = piecesOf(fresh.pieces.flat().filter((file) => file > after))
        return { files: rest[0] ?? [], more: rest.length > 1 }
      })
    )
    if (next.files.length > 0) pieces.push(next.files)
    more = next.more && next.files.length > 0
  }
  return { folder: first.folder, pieces, unreadable: first.unreadable ?? [] }
})

const piecesOf = (files: ReadonlyArray<string>): Array<ReadonlyArray<string>> => {
  const pieces: Array<Array<string>> = []
  let characters = Infinity
  for (const file of files) {
    characters += JSON.stringify(file).length + 1
    if (characters > pieceCharacters) {
      pieces.push([])
      characters = JSON.stringify(file).length + 1
    }
    pieces.at(-1)!.push(file)
  }
  return pieces
}

const partsOf = (files: ReadonlyArray<string>): Array<ReadonlyArray<string>> => {
  const size = Math.max(partFilesMin, Math.ceil(files.length / partsAbout))
  return Array.from({ length: Math.ceil(files.length / size) }, (_, at) =>
    files.slice(at * size, (at + 1) * size)
  )
}

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const told = (results: ReadonlyArray<FileReport>, files: number) => {
  const { failed, processed, refused } = countsOf(results)
  const bad = refused + failed === 0 ? "" : `, ${refused + failed} of them refused or failed`
  return Effect.catchTag(
    CurrentTask.use(({ progress }) =>
      progress((processed + refused + failed) / files, `${results.length} of ${files} files${bad}`)
    ),
    "EventRefused",
    () => Effect.void
  )
}
