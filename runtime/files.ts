/**
 * Bytes that are too large for Redis: what callers upload, and what handlers keep.
 *
 * All processes of a system share one folder. A file is there whole and durable, or not at all: an upload
 * that fails, is too large or is interrupted leaves nothing.
 * An upload's id is 128 random bits, so knowing it is the permission to read it. A named object (as
 * `documents/ab12.json`) belongs to the handler that writes it, and writing it again replaces it.
 *
 *     <folder>/uploads/<id>        the bytes
 *     <folder>/uploads/<id>.json   what is known of them; written last, so that it says the upload is complete
 *     <folder>/objects/<name>      named objects
 *     <folder>/unfinished/         what is being written; a process that dies leaves its part here
 *     <folder>/tenants/<tenant>/   the same two folders of another tenant than `default`, which sees these alone
 */
import { Clock, Context, Effect, Layer, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { Settings, SettingsError } from "./config.ts"
import { Tenant, tenantDefault } from "./tenant.ts"
import { sweep, writeWhole } from "./whole-file.ts"

/** The largest upload when the caller names no other limit: 64 MiB. A larger one is refused while it streams. */
export const fileBytesMax = 64 * 1024 * 1024

/** A part of a file that nobody has added to for so long belongs to a process that died; the next start removes it. */
const unfinishedForMs = 60 * 60 * 1000

// ---------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------

/** The body has more bytes than are allowed. Nothing was stored; send less. */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  bytesMax: Schema.Int
}) {
  override get message() {
    return `the file has more than ${this.bytesMax} bytes`
  }
}

/** The body ended in an error before its end, as when its sender went away. Nothing was stored; send it again. */
export class UploadBroken extends Schema.TaggedError<UploadBroken>()("UploadBroken", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "the upload broke off before its end"
  }
}

/** No file has this id or name: it was never whole, it was removed, or the id is not one of ours. */
export class FileNotFound extends Schema.TaggedError<FileNotFound>()("FileNotFound", {
  id: Schema.String
}) {
  override get message() {
    return `there is no file ${this.id}`
  }
}

/**
 * The disk did not take or give the bytes: full, not permitted, gone. Reading may be tried again; after a failed
 * write the file is whole or absent, and writing it again is safe.
 */
