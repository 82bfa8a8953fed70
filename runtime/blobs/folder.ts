/**
 * Blobs in a folder that all processes share.
 *
 *     <folder>/<key>           the bytes
 *     <folder>/unfinished/     what is being written; a process that dies leaves its part here
 */
import { Clock, Effect } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { type Append, type Blobs, FilesError } from "./blobs.ts"
import { sweep, writeWhole } from "./whole-file.ts"

/** A part of a file that nobody has added to for so long belongs to a process that died; the next start removes it. */
export const unfinishedForMs = 60 * 60 * 1000

/** How many bytes are read at once. */
const pieceBytes = 256 * 1024

const isAbsent = (cause: unknown) =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "EISDIR")

/** Adds to an open file. */
export const appendTo =
  (operation: string, file: fs.FileHandle): Append =>
  (bytes) =>
    Effect.tryPromise({ try: () => file.appendFile(bytes), catch: FilesError.during(operation) })

/** Opens the folder, making it if need be. Fails with what the disk says. */
export const openFolder = Effect.fnUntraced(function* (folder: string): Effect.fn.Return<Blobs, FilesError> {
  const unfinished = path.resolve(folder, "unfinished")
  const at = (key: string) => path.resolve(folder, key)
  const now = yield* Clock.currentTimeMillis
  yield* Effect.tryPromise({
    try: async () => {
      await fs.mkdir(unfinished, { recursive: true, mode: 0o700 })
      await sweep(unfinished, now - unfinishedForMs)
    },
    catch: FilesError.during("Files.open")
  })
  return {
    write: (operation, key, fill) =>
      writeWhole({
        unfinished,
        target: at(key),
        fill: (file) => fill(appendTo(operation, file)),
        failed: FilesError.during(operation)
      }),
    read: (operation, key) =>
      Effect.tryPromise({ try: () => fs.readFile(at(key)), catch: FilesError.during(operation) }).pipe(
        // A plain array: some who read PDFs refuse a Buffer.
        Effect.map(({ buffer, byteLength, byteOffset }) => new Uint8Array(buffer, byteOffset, byteLength)),
        Effect.catchIf(
          ({ cause }) => isAbsent(cause),
          () => Effect.undefined
        )
      ),
    stream: (operation, key) =>
      Effect.tryPromise({
        try: async () => bytesOf(await fs.open(at(key))),
        catch: FilesError.during(operation)
      }).pipe(
        Effect.catchIf(
          ({ cause }) => isAbsent(cause),
          () => Effect.undefined
        )
      ),
    remove: (operation, keys) =>
      Effect.tryPromise({
        try: async () => {
          for (const key of keys) await fs.rm(at(key), { force: true })
        },
        catch: FilesError.during(operation)
      }),
    list: (operation, prefix) =>
      Effect.tryPromise({
        try: async () => {
          // What has no folder yet has no files.
          const root = at(prefix.slice(0, prefix.lastIndexOf("/") + 1))
          const entries = await fs
            .readdir(root, { recursive: true, withFileTypes: true })
            .catch((cause) => (isAbsent(cause) ? [] : Promise.reject(cause as Error)))
          return entries
            .filter((entry) => entry.isFile())
            .map((entry) =>
              path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/")
            )
            .filter((key) => key.startsWith(prefix))
            .sort()
        },
        catch: FilesError.during(operation)
      })
  }
})

/** The bytes of an open file, which is closed when they end, and when nobody wants more: not when memory is collected. */
const bytesOf = (file: fs.FileHandle): ReadableStream<Uint8Array> =>
  new ReadableStream(
    {
      pull: async (controller) => {
        try {
          const { buffer, bytesRead } = await file.read(new Uint8Array(pieceBytes), 0, pieceBytes)
          if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead))
        } catch (error) {
          await file.close()
          throw error
        }
        await file.close()
        controller.close()
      },
      cancel: () => file.close()
    },
    { highWaterMark: 0 }
  )
