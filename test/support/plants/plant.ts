/** A bug to plant in the scripts: lines of Lua as they stand, and what a tired hand might have written. */
import { sha1 } from "../../../runtime/digest.ts"
import { libraryPrefix, type Scripts } from "../../../runtime/redis/scripts.ts"

export interface Plant {
  readonly bug: string
  readonly changes: ReadonlyArray<readonly [line: string, instead: string]>
}

/** A bug of one line. */
export const plant = (bug: string, line: string, instead: string): Plant => ({
  bug,
  changes: [[line, instead]]
})

/** The scripts with a bug in them, wherever its lines stand; a version of their own. */
export const withPlant = (scripts: Scripts, { bug, changes }: Plant): Scripts => {
  const lost = changes.find(([line]) => !scripts.text.includes(line))
  if (lost !== undefined) throw new Error(`there is no longer a line in which to plant: ${bug}`)
  const planted = changes.reduce(
    (text, [line, instead]) => text.replaceAll(line, () => instead),
    scripts.text
  )
  const [version, its] = [scripts.library.slice(libraryPrefix.length), sha1(planted).slice(0, 12)]
  const renamed = (text: string) => text.replaceAll(version, its)
  return {
    ...scripts,
    library: renamed(scripts.library),
    text: renamed(planted),
    functions: Object.fromEntries(
      Object.entries(scripts.functions).map(([script, called]) => [script, renamed(called)])
    ) as Scripts["functions"]
  }
}
