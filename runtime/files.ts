/**
 * Bytes that are too large for Redis: what callers upload, and what handlers keep.
 *
 * All processes of a system share one folder, or one bucket. A file is there whole and durable, or not at all: an upload
 * that fails, is too large or is interrupted leaves nothing. Where the settings name keys, all of it is sealed.
 * An upload's id is 128 random bits, so knowing it is the permission to read it. A named object (as
 * `documents/ab12.json`) belongs to the handler that writes it, and writing it again replaces it.
 *
 *     uploads/<id>        the bytes; written last, and removed first, so that a process that dies between leaves none of them
 *     uploads/<id>.json   what is known of them
 *     objects/<name>      named objects
 *     tenants/<tenant>/   the same two of another tenant than `default`, which sees these alone
 */
import type { S3Options } from "bun"
import { Context, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { type Append, FilesError } from "./blobs/blobs.ts"
import { bucketOf } from "./blobs/address.ts"
import { openBucket } from "./blobs/bucket.ts"
import { openFolder } from "./blobs/folder.ts"
import { sealedBlobs } from "./blobs/sealed.ts"
import { Settings, SettingsError } from "./config.ts"
import { Tenant, tenantDefault } from "./tenant.ts"

export { FilesError } from "./blobs/blobs.ts"

/** The largest upload when the caller names no other limit: 64 MiB. A larger one is refused while it streams. */
export const fileBytesMax = 64 * 1024 * 1024

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

    /** Forgets named objects; one that is not there is passed over. */
    readonly removeObjects: (names: ReadonlyArray<string>) => Effect.Effect<void, FilesError>
  }
>()("troupe/Files") {
  /**
   * In the folder or the bucket of `TROUPE_FILES`. A folder is made if it is not there. Where a bucket is and who may enter
   * the usual variables say (`AWS_…`), unless `access` does.
   */
  static readonly layerWith = (access: S3Options) => Layer.suspend(() => Layer.effect(Files, make(access)))

  static readonly layer = Files.layerWith({})
}

