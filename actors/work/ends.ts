/**
 * What became of the children of one run: how each has ended, or that it lives.
 *
 * All children of earlier runs are looked at together, once: one look at many costs little more than one at one. What has
 * ended stays so. Only so much of it is held for the run; what is more is read again where it is wanted.
 */
import { Effect } from "effect"
import type { AttemptOver } from "../../runtime/handler.ts"
import type { Store, StoreError } from "../../runtime/store.ts"
import { partitionOfId, type TaskId, ulidOfId } from "../../runtime/task.ts"
import type { Recall } from "./recall.ts"

/** So many children are looked at with one call. */
const lookedAtOnce = 200

/** So many characters of how they ended are held for the run. */
const charactersHeld = 4 * 1024 * 1024

/** As `Store.ended` says it: the record of one that has ended, `true` while it lives, `undefined` when it is not there. */
export type End = string | true | undefined

export class Ends {
  readonly #recall: Recall
  readonly #store: Store["Service"]
  /** Of children of earlier runs. */
  readonly #known = new Map<TaskId, End>()
  #characters = 0
  #earlier: Promise<ReadonlyMap<TaskId, End>> | undefined

  constructor(recall: Recall, store: Store["Service"]) {
    this.#recall = recall
    this.#store = store
  }

  /** Whether a child of an earlier run was stored, and is kept still. */
  isThere(id: TaskId): Effect.Effect<boolean, AttemptOver> {
    const recall = this.#recall
    return Effect.map(
      recall.together(() => (this.#earlier ??= recall.promised(this.#lookAtEarlier))),
      (earlier) => earlier.get(id) !== undefined
    )
  }

  /** What has become of each by now. */
  of(ids: ReadonlyArray<TaskId>): Effect.Effect<(id: TaskId) => End, AttemptOver> {
    const open = ids.filter((id) => typeof this.#known.get(id) !== "string")
    return Effect.map(
      this.#recall.patiently(this.#read(open)),
      (fresh) => (id: TaskId) => fresh.get(id) ?? this.#known.get(id)
    )
  }

  get #lookAtEarlier() {
    const recall = this.#recall
    return Effect.gen({ self: this }, function* () {
      const ids = yield* recall.children
      for (let at = 0; at < ids.length; at += lookedAtOnce) {
        const ends = yield* recall.patiently(this.#read(ids.slice(at, at + lookedAtOnce)))
        for (const [id, end] of ends) {
          if (typeof end === "string") this.#characters += end.length
          // What is too large to be held is read again where it is wanted.
          this.#known.set(id, typeof end === "string" && this.#characters > charactersHeld ? true : end)
        }
      }
      return this.#known
    })
  }

  #read(ids: ReadonlyArray<TaskId>): Effect.Effect<ReadonlyMap<TaskId, End>, StoreError> {
    const byPartition = Map.groupBy(new Set(ids), partitionOfId)
    const reads = Effect.forEach(
      byPartition,
      ([partition, some]) =>
        Effect.map(this.#store.ended(partition, some.map(ulidOfId)), (records) =>
          records.map((record, at) => [some[at]!, record] as const)
        ),
      { concurrency: "unbounded" }
    )
    return Effect.map(reads, (records) => new Map(records.flat()))
  }
}
