/**
 * Carries the messages of one partition's outbox to where they are meant for: the end of a child to its parent, a
 * cancel to the children of a task that was cancelled, a task that was acknowledged to its queue, the end of a task to its
 * callback.
 *
 * A message stays in the outbox until it was acted upon, and acting twice is harmless, so a worker that dies half way
 * loses nothing and any other may go on.
 */
import { Effect } from "effect"
import { Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import type { Message, NewTask } from "../../runtime/mailbox.ts"
import { type Partition, partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import { owedFor, webhooksPartition } from "../callback/owed.ts"

/** How many messages are carried at a time. */
const batchMax = 100

/** Why a child is cancelled. */
export const parentCancelled = "the task that submitted it was cancelled"

/** No bound refuses what is owed. */
const submit = (store: Store["Service"], partition: Partition, task: NewTask) =>
  Effect.catchTag(
    store.submit(partition, [task], { owed: true }),
    ["QueueFull", "AgentQuarantined"],
    Effect.die
  )

/** The callback of a task whose record cannot be read here stays where it is: another worker may have the key. */
const tell = (store: Store["Service"], id: TaskId) =>
  Effect.flatMap(owedFor(id), (owed) =>
    owed.kind === "delivery"
      ? Effect.as(submit(store, webhooksPartition, owed.task), true)
      : Effect.succeed(owed.kind === "nothing")
  )

/** Says whether the message was acted upon. */
const act = (
  store: Store["Service"],
  message: Message
): Effect.Effect<boolean, StoreError | StoreFull, Store> => {
  switch (message.kind) {
    case "ended":
      return Effect.as(store.childEnded(message.parent, message.child), true)
    case "cancel": {
      const { task } = message
      return Effect.as(store.cancel(partitionOfId(task), ulidOfId(task), parentCancelled), true)
    }
    case "submit":
      return Effect.as(submit(store, message.partition, message.task), true)
    case "callback":
      return tell(store, message.task)
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
  const carried: Array<Message> = []
  yield* Effect.forEach(
    inOrder.values(),
    (some) =>
      Effect.forEach(
        some,
        ([, message]) => Effect.map(act(store, message), (done) => void (done && carried.push(message))),
        { discard: true }
      ),
    { concurrency: 10, discard: true }
  )
  yield* store.drop(partition, carried)
  return carried.length > 0
})
