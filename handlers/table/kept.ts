/**
 * JSON that a task keeps in files while it lives, since it is too large for steps: below `kept/<task>/`.
 *
 * What is written again replaces what was there. A task that needs nothing of it any more, should its last run be
 * repeated, forgets it; what others leave is swept when it is a month old.
 */
import { Clock, Effect, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { submittedAt, TaskId, ulidOfId } from "../../runtime/task.ts"

const keptForMs = 30 * 24 * 3_600_000

const root = "kept/"

/** What belongs to one task. */
export const keptFor = Effect.fnUntraced(function* (task: string) {
  const files = yield* Files
  const folder = `${root}${task.toLowerCase()}/`
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
    ),
    /** Forgets what tasks have left that were submitted a month ago. */
    sweep: Effect.gen(function* () {
      const before = (yield* Clock.currentTimeMillis) - keptForMs
      const names = yield* files.listObjects(root)
      const old = names.filter((name) => submittedOf(name) < before)
      if (old.length > 0) yield* files.removeObjects(old)
    })
  }
})

/** When the task was submitted that has kept what has this name. */
const submittedOf = (name: string): number => {
  const id: unknown = name.split("/")[1]!.replace(/[^.]*$/, (ulid) => ulid.toUpperCase())
  return isTaskId(id) ? submittedAt(ulidOfId(id)) : 0
}

const isTaskId = Schema.is(TaskId)
