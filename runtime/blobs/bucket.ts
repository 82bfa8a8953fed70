/**
 * Blobs in a bucket that speaks the API of S3, through Bun's own client: `s3://bucket/prefix`.
 *
 * What is written is gathered in a file of this machine first, and put in its place once it is whole: a bucket shows an
 * object when all of it is there. Who may enter, and where the bucket is, the usual variables say: `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT`, or the same with `S3_`.
 */
import { S3Client, type S3Options } from "bun"
import { Clock, Effect } from "effect"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { type Blobs, FilesError } from "./blobs.ts"
import { appendTo, unfinishedForMs } from "./folder.ts"

/** What begins so in the system's folder for such things are folders with a part each, of a process that writes. */
const partsPrefix = "troupe-upload-"

const isAbsent = (cause: unknown) =>
  typeof cause === "object" && cause !== null && "code" in cause && cause.code === "NoSuchKey"

/** Opens a bucket, asking it for one key, so that one that cannot be used says so at once. Fails with what it says. */
export const openBucket = Effect.fnUntraced(function* (
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  access: S3Options
): Effect.fn.Return<Blobs, FilesError> {
  const client = new S3Client({ ...access, bucket })
  const ask = <A>(operation: string, what: () => Promise<A>) =>
    Effect.tryPromise({ try: what, catch: FilesError.during(operation) })

  yield* Effect.tryPromise({
    try: () => client.list({ prefix, maxKeys: 1 }),
    catch: FilesError.during("Files.open")
  })

  const now = yield* Clock.currentTimeMillis
  // They hurt nobody but the disk, and others may have them gone meanwhile.
  yield* Effect.ignore(ask("Files.open", () => sweepParts(now - unfinishedForMs)))

  return {
    write: (operation, key, fill) =>
      Effect.acquireUseRelease(
        ask(operation, async () => {
          const folder = await fs.mkdtemp(path.join(tmpdir(), partsPrefix))
          const part = path.join(folder, "part")
          return { folder, part, file: await fs.open(part, "wx", 0o600) }
        }),
        ({ file, part }) =>
          Effect.tap(fill(appendTo(operation, file)), () =>
            ask(operation, () => client.write(prefix + key, Bun.file(part)))
          ),
        ({ file, folder }) =>
          Effect.ignoreCause(
            Effect.promise(async () => {
              await file.close().catch(() => {})
              await fs.rm(folder, { recursive: true, force: true })
            })
          )
      ),
    read: (operation, key) =>
      Effect.tryPromise({
        try: () => client.file(prefix + key).bytes(),
        catch: FilesError.during(operation)
      }).pipe(
        Effect.catchIf(
          ({ cause }) => isAbsent(cause),
          () => Effect.undefined
        )
      ),
    stream: (_, key) => Effect.sync(() => client.file(prefix + key).stream()),
    remove: (operation, keys) =>
      ask(operation, async () => {
        for (const key of keys) await client.delete(prefix + key)
      }),
    list: (operation, from) =>
      ask(operation, async () => {
        const keys: Array<string> = []
        for (let token: string | undefined; ;) {
          const page = await client.list({
            prefix: prefix + from,
            ...(token === undefined ? {} : { continuationToken: token })
          })
          for (const { key } of page.contents ?? []) keys.push(key.slice(prefix.length))
          token = page.nextContinuationToken
          if (!page.isTruncated || token === undefined) return keys.sort()
        }
      })
  }
})

/** Removes what processes of ours have left that died while they wrote: parts that nobody has added to since `before`. */
const sweepParts = async (before: number) => {
  for (const name of await fs.readdir(tmpdir())) {
    if (!name.startsWith(partsPrefix)) continue
    const folder = path.join(tmpdir(), name)
    const seen = await fs.lstat(path.join(folder, "part")).catch(() => undefined)
    if (seen !== undefined && seen.uid === process.getuid?.() && seen.mtimeMs < before) {
      await fs.rm(folder, { recursive: true, force: true })
    }
  }
}
