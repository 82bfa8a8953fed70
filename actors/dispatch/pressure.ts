/**
 * Says no in time: while the store's memory is all but used up, and when a full queue may have room again.
 *
 * The memory is looked at once a second while submits go on, beside them: a submit costs no more for it.
 */
import { Clock, Duration, Effect } from "effect"
import { Operations } from "../../runtime/operations.ts"
import { QueueFull, type StoreError, StoreFull } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"

/** The part of the memory that new tasks may fill; what is left is for settling those that are there. */
const memoryShareMax = 0.95

const lookEveryMs = 1_000

/** How long somebody is told to stay away, at least and at most. */
const retryAfterMinMs = 1_000
const retryAfterMaxMs = Duration.toMillis("5 minutes")

/** How many queues' estimates are kept at hand. */
const estimatesMax = 1_000

/** Counters of tasks that have left their queue. */
const endings = ["succeeded", "failed", "cancelled", "expired"]

/** When one more task will have room where `ended` have ended within the last minute or so. */
export const retryAfterMsOf = (ended: number): number =>
  ended === 0
    ? retryAfterMaxMs
    : Math.min(retryAfterMaxMs, Math.max(retryAfterMinMs, Math.ceil(60_000 / ended)))

export interface Pressure {
  /** Whether there is room, as far as is known; it is looked at beside what follows. */
  readonly hasRoom: () => boolean
  /** Does `submit`, or fails with `StoreFull` before anything is sent. */
  readonly whileThereIsRoom: <A, E, R>(submit: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreFull, R>
  /** Adds when to come back to what a full queue has said. */
  readonly estimate: (full: QueueFull) => Effect.Effect<QueueFull>
}

export const makePressure: Effect.Effect<Pressure, never, Operations> = Effect.gen(function* () {
  const operations = yield* Operations
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let lookedAt = -Infinity
  let isFull = false
  let looking = false
  const estimates = new Map<Partition, { readonly at: number; readonly ms: number }>()

  const look = Effect.suspend(() => {
    lookedAt = clock.currentTimeMillisUnsafe()
    looking = true
    return operations.memory
  }).pipe(
    Effect.match({
      onSuccess: ({ max, used }) => {
        isFull = max > 0 && used > max * memoryShareMax
      },
      // The submit will say for itself that the store does not answer.
      onFailure: (_: StoreError) => {}
    }),
    Effect.ensuring(
      Effect.sync(() => {
        looking = false
      })
    )
  )

  const isStale = () => !looking && clock.currentTimeMillisUnsafe() - lookedAt >= lookEveryMs

  const hasRoom = () => {
    if (isFull) return false
    if (isStale()) fork(look)
    return true
  }

  const whileThereIsRoom = <A, E, R>(submit: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreFull, R> => {
      if (hasRoom()) return submit
      const full = Effect.suspend((): Effect.Effect<A, E | StoreFull, R> =>
        isFull ? Effect.fail(new StoreFull()) : submit
      )
      return isStale() ? Effect.andThen(look, full) : full
    })

  const endedLately = (partition: Partition) =>
    Effect.map(operations.minutes(partition, 2), (minutes) =>
      minutes.reduce(
        (sum, { counts }) => sum + endings.reduce((sum, name) => sum + (counts[name] ?? 0), 0),
        0
      )
    )

  const estimate: Pressure["estimate"] = Effect.fnUntraced(function* (full) {
    const { bound, limit, partition } = full
    const after = (retryAfterMs: number) => new QueueFull({ partition, bound, limit, retryAfterMs })
    const now = clock.currentTimeMillisUnsafe()
    const known = estimates.get(partition)
    if (known !== undefined && now - known.at < lookEveryMs) return after(known.ms)
    const ms = yield* Effect.match(endedLately(partition), {
      onSuccess: retryAfterMsOf,
      onFailure: () => retryAfterMinMs
    })
    if (estimates.size >= estimatesMax) estimates.clear()
    estimates.set(partition, { at: now, ms })
    return after(ms)
  })

  return { hasRoom, whileThereIsRoom, estimate }
})
