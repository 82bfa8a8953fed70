/** Drops what is past retention, and asks about what parents may remember. */
import { Effect } from "effect"
import type { Store } from "../store.ts"
import type { TaskId } from "../task.ts"
import { during, type Scripted } from "./scripted.ts"

type SweepReply = readonly [
  dropped: number,
  ...remembered: ReadonlyArray<readonly [segment: string, again: number, parents: ReadonlyArray<TaskId>]>
]

export interface SweepingOptions {
  /** How soon a segment is looked at again that parents may remember tasks of. */
  readonly againMs: number
  readonly deadRetentionMs: number
}

export const sweepingBy = (
  { run }: Scripted["Service"],
  { againMs, deadRetentionMs }: SweepingOptions
): Pick<Store["Service"], "sweep" | "forget"> => ({
  sweep: (partition, limit) =>
    run<SweepReply>("segment-sweep", partition, [limit, deadRetentionMs, Math.ceil(againMs)]).pipe(
      Effect.map(([dropped, ...remembered]) => ({
        dropped,
        remembered: remembered.map(([segment, again, parents]) => ({
          segment,
          again,
          parents: parents.toSorted()
        }))
      })),
      during("Store.sweep")
    ),
  forget: (partition, { again, parents, segment }) =>
    run<0 | 1>("segment-forget", partition, [segment, again, ...parents]).pipe(
      Effect.map((dropped) => dropped === 1),
      during("Store.forget")
    )
})