export class FilesError extends Schema.TaggedError<FilesError>()("FilesError", {
  /** What was being attempted, as `Files.method`. */
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  static readonly during = (operation: string) => (cause: unknown) => new FilesError({ operation, cause })

  override get message() {
    return `${this.operation}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

// ---------------------------------------------------------------------------------------------------------
// The service
// ---------------------------------------------------------------------------------------------------------

/** What is known of an upload. */
export const FileInfo = Schema.Struct({
  id: Schema.String,
  bytes: Schema.Int,
  /** Lower-case hex. */
  sha256: Schema.String,
  /** A media type, as its sender declared it; nobody has looked at the bytes. */
  type: Schema.String
})
export type FileInfo = typeof FileInfo.Type

export interface UploadOptions {
  /** The media type its sender declares. What is not a media type becomes `application/octet-stream`. */
  readonly type?: string
  /** Default `fileBytesMax`. */
  readonly bytesMax?: number
}

export class Files extends Context.Service<
  Files,
  {
    /** Streams `body` to the disk. The upload is durable when this succeeds. */
    readonly upload: (
      body: ReadableStream<Uint8Array>,
      options?: UploadOptions
    ) => Effect.Effect<FileInfo, FileTooLarge | UploadBroken | FilesError>

    readonly info: (id: string) => Effect.Effect<FileInfo, FileNotFound | FilesError>

    /** The whole upload, in memory. */
    readonly read: (id: string) => Effect.Effect<Uint8Array, FileNotFound | FilesError>

    /** The upload piece by piece; a slow reader holds no more than a piece in memory. */
    readonly stream: (id: string) => Stream.Stream<Uint8Array, FileNotFound | FilesError>

    /** Forgets the upload. Who is reading it now may finish. */
    readonly remove: (id: string) => Effect.Effect<void, FileNotFound | FilesError>

    /**
     * Writes a named object, or replaces it; a reader sees the old bytes or the new. A name is up to eight words of
     * `a-z 0-9 . _ -` joined by `/`; another is a defect, because names are made by handlers, not by callers.
     */
    readonly writeObject: (name: string, bytes: Uint8Array) => Effect.Effect<void, FilesError>

    /** The bytes last written. A name that cannot be one is a name nobody wrote. */
    readonly readObject: (name: string) => Effect.Effect<Uint8Array, FileNotFound | FilesError>

    /** The names that begin with `prefix`, in order. */
    readonly listObjects: (prefix: string) => Effect.Effect<ReadonlyArray<string>, FilesError>
  }
>()("troupe/Files") {
  /** In the folder of `TROUPE_FILES`, which is made if it is not there. */
  static readonly layer = Layer.effect(
    Files,
    Effect.gen(function* () {
      const { files: folder } = yield* Settings
      const uploads = path.resolve(folder, "uploads")
      const objects = path.resolve(folder, "objects")
      const unfinished = path.resolve(folder, "unfinished")
      const tenants = path.resolve(folder, "tenants")
      yield* prepare(folder, [uploads, objects, unfinished])

      const own = { uploads, objects }
      const made = new Map<string, Folders>()
      /** The folders of the tenant that an effect acts for. */
      const folders = Effect.flatMap(Tenant, (tenant): Effect.Effect<Folders, FilesError> => {
        const there = tenant === tenantDefault ? own : made.get(tenant)
        if (there !== undefined) return Effect.succeed(there)
        const folder = path.join(tenants, tenant)
        const fresh = { uploads: path.join(folder, "uploads"), objects: path.join(folder, "objects") }
        return Effect.tryPromise({
          try: async () => {
            for (const name of Object.values(fresh)) await fs.mkdir(name, { recursive: true, mode: 0o700 })
            if (made.size >= foldersKnownMax) made.clear()
            made.set(tenant, fresh)
            return fresh
          },
          catch: FilesError.during("Files.folders")
        })
      })

      const write = <A, E>(
        operation: string,
        target: string,
        fill: (file: fs.FileHandle) => Effect.Effect<A, E>
      ) => writeWhole({ unfinished, target, fill, failed: FilesError.during(operation) })

      const upload = Effect.fn("Files.upload")(function* (
        body: ReadableStream<Uint8Array>,
        { bytesMax = fileBytesMax, type = "" }: UploadOptions = {}
      ) {
        const id = randomId()
        const { uploads } = yield* folders
        const { bytes, sha256 } = yield* write("Files.upload", path.join(uploads, id), (file) =>
          pour(body, file, bytesMax)
        )
        const info: FileInfo = { id, bytes, sha256, type: mediaType(type) }
        yield* write(
          "Files.upload",
          path.join(uploads, `${id}.json`),
          append("Files.upload", encodeInfo(info))
        ).pipe(
          // Without its description the upload does not exist; its bytes must not stay either.
          Effect.onError(() => removeQuietly(path.join(uploads, id)))
        )
        return info
      })

      const info = Effect.fn("Files.info")(function* (id: string) {
        const { uploads } = yield* folders
        const bytes = yield* readOr(
          id,
          uploadId.test(id) ? path.join(uploads, `${id}.json`) : undefined,
          "Files.info"
        )
        return yield* Effect.orDie(decodeInfo(bytes))
      })

      const read = Effect.fn("Files.read")(function* (id: string) {
        yield* info(id)
        const { uploads } = yield* folders
        return yield* readOr(id, path.join(uploads, id), "Files.read")
      })

      const stream = (id: string) =>
        Stream.unwrap(
          Effect.map(Effect.andThen(info(id), folders), ({ uploads }) =>
            Stream.fromReadableStream({
              evaluate: () => Bun.file(path.join(uploads, id)).stream(),
              onError: FilesError.during("Files.stream")
            })
          )
        )

      const remove = Effect.fn("Files.remove")(function* (id: string) {
        yield* info(id)
        const { uploads } = yield* folders
        yield* Effect.tryPromise({
          // The description first: an upload without one does not exist.
          try: async () => {
            await fs.rm(path.join(uploads, `${id}.json`), { force: true })
            await fs.rm(path.join(uploads, id), { force: true })
          },
          catch: FilesError.during("Files.remove")
        })
      })

      const writeObject = Effect.fn("Files.writeObject")(function* (name: string, bytes: Uint8Array) {
        if (!objectName.test(name)) return yield* Effect.die(new TypeError(`"${name}" cannot name an object`))
        const { objects } = yield* folders
        yield* write("Files.writeObject", path.join(objects, name), append("Files.writeObject", bytes))
      })

      const readObject = Effect.fn("Files.readObject")((name: string) =>
        Effect.flatMap(folders, ({ objects }) =>
          readOr(name, objectName.test(name) ? path.join(objects, name) : undefined, "Files.readObject")
        )
      )

      const listObjects = Effect.fn("Files.listObjects")(function* (prefix: string) {
        const { objects } = yield* folders
        const entries = yield* Effect.tryPromise({
          try: () => fs.readdir(objects, { recursive: true, withFileTypes: true }),
          catch: FilesError.during("Files.listObjects")
        })
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) =>
            path.relative(objects, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/")
          )
          .filter((name) => name.startsWith(prefix))
          .sort()
      })

      return Files.of({ upload, info, read, stream, remove, writeObject, readObject, listObjects })
    })
  )
}

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

/** Where one tenant's bytes lie. */
interface Folders {
  readonly uploads: string
  readonly objects: string
}

/** Of how many tenants a process remembers that their folders are there. */
const foldersKnownMax = 10_000

const uploadId = /^[0-9a-f]{32}$/

/** No word begins with a dot, so no name leaves its folder; lower case only, so no two names are one file. */
const objectName = /^(?=.{1,255}$)[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*){0,7}$/

const randomId = () => crypto.getRandomValues(new Uint8Array(16)).toHex()

const encodeInfo = (info: FileInfo) => new TextEncoder().encode(JSON.stringify(info))
const decodeInfo = (bytes: Uint8Array) =>
  Schema.decodeEffect(Schema.fromJsonString(FileInfo))(new TextDecoder().decode(bytes))

/** The declared type, if it is one; it is sent back as a header, so nothing else may get through. */
const mediaType = (declared: string) => {
  const [type] = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(; ?charset=[a-z0-9._-]+)?$/.exec(
    declared.trim().toLowerCase()
  ) ?? ["application/octet-stream"]
  return type
}

/** Writes `body` to `file` as it comes, counting and hashing; the body is cancelled when this ends early. */
const pour = Effect.fnUntraced(function* (
  body: ReadableStream<Uint8Array>,
  file: fs.FileHandle,
  bytesMax: number
) {
  const hash = createHash("sha256")
  let bytes = 0
  yield* Stream.fromReadableStream({
    evaluate: () => body,
    onError: (cause) => new UploadBroken({ cause })
  }).pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (piece) {
        bytes += piece.byteLength
        if (bytes > bytesMax) return yield* new FileTooLarge({ bytesMax })
        hash.update(piece)
        yield* append("Files.upload", piece)(file)
      })
    )
  )
  return { bytes, sha256: hash.digest("hex") }
})

const append = (operation: string, bytes: Uint8Array) => (file: fs.FileHandle) =>
  Effect.tryPromise({ try: () => file.appendFile(bytes), catch: FilesError.during(operation) })

const readOr = (id: string, file: string | undefined, operation: string) =>
  file === undefined
    ? Effect.fail(new FileNotFound({ id }))
    : Effect.tryPromise({
        try: () => fs.readFile(file),
        catch: (cause) => (isAbsent(cause) ? new FileNotFound({ id }) : new FilesError({ operation, cause }))
      }).pipe(
        // A plain array: some who read PDFs refuse a Buffer.
        Effect.map(({ buffer, byteLength, byteOffset }) => new Uint8Array(buffer, byteOffset, byteLength))
      )

const isAbsent = (cause: unknown) =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "EISDIR")

const removeQuietly = (file: string) => Effect.ignoreCause(Effect.promise(() => fs.rm(file, { force: true })))

const prepare = Effect.fnUntraced(function* (setting: string, folders: ReadonlyArray<string>) {
  const refuse = (reason: string) => new SettingsError({ setting: "TROUPE_FILES", reason })
  if (/^[a-z][a-z0-9+-]+:\/\//i.test(setting)) {
    return yield* refuse(`"${setting}" is an address; only a folder can hold files yet (s3:// is planned)`)
  }
  const now = yield* Clock.currentTimeMillis
  yield* Effect.tryPromise({
    try: async () => {
      for (const folder of folders) await fs.mkdir(folder, { recursive: true, mode: 0o700 })
      await sweep(folders.at(-1)!, now - unfinishedForMs)
    },
    catch: (cause) =>
      refuse(`"${setting}" cannot hold files: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
})