const make = Effect.fnUntraced(function* (access: S3Options) {
  const { encryptionKeys, files } = yield* Settings
  const ring = encryptionKeys === undefined ? undefined : Redacted.value(encryptionKeys)
  const blobs = sealedBlobs(yield* openBlobs(files, access), ring)

  /** Where the tenant that an effect acts for has its files. */
  const own = Effect.map(Tenant, (tenant) => {
    const at = tenant === tenantDefault ? "" : `tenants/${tenant}/`
    return { uploads: `${at}uploads/`, objects: `${at}objects/` }
  })

  const readOr = Effect.fnUntraced(function* (id: string, key: string | undefined, operation: string) {
    const bytes = key === undefined ? undefined : yield* blobs.read(operation, key)
    return bytes ?? (yield* new FileNotFound({ id }))
  })

  const upload = Effect.fn("Files.upload")(function* (
    body: ReadableStream<Uint8Array>,
    { bytesMax = fileBytesMax, type = "" }: UploadOptions = {}
  ) {
    const id = randomId()
    const { uploads } = yield* own
    const keys = [uploads + id, `${uploads}${id}.json`] as const
    let isDescribed = false
    return yield* blobs
      .write("Files.upload", keys[0], (append) =>
        Effect.gen(function* () {
          const info: FileInfo = { id, ...(yield* pour(body, append, bytesMax)), type: mediaType(type) }
          isDescribed = true
          yield* blobs.write("Files.upload", keys[1], (append) => append(encodeInfo(info)))
          return info
        })
      )
      .pipe(
        Effect.onError(() =>
          isDescribed ? Effect.ignoreCause(blobs.remove("Files.upload", keys.toReversed())) : Effect.void
        )
      )
  })

  const info = Effect.fn("Files.info")(function* (id: string) {
    const { uploads } = yield* own
    const key = uploadId.test(id) ? `${uploads}${id}.json` : undefined
    return yield* Effect.orDie(decodeInfo(yield* readOr(id, key, "Files.info")))
  })

  const read = Effect.fn("Files.read")(function* (id: string) {
    const { bytes } = yield* info(id)
    const { uploads } = yield* own
    const there = yield* readOr(id, uploads + id, "Files.read")
    return there.byteLength === bytes ? there : yield* cutShort("Files.read", there.byteLength, bytes)
  })

  const stream = (id: string) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { bytes } = yield* info(id)
        const { uploads } = yield* own
        const body = yield* blobs.stream("Files.stream", uploads + id)
        if (body === undefined) return yield* new FileNotFound({ id })
        let seen = 0
        return Stream.fromReadableStream({
          evaluate: () => body,
          onError: FilesError.during("Files.stream")
        }).pipe(
          Stream.tap((piece) => Effect.sync(() => (seen += piece.byteLength))),
          Stream.concat(
            Stream.suspend(() =>
              seen === bytes ? Stream.empty : Stream.fail(cutShort("Files.stream", seen, bytes))
            )
          )
        )
      })
    )

  const remove = Effect.fn("Files.remove")(function* (id: string) {
    yield* info(id)
    const { uploads } = yield* own
    // The description last: while it is there, what broke off can be said again.
    yield* blobs.remove("Files.remove", [uploads + id, `${uploads}${id}.json`])
  })

  const writeObject = Effect.fn("Files.writeObject")(function* (name: string, bytes: Uint8Array) {
    if (!objectName.test(name)) return yield* Effect.die(new TypeError(`"${name}" cannot name an object`))
    const { objects } = yield* own
    yield* blobs.write("Files.writeObject", objects + name, (append) => append(bytes))
  })

  const readObject = Effect.fn("Files.readObject")((name: string) =>
    Effect.flatMap(own, ({ objects }) =>
      readOr(name, objectName.test(name) ? objects + name : undefined, "Files.readObject")
    )
  )

  const listObjects = Effect.fn("Files.listObjects")(function* (prefix: string) {
    if (!objectPrefix.test(prefix)) return []
    const { objects } = yield* own
    const keys = yield* blobs.list("Files.listObjects", objects + prefix)
    return keys.map((key) => key.slice(objects.length))
  })

  const removeObjects = Effect.fn("Files.removeObjects")(function* (names: ReadonlyArray<string>) {
    const { objects } = yield* own
    const keys = names.filter((name) => objectName.test(name)).map((name) => objects + name)
    yield* blobs.remove("Files.removeObjects", keys)
  })

  return Files.of({ upload, info, read, stream, remove, writeObject, readObject, listObjects, removeObjects })
})

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

const uploadId = /^[0-9a-f]{32}$/

/** No word begins with a dot, so no name leaves its folder; lower case only, so no two names are one file. */
const objectName = /^(?=.{1,255}$)[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*){0,7}$/

/** What a name may begin with. */
const objectPrefix = /^([a-z0-9][a-z0-9._-]*\/?){0,8}$/

/** Somebody else has changed what lies there: a copy that broke off, a disk that lost something. */
const cutShort = (operation: string, there: number, bytes: number) =>
  new FilesError({ operation, cause: new Error(`${there} of its ${bytes} bytes are there`) })

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

/** Appends `body` as it comes, counting and hashing; the body is cancelled when this ends early. */
const pour = Effect.fnUntraced(function* (
  body: ReadableStream<Uint8Array>,
  append: Append,
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
        yield* append(piece)
      })
    )
  )
  return { bytes, sha256: hash.digest("hex") }
})

/** The folder or the bucket that a setting names. */
const openBlobs = Effect.fnUntraced(function* (setting: string, access: S3Options) {
  const refuse = (reason: string) =>
    new SettingsError({ setting: "TROUPE_FILES", reason: `"${setting}" ${reason}` })
  const bucket = bucketOf(setting)
  if (bucket === undefined && /^[a-z][a-z0-9+-]+:\/\//i.test(setting)) {
    return yield* refuse("is neither a folder nor s3://bucket/prefix")
  }
  const opened = bucket === undefined ? openFolder(setting) : openBucket(bucket, access)
  return yield* Effect.mapError(opened, ({ cause }) =>
    refuse(`cannot hold files: ${cause instanceof Error ? cause.message : String(cause)}`)
  )
})
