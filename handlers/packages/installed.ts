/** Whether packages are there that something is made of, without loading them. */

/** The first of them that is not installed. */
export const firstMissing = (packages: ReadonlyArray<string>): string | undefined =>
  packages.find((one) => {
    try {
      Bun.resolveSync(one, import.meta.dir)
      return false
    } catch {
      return true
    }
  })
