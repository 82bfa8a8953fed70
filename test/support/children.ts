/** Children for tests: adopted by a run of worker `w`, submitted, and run by it. */
import { Effect } from "effect"
import { Steps } from "../../runtime/steps.ts"
import { type Entry, idIn, type Partition, type TaskId, ulidOfEntry } from "../../runtime/task.ts"
import { partition } from "./stores.ts"
import { aTask, aUlid, claim, submit, type TestTask } from "./tasks.ts"

export interface Child extends TestTask {
  readonly id: TaskId
}

/** A task that names the one which `parent` is a run of. */
export const aChildOf = (
  parent: Entry,
  over: Parameters<typeof aTask>[0] & { readonly home?: Partition } = {}
): Child => {
  const { home = partition, ...rest } = over
  const task = aTask({ ulid: aUlid(), ...rest, parent: idIn(partition, ulidOfEntry(parent)) })
  return { ...task, id: idIn(home, task.ulid) }
}

/** The run of `parent`, which worker `w` holds, says that it has these children. */
export const adopt = Effect.fnUntraced(function* (parent: Entry, ...children: ReadonlyArray<Child>) {
  const steps = yield* Steps
  const before = (yield* steps.recall(partition, ulidOfEntry(parent))).length
  for (const [at, { id }] of children.entries()) {
    const step = { number: before + at, name: "submit test", value: JSON.stringify(id), child: id }
    yield* steps.adopt(partition, "w", parent, step)
  }
})

/** Children of `parent` in its partition: adopted, submitted, and claimed by worker `w`. */
export const adopted = Effect.fnUntraced(function* (parent: Entry, count: number) {
  const children = Array.from({ length: count }, () => aChildOf(parent))
  yield* adopt(parent, ...children)
  yield* submit(...children)
  yield* claim("w", count)
  return children
})
