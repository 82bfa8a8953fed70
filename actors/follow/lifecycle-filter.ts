/** Which lifecycle events somebody wants: a decision over plain values. */
import { Schema } from "effect"
import { type Partition, partitionOf, QueueName } from "../../runtime/task.ts"
import { type LifecycleEvent, LifecycleType } from "./lifecycle-event.ts"

const text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256))
const some = <A extends Schema.Top>(of: A) =>
  Schema.optionalKey(Schema.Array(of).check(Schema.isMaxLength(100)))

/** Which events are wanted: those that fit each field that is said, by one of its values. */
export const LifecycleFilter = Schema.Struct({
  types: some(LifecycleType),
  names: some(text),
  queues: some(QueueName),
  keys: some(text),
  /** Of the task's tags, one will do. */
  tags: some(text)
})
export type LifecycleFilter = typeof LifecycleFilter.Type

const fits = <A>(wanted: ReadonlyArray<A> | undefined, value: A | undefined) =>
  wanted === undefined || (value !== undefined && wanted.includes(value))

/** Whether an event is wanted. */
export const isWanted = (
  { keys, names, queues, tags, types }: LifecycleFilter,
  event: LifecycleEvent
): boolean =>
  fits(types, event.type) &&
  fits(names, event.name) &&
  fits(queues, event.queue) &&
  fits(keys, event.key) &&
  (tags === undefined || event.tags.some((tag) => tags.includes(tag)))

/** Which queues somebody follows. */
export const followedBy = ({ queues }: LifecycleFilter) => {
  const followed = queues === undefined ? undefined : new Set(queues.map(partitionOf))
  return (partition: Partition) => followed === undefined || followed.has(partition)
}
