/**
 * Whether work goes on: a queue in which tasks wait and none has been started for a while makes no progress, however
 * well its store and its workers answer.
 *
 * A peer's workers that were deaf after a restart of Redis looked healthy for as long as one only asked them to answer.
 */
import { Clock, Effect } from "effect"
import { type Minute, Operations, type QueueState } from "../../runtime/operations.ts"
import { queueOf } from "../../runtime/task.ts"
import { waitingIn } from "./stats.ts"

/** How long the oldest task of a queue may wait while nothing of the queue starts, in milliseconds. */
export const stallMs = 60_000

/** Whether a queue's work has come to a halt. `minutes` are the last two. */
export const isStalled = (state: QueueState, minutes: ReadonlyArray<Minute>, now: number): boolean =>
  !state.paused &&
  waitingIn(state.depth) > 0 &&
  state.depth.held === 0 &&
  state.oldest !== undefined &&
  now - state.oldest > stallMs &&
  minutes.every(({ counts }) => (counts["started"] ?? 0) === 0)

/** The names of queues in which nothing goes on though tasks wait. */
export const stalledQueues = Effect.gen(function* () {
  const operations = yield* Operations
  const now = yield* Clock.currentTimeMillis
  const stalled: Array<string> = []
  for (const partition of yield* operations.partitions) {
    const state = yield* operations.queue(partition)
    if (isStalled(state, yield* operations.minutes(partition, 2), now)) stalled.push(queueOf(partition))
  }
  return stalled
})
