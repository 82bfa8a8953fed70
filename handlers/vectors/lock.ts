/** The lock of a folder that bears one process: an exclusive transaction on an SQLite file, which the system ends with its process. */
import { Database } from "bun:sqlite"
import { mkdirSync } from "node:fs"
import * as path from "node:path"

/**
 * Takes the lock, or says that another process has it, after so many milliseconds in which this thread stands still. It is held
 * until it is closed, or the process ends.
 */
export const takeLock = (folder: string, waitMs = 0): Database | undefined => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = new Database(path.join(folder, "lock"))
  try {
    lock.run(`pragma busy_timeout = ${waitMs}`)
    lock.run("begin exclusive")
    return lock
  } catch (thrown) {
    lock.close()
    if (thrown instanceof Error && "code" in thrown && thrown.code === "SQLITE_BUSY") return undefined
    throw thrown
  }
}
