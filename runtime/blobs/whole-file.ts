/**
 * Writes a file whole or not at all.
 *
 * The bytes go to a file of another name, are flushed to the disk, and the file is renamed into its place, which is
 * atomic. Whoever opens the place sees the old file or the new one. A failure or an interruption leaves nothing; a
 * process that dies leaves its part in the folder of the unfinished, which `sweep` clears.
 */
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"

/**
 * Runs `fill` on a new file in `unfinished`, then puts it at `target`, whose folder is made if needed. Both must be
 * on one file system. `failed` makes an error of what the disk says.
 */
export const writeWhole = <A, E, E2>(options: {
  readonly unfinished: string
  readonly target: string
  readonly fill: (file: fs.FileHandle) => Effect.Effect<A, E>
  readonly failed: (cause: unknown) => E2
}): Effect.Effect<A, E | E2> => {
  const part = path.join(options.unfinished, crypto.randomUUID())
  return Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => fs.open(part, "wx", 0o600), catch: options.failed }),
    (file) =>
      Effect.tap(options.fill(file), () =>
        Effect.tryPromise({ try: () => settle(file, part, options.target), catch: options.failed })
      ),
    // After the rename there is nothing under this name; before it, it must go, whatever happened.
    (file) =>
      Effect.ignoreCause(
        Effect.promise(async () => {
          // A full disk may say so only now.
          await file.close().catch(() => {})
          await fs.rm(part, { force: true })
        })
      )
  )
}

/** Removes the parts that nobody has added to since `before`, in Unix milliseconds: their process has died. */
export const sweep = async (unfinished: string, before: number): Promise<void> => {
  for (const name of await fs.readdir(unfinished)) {
    const part = path.join(unfinished, name)
    // Another process may finish or sweep it meanwhile.
    const seen = await fs.stat(part).catch(() => undefined)
    if (seen !== undefined && seen.mtimeMs < before) await fs.rm(part, { force: true })
  }
}

const settle = async (file: fs.FileHandle, part: string, target: string) => {
  const folder = path.dirname(target)
  await file.sync()
  await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  await fs.rename(part, target)
  // A rename is durable only once the folder that holds the new name is.
  await using handle = await fs.open(folder, "r")
  await handle.sync()
}
