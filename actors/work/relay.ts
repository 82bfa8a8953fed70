/**
 * Carries the messages of one partition's outbox to where they are meant for: the end of a child to its parent, a
 * cancel to the children of a task that was cancelled.
 *
 * A message stays in the outbox until it was acted upon, and acting twice is harmless, so a worker that dies half way
 * loses nothing and any other may go on.
 */
import { Effect } from "effect"
import { type Message, Store, type StoreError } from "../../runtime/store.ts"
import { type Partition, partitionOfId, ulidOfId } from "../../runtime/task.ts"

/** How many messages are carried at a time. */
const batchMax = 100

/** Why a child is cancelled. */
export const parentCancelled = "the task that submitted it was cancelled"

const act = (store: Store["Service"], message: Message): Effect.Effect<void, StoreError> =>
  message.kind === "ended"
    ? store.childEnded(message.parent, message.child)
    : Effect.asVoid(store.cancel(partitionOfId(message.task), ulidOfId(message.task), parentCancelled))

/** Carries what is there now, and says whether that was anything. */
export const relay = Effect.fnUntraced(function* (partition: Partition) {
  const store = yield* Store
  const messages = yield* store.outbox(partition, batchMax)
  yield* Effect.forEach(messages, (message) => act(store, message), { concurrency: 10, discard: true })
  yield* store.drop(partition, messages)
  return messages.length > 0
})
