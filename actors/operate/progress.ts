/**
 * Whether work goes on: a queue has come to a halt when it has workers, tasks wait, and none has been started for a while,
 * however well its store and its workers answer.
 *
 * A peer's workers that were deaf after a restart of Redis looked healthy for as long as one only asked them to answer. A
 * queue without workers is for `troupe doctor` and alerts to tell of: whoever may submit may name one, and tasks that wait
 * for workers are what a queue is for.
 */
import { Clock, Effect } from "effect"
import { type Minute, Operations, type QueueState, type WorkerState } from "../../runtime/operations.ts"
import type { Partition } from "../../runtime/task.ts"

/** How long the oldest task of a queue may wait while nothing of the queue starts, in milliseconds. */
export const stallMs = 60_000

/** How many queues are looked at at once. */
const looksMax = 16

/** What a queue is judged by. */
export interface Progress {
  readonly state: QueueState
  /** The last two. */
  readonly minutes: ReadonlyArray<Minute>
  readonly workers: ReadonlyArray<WorkerState>
}

/** Whether tasks wait for longer than they should. Those in boxes may wait for their keys and limits. */
const isLate = ({ depth: { held, lanes }, limits, oldest, paused }: QueueState, now: number) =>
  !paused &&
  limits.rate === undefined &&
  limits.concurrency === undefined &&
  lanes.urgent + lanes.high + lanes.normal + lanes.low > 0 &&
  held === 0 &&
  oldest !== undefined &&
  now - oldest > stallMs

const mayClaim = ({ about, leaseUntil, seenAt }: WorkerState) =>
  leaseUntil > seenAt && about?.draining !== true

/** Whether a queue's work has come to a halt. */
export const isStalled = ({ minutes, state, workers }: Progress, now: number): boolean =>
  isLate(state, now) &&
  minutes.every(({ counts }) => (counts["started"] ?? 0) === 0) &&
  workers.some(mayClaim)

/** In how many queues nothing goes on though tasks wait and there are workers. */
export const stalledQueues = Effect.gen(function* () {
  const operations = yield* Operations
  const now = yield* Clock.currentTimeMillis
  const look = Effect.fnUntraced(function* (partition: Partition) {
    const state = yield* operations.queue(partition)
    // Of most nothing more is to be asked.
    if (!isLate(state, now)) return false
    const minutes = yield* operations.minutes(partition, 2)
    return isStalled({ state, minutes, workers: yield* operations.workers(partition) }, now)
  })
  const looks = yield* Effect.forEach(yield* operations.partitions, look, { concurrency: looksMax })
  return looks.filter((isStalled) => isStalled).length
})
