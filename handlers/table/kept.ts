/**
 * JSON that a task keeps in files while it lives, since it is too large for steps: below `kept/<task>/`.
 *
 * What is written again replaces what was there. The task forgets all of it before it ends.
 */
import { Effect } from "effect"
import { Files } from "../../runtime/files.ts"

/** What belongs to one task. */
export const keptFor = Effect.fnUntraced(function* (task: string) {
  const files = yield* Files
  const folder = `kept/${task.toLowerCase()}/`
  const nameOf = (name: string) => `${folder}${name}.json`
  return {
    write: (name: string, value: unknown) =>
      files.writeObject(nameOf(name), new TextEncoder().encode(JSON.stringify(value))),
    /** Fails with `FileNotFound` where nothing was written. */
    read: (name: string) =>
      Effect.map(
        files.readObject(nameOf(name)),
        (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown
      ),
    forget: Effect.flatMap(files.listObjects(folder), (names) =>
      names.length === 0 ? Effect.void : files.removeObjects(names)
    )
  }
})
