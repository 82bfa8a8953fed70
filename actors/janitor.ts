/**
 * Drops what is past its retention, or more than is to be kept, a bounded piece at a time; and notes the queues that
 * are served, so that they are listed. What parents may remember of their children stays until these have ended.
 *
 * Every worker process runs one. They need no leader: dropping is one atomic script that may be repeated, so two of
 * them share the work.
 */
import { Cause, Effect, Schedule } from "effect"
import { defineActor } from "../runtime/actor/definition.ts"
import { Settings } from "../runtime/config.ts"
import { Operations } from "../runtime/operations.ts"
import { Steps } from "../runtime/steps.ts"
import { Store, StoreError } from "../runtime/store.ts"
import { type Partition, partitionOf, partitionOfId, type TaskId, ulidOfId } from "../runtime/task.ts"
import { type Complaint, Complaints } from "../runtime/telemetry/complaints.ts"
import { IsUpkeep } from "../runtime/upkeep.ts"
import { Worker } from "./work/worker.ts"

/** Segments and dead letters that one script drops at most. */
const limit = 100

const interval = "10 seconds"

/** Whether one of some parents may remember children of its: it lives. */
const someRemember = Effect.fnUntraced(function* (parents: ReadonlyArray<TaskId>) {
  const steps = yield* Steps
  for (const [home, ids] of Map.groupBy(parents, partitionOfId))
    if ((yield* steps.known(home, ids.map(ulidOfId))).length > 0) return true
  return false
})

/** Drops all of a partition that is past its retention and remembered by nobody, and says how much that was. */
export const sweep = Effect.fn("Janitor.sweep")(function* (partition: Partition) {
  const store = yield* Store
  let all = 0
  let goesOn = true
  while (goesOn) {
    const { dropped, remembered } = yield* store.sweep(partition, limit)
    all += dropped
    // A full piece means that more waits.
    goesOn = dropped + remembered.length >= limit
    for (const one of remembered) {
      if (yield* someRemember(one.parents)) continue
      if (yield* store.forget(partition, one)) all += 1
      // Other parents are left, which are told of now.
      else goesOn = true
    }
  }
  return all
})

/** Sweeps every queue that this process serves, and says how much was dropped. */
export const pass = Effect.fn("Janitor.pass")(function* () {
  const operations = yield* Operations
  const { deadMax, deadMemory } = yield* Settings
  const bounds = { deadMax, deadBytes: deadMemory * 1_048_576 }
  const { queues } = yield* Worker
  const dropped = yield* Effect.forEach(
    queues,
    Effect.fnUntraced(function* ({ queue }) {
      const partition = partitionOf(queue)
      yield* operations.note(partition)
      const swept = yield* sweep(partition)
      return swept + (yield* operations.trim(partition, bounds))
    })
  )
  return dropped.reduce((sum, count) => sum + count, 0)
})

interface Message {
  readonly _tag: "Tick"
}

const tick: Message = { _tag: "Tick" }

/** A store that does not answer is told of once in a while; what should be impossible, each time and in full. */
const failed = (unanswered: Complaint) => (cause: Cause.Cause<unknown>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  return error instanceof StoreError
    ? unanswered.wrong(error.message)
    : Effect.logWarning("the janitor's pass failed", cause)
}

export const janitor = defineActor<Message>()({
  name: "janitor",
  onStart: ({ timers }) =>
    timers.startSingle("first", tick, 0).pipe(
      // Jitter keeps processes that started together from sweeping together.
      Effect.andThen(timers.startPeriodic("next", tick, Schedule.spaced(interval).pipe(Schedule.jittered))),
      Effect.provideService(IsUpkeep, true),
      Effect.andThen(
        Complaints.useSync(({ about }) => about("the janitor's pass failed", "the janitor goes on"))
      )
    ),
  handle: {
    Tick: (_, { state: unanswered }) =>
      pass().pipe(
        Effect.andThen(Effect.suspend(() => unanswered.well() ?? Effect.void)),
        Effect.catchCause(failed(unanswered))
      )
  }
})
