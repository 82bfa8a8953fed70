/**
 * Whether a queue is known: somebody serves it or submits to it, it holds something, or an operator has set something of it.
 * Any name may become a queue's, so a misspelt one would look like a queue that is empty.
 */
import { Effect, Schema } from "effect"
import type { QueueView } from "../../actors/operate/queues.ts"
import { nearest } from "../../runtime/nearest.ts"
import { Troupe } from "../client/effect.ts"
import * as Output from "./output.ts"

/** Nobody serves the queue or submits to it, and it holds nothing. Is its name misspelt? Nothing was done. */
export class QueueNotFound extends Schema.TaggedError<QueueNotFound>()("QueueNotFound", {
  queue: Schema.String,
  /** The queue that was most likely meant. */
  near: Schema.UndefinedOr(Schema.String)
}) {
  override get message() {
    return `there is no queue ${this.queue}${this.near === undefined ? "" : `; did you mean ${this.near}?`}`
  }
}

const isSet = ({ limits, paused, pausedKeys }: QueueView) =>
  paused || pausedKeys.length > 0 || Object.keys(limits).length > 0

/** A queue that is known. */
export const knownQueue = Effect.fnUntraced(function* (name: string) {
  const { queues } = yield* Troupe
  const queue = yield* queues.get(name)
  if (isSet(queue)) return queue
  const names = (yield* queues.list()).map(({ name }) => name)
  if (names.includes(name)) return queue
  return yield* new QueueNotFound({ queue: name, near: nearest(name, names) })
})

/** Says so where a queue is not known. It may be set before it is first used. */
export const mentionUnknown = (name: string) =>
  knownQueue(name).pipe(
    Effect.asVoid,
    Effect.catchTag("QueueNotFound", ({ message }) => Output.say(message))
  )
