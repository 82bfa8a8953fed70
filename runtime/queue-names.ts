/**
 * When the name of a queue is noted again, and how long it is listed: decisions over plain values.
 *
 * A name that nobody notes any more goes once its queue is empty. So whoever uses a queue notes it with each use, and
 * the store is told only now and then: often enough that a store which came back empty soon lists them again.
 */
import { Clock, Duration, Effect } from "effect"
import type { SettingsShape } from "./config.ts"
import type { Partition } from "./task.ts"

/** The partition in which the names of all queues are kept. No queue can be called so. */
export const queuesPartition: Partition = "_queues.0"

/** How often the store is told at most that a queue is in use, and how long that counts at least, in milliseconds. */
const noteEveryMs = 30_000
const listedMinMs = 7_200_000

type Retentions = Pick<SettingsShape, "retention" | "deadRetention">

/** How long a queue is listed without a look at what it holds: as long as its results are kept. */
export const listedMs = ({ retention }: Retentions): number =>
  Math.max(Duration.toMillis(retention), listedMinMs)

/** How long all names outlive the last note: longer than anything that a queue keeps by itself. */
export const namesKeptMs = ({ deadRetention, retention }: Retentions): number =>
  listedMs({ deadRetention, retention }) + Duration.toMillis(deadRetention)

/** Tells the store of a partition with `tell`, unless that was done a moment ago. */
export const noteNowAndThen = <E>(tell: (partition: Partition) => Effect.Effect<unknown, E>) => {
  const noted = new Map<Partition, number>()
  return Effect.fnUntraced(function* (partition: Partition) {
    const now = yield* Clock.currentTimeMillis
    const last = noted.get(partition)
    if (last !== undefined && now - last < noteEveryMs) return
    // Marked before, so that of many at once only one tells; and not when it failed.
    noted.set(partition, now)
    yield* tell(partition).pipe(Effect.onError(() => Effect.sync(() => noted.delete(partition))))
  })
}
