/**
 * The clock of a test: it stands still, and whoever sleeps on it wakes when it is moved to their time.
 *
 * It is a `TestClock` of `effect` in all that can be done with one, and differs in how it gets from one time to another:
 * it stops wherever a sleep ends, but not for upkeep. What only looks after things wakes once at the next stop, however
 * often it would have looked in between; so a day in which nothing is due is one step.
 */
import { Clock, Context, Duration, Effect } from "effect"
import type { TestClock } from "effect/testing"
import type { TaskId } from "../../runtime/task.ts"
import { IsUpkeep } from "../../runtime/upkeep.ts"

/** What the monotonic clock shows at first, in milliseconds: not 0, which would be before anything was. */
const monotonicStartMs = 1_000

/** One run of a task, or the building of what handlers need. */
export type RunKey = `${TaskId}#${number}` | `layer#${number}`

export const runKey = (id: TaskId, attempt: number): RunKey => `${id}#${attempt}`

/** The run that a fiber is part of, if a handler is. */
export const RunOfFiber = Context.Reference<RunKey | undefined>("troupe/RunOfFiber", {
  defaultValue: () => undefined
})

interface Sleep {
  readonly at: number
  readonly isUpkeep: boolean
  readonly run: RunKey | undefined
  readonly wake: () => void
}

export interface HeldClock extends TestClock.TestClock {
  /** Unix milliseconds. */
  readonly now: () => number
  /** When the next sleep ends that is no upkeep. */
  readonly next: () => number | undefined
  /** When the next sleep of any kind ends. */
  readonly nextOfAll: () => number | undefined
  /** Shows a later time, and wakes all who have slept until then. Returns at once: they go on by themselves. */
  readonly moveTo: (at: number) => void
  /** Whether some fiber of this run sleeps. */
  readonly isAsleep: (run: RunKey) => boolean
}

/** How the clock is moved. */
export interface Moves {
  readonly advanceBy: (millis: number) => Effect.Effect<void>
  readonly advanceTo: (at: number) => Effect.Effect<void>
}

/** Makes one that shows `startMs`. */
export const makeClock = (startMs: number, { advanceBy, advanceTo }: Moves): HeldClock => {
  const sleeps = new Set<Sleep>()
  let now = startMs

  const nanos = (millis: number) =>
    BigInt(Math.floor(millis)) * 1_000_000n + BigInt(Math.round((millis % 1) * 1_000_000))
  const currentTimeMillisUnsafe = () => now
  const currentTimeNanosUnsafe = () => nanos(now)
  const monotonicTimeNanosUnsafe = () => nanos(now - startMs + monotonicStartMs)

  const sleepMillis = (millis: number): Effect.Effect<void> =>
    Effect.withFiber((fiber) =>
      Effect.callback<void>((resume) => {
        const sleep: Sleep = {
          at: now + millis,
          isUpkeep: fiber.getRef(IsUpkeep),
          run: fiber.getRef(RunOfFiber),
          wake: () => resume(Effect.void)
        }
        sleeps.add(sleep)
        return Effect.sync(() => sleeps.delete(sleep))
      })
    )

  const earliest = (counts: (sleep: Sleep) => boolean) => {
    let at: number | undefined
    for (const sleep of sleeps) if (counts(sleep) && (at === undefined || sleep.at < at)) at = sleep.at
    return at
  }

  const moveTo = (at: number) => {
    now = Math.max(now, at)
    // Whoever fell asleep first wakes first.
    for (const sleep of [...sleeps].filter((sleep) => sleep.at <= now)) {
      sleeps.delete(sleep)
      sleep.wake()
    }
  }

  return {
    currentTimeMillisUnsafe,
    currentTimeNanosUnsafe,
    monotonicTimeNanosUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
    sleep: (duration) => {
      const millis = Duration.toMillis(duration)
      if (millis <= 0) return Effect.yieldNow
      return Number.isFinite(millis) ? sleepMillis(millis) : Effect.never
    },
    adjust: (by) => advanceBy(Duration.toMillis(by)),
    setTime: advanceTo,
    withLive: (effect) => Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue()),
    now: () => now,
    next: () => earliest(({ isUpkeep }) => !isUpkeep),
    nextOfAll: () => earliest(() => true),
    moveTo,
    isAsleep: (run) => sleeps.values().some((sleep) => sleep.run === run)
  }
}
