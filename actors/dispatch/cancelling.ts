/**
 * Ends a living task as cancelled, whoever runs it, and its living children after it.
 *
 * The task has ended when this succeeds. Its children are told level by level, as far as one call goes; the store has noted
 * them all, and what is not told here is told by whoever takes turns.
 */
import { Effect, Schema } from "effect"
import { type Cancelled, Store } from "../../runtime/store.ts"
import { partitionOfId, State, TaskId, ulidOfId } from "../../runtime/task.ts"
import { endedOf } from "../../runtime/view.ts"
import { untilAnswered } from "./outbox.ts"
import type { Ownership } from "./ownership.ts"
import { TaskNotFound } from "./replies.ts"

/** The task had ended before. Nothing was changed. */
export class TaskEnded extends Schema.TaggedError<TaskEnded>()("TaskEnded", { id: TaskId, state: State }) {
  override get message() {
    return `${this.id} has ended already: it is ${this.state}`
  }
}

/** The longest reason of a cancel, in characters. */
export const reasonMax = 1_000

/** How many children one cancel tells by itself, and how many at once. */
const cancelMax = 1_000
const cancelsAtOnce = 16

export const makeCancel = Effect.fnUntraced(function* (ownership: Ownership) {
  const store = yield* Store

  const cancelAll = Effect.fnUntraced(function* (children: ReadonlyArray<TaskId>, reason: string) {
    let left = cancelMax
    for (let level = children; level.length > 0 && left > 0;) {
      const some = level.slice(0, left)
      left -= some.length
      const answers: ReadonlyArray<Cancelled> = yield* Effect.forEach(
        some,
        (child) => store.cancel(partitionOfId(child), ulidOfId(child), reason, { orphan: true }),
        { concurrency: cancelsAtOnce }
      )
      level = answers.flatMap((answer) => (answer.kind === "cancelled" ? answer.children : []))
    }
  })

  return Effect.fn("Dispatcher.cancel")(function* (
    id: TaskId,
    reason: string = "it was cancelled on request"
  ) {
    yield* ownership.check(id)
    const why = reason.slice(0, reasonMax)
    let isRepeated = false
    const answer = yield* untilAnswered(store.cancel(partitionOfId(id), ulidOfId(id), why), () => {
      isRepeated = true
    })
    switch (answer.kind) {
      case "missing":
        return yield* new TaskNotFound({ id })
      case "ended": {
        // Said again, it finds what it did itself.
        const ended = endedOf(answer.record)
        if (isRepeated && ended.state === "cancelled" && ended.error.message === why) return
        return yield* new TaskEnded({ id, state: ended.state })
      }
      case "cancelled":
        yield* Effect.ignore(cancelAll(answer.children, `its parent ${id} was cancelled`))
    }
  })
})
