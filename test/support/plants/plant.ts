/** A bug to plant in the scripts: lines of Lua as they stand, and what a tired hand might have written. */
import type { Script, Scripts } from "../../../runtime/redis/scripts.ts"

export interface Plant {
  readonly bug: string
  readonly changes: ReadonlyArray<readonly [line: string, instead: string]>
}

/** A bug of one line. */
export const plant = (bug: string, line: string, instead: string): Plant => ({
  bug,
  changes: [[line, instead]]
})

/** The scripts with a bug in them. */
export const withPlant = (scripts: Scripts, { bug, changes }: Plant): Scripts => {
  const lost = changes.find(([line]) => !Object.values(scripts).some(({ text }) => text.includes(line)))
  if (lost !== undefined) throw new Error(`there is no longer a line in which to plant: ${bug}`)
  const planted = Object.entries(scripts).map(([name, script]): readonly [string, Script] => {
    const text = changes.reduce((text, [line, instead]) => text.replace(line, () => instead), script.text)
    return [name, { ...script, text, sha: new Bun.CryptoHasher("sha1").update(text).digest("hex") }]
  })
  return Object.fromEntries(planted) as unknown as Scripts
}
