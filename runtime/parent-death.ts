/**
 * A process that ends with the one that started it, even while its event loop is blocked.
 *
 * On Linux the kernel sees to that. Elsewhere it ends when it sees its channel closed, which it can only between two
 * pieces of work.
 */
import { dlopen } from "bun:ffi"

const setParentDeathSignal = 1
const sigkill = 9n

/** The C libraries that may be there: glibc, musl. */
const libraries = ["libc.so.6", "libc.so"]

export const endWithParent = (): void => {
  process.once("disconnect", () => process.exit(0))
  if (process.platform !== "linux") return
  for (const library of libraries) {
    try {
      const { symbols } = dlopen(library, {
        prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" }
      })
      symbols.prctl(setParentDeathSignal, sigkill, 0n, 0n, 0n)
      return
    } catch {
      // Another library may have it.
    }
  }
}
