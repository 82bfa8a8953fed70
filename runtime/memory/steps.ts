/** Steps in memory: the readable specification of `runtime/lua/step-remember.lua`. */
import { Effect, Layer } from "effect"
import { type Step, StepRefused, Steps } from "../steps.ts"
import type { WorkerId } from "../turn.ts"
import { type Entry, type Partition, type TaskId, ulidOfEntry } from "../task.ts"
import { Heaps } from "./heap.ts"

const make = Effect.gen(function* () {
  const { of: heapOf } = yield* Heaps

  const write = (
    partition: Partition,
    worker: WorkerId,
    entry: Entry,
    step: Step,
    child?: TaskId,
    anew = false
  ) =>
    Effect.suspend(() => {
      const heap = heapOf(partition)
      if (!heap.held.get(worker)?.has(entry)) return Effect.fail(new StepRefused({ entry }))
      const ulid = ulidOfEntry(entry)
      let steps = heap.steps.get(ulid)
      if (steps === undefined) {
        heap.tie(ulid, "s")
        steps = new Map()
        heap.steps.set(ulid, steps)
      }
      const { name, number, value } = step
      const isNew = !steps.has(number)
      const kept = steps.get(number) ?? { name, value }
      steps.set(number, kept)
      if (child !== undefined && (isNew || anew)) heap.adopt(ulid, child)
      return Effect.succeed({ number, ...kept })
    })

  return Steps.of({
    recall: (partition, ulid) =>
      Effect.sync(() =>
        [...(heapOf(partition).steps.get(ulid) ?? [])]
          .map(([number, kept]) => ({ number, ...kept }))
          .sort((one, other) => one.number - other.number)
      ),
    known: (partition, ulids) => Effect.sync(() => ulids.filter((ulid) => heapOf(partition).steps.has(ulid))),
    remember: (partition, worker, entry, step) => write(partition, worker, entry, step),
    adopt: (partition, worker, entry, { anew, child, ...step }) =>
      write(partition, worker, entry, step, child, anew)
  })
})

/** Steps in the partitions that `Heaps` has. */
export const layer = Layer.effect(Steps, make)
