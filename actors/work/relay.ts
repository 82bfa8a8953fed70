/**
 * Carries the messages of one partition's outbox to where they are meant for: the end of a child to its parent, a
 * cancel to the children of a task that was cancelled, a task that was acknowledged to its queue.
 *
 * A message stays in the outbox until it was acted upon, and acting twice is harmless, so a worker that dies half way
 * loses nothing and any other may go on.
 */
import { Effect } from "effect"
import { type Message, Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import { type Partition, partitionOfId, ulidOfId } from "../../runtime/task.ts"

/** How many messages are carried at a time. */
const batchMax = 100

/** Why a child is cancelled. */
export const parentCancelled = "the task that submitted it was cancelled"

const act = (store: Store["Service"], message: Message): Effect.Effect<void, StoreError | StoreFull> => {
  switch (message.kind) {
    case "ended":
      return store.childEnded(message.parent, message.child)
    case "cancel":
      return Effect.asVoid(store.cancel(partitionOfId(message.task), ulidOfId(message.task), parentCancelled))
    case "submit":
      // No bound refuses what is owed.
      return Effect.catchTag(
        store.submit(message.partition, [message.task], { owed: true }),
        "QueueFull",
        Effect.die
      )
  }
}

/** What must be carried one after the other: tasks of one box keep their order. */
const laneOfMessage = (message: Message, at: number) =>
  message.kind === "submit" && message.task.box !== undefined
    ? `${message.partition} ${message.task.box.name}`
    : String(at)

/** Carries what is there now, and says whether that was anything. */
export const relay = Effect.fnUntraced(function* (partition: Partition) {
  const store = yield* Store
  const messages = yield* store.outbox(partition, batchMax)
  const inOrder = Map.groupBy(messages.entries(), ([at, message]) => laneOfMessage(message, at))
  yield* Effect.forEach(
    inOrder.values(),
    (some) => Effect.forEach(some, ([, message]) => act(store, message), { discard: true }),
    { concurrency: 10, discard: true }
  )
  yield* store.drop(partition, messages)
  return messages.length > 0
})
