/**
 * Has as many worker processes as the age of what waits asks for: it opens places, and lets workers go that are no
 * longer needed. It never kills one: what runs on a worker that goes has all the time it takes.
 */
import { Clock, Duration, Effect } from "effect"
import { Settings } from "../../runtime/config.ts"
import { Operations } from "../../runtime/operations.ts"
import type { StoreError } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import { monotonicMs } from "./child.ts"
import type { Place } from "./place.ts"
import { targetFor } from "./scaling.ts"

/** It looks so often in the time that a task may wait. */
const looksPerWait = 5

export interface Scaled {
  /** The places that are kept, in the order in which they were opened. */
  readonly places: () => ReadonlyArray<Place>
  readonly open: Effect.Effect<unknown>
  /** Lets a place become empty. */
  readonly close: (place: Place) => void
  /** How many there are at least. */
  readonly min: () => number
}

/** Scales until the scope closes. */
export const scale = Effect.fnUntraced(function* ({ close, min, open, places }: Scaled) {
  const settings = yield* Settings
  const operations = yield* Operations
  const upMs = Duration.toMillis(settings.scaleUp)
  const downMs = Duration.toMillis(settings.scaleDown)
  const seen = new Set<Partition>()
  let changedAt = yield* monotonicMs
  let quietSince: number | undefined

  /** How long the oldest task of each queue has waited that these workers serve; a paused one waits for its operator. */
  const backlog = Effect.gen(function* () {
    for (const { child } of places()) for (const partition of child?.partitions() ?? []) seen.add(partition)
    const queues = yield* Effect.forEach(seen, operations.queue, { concurrency: 4 })
    const now = yield* Clock.currentTimeMillis
    return queues.map(({ oldest, paused }) => (paused || oldest === undefined ? 0 : now - oldest))
  })

  const look = Effect.gen(function* () {
    const oldestMs = yield* backlog
    const now = yield* monotonicMs
    const kept = places().filter(({ child, closing }) => !closing && child?.isRetiring() !== true)
    const policy = { min: min(), max: settings.workers.max, upMs, downMs }
    const target = targetFor(policy, { now, oldestMs, workers: kept.length, changedAt, quietSince })
    quietSince = target.quietSince
    const more = target.workers - kept.length
    if (more === 0) return
    changedAt = now
    if (more > 0) {
      const waited = Duration.format(Duration.seconds(Math.round(Math.max(...oldestMs) / 1_000)))
      yield* Effect.logInfo(`a task has waited for ${waited}: ${target.workers} workers from now on`)
      yield* Effect.replicateEffect(open, more, { discard: true })
    } else {
      yield* Effect.logInfo(`nothing has waited long for a while: ${target.workers} workers from now on`)
      // The newest first. One that is not ready yet is left for the next look.
      for (const place of kept.filter(({ child }) => child?.isReady()).slice(more)) close(place)
    }
  })

  const unanswered = (error: StoreError) =>
    Effect.logDebug(`nobody knows how long tasks wait: ${error.message}`)
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.sleep(upMs / looksPerWait), look.pipe(Effect.catch(unanswered))))
  )
})
