/**
 * Tells limits of the pauses that runs were told to make, until they know of them or the pauses are over. One call at a time
 * for each limit, for the longest of its pauses.
 */
import { Clock, Effect, FiberSet, Schedule, type Scope } from "effect"
import { Limits } from "../../runtime/limits.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import type { Cool } from "./settled.ts"

const delays = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered
)

export const openPauses: Effect.Effect<(pauses: ReadonlyArray<Cool>) => void, never, Limits | Scope.Scope> =
  Effect.gen(function* () {
    const limits = yield* Limits
    const clock = yield* Clock.Clock
    const fork = yield* FiberSet.makeRuntime<never>()
    const untold = (yield* Complaints).about("limits were not paused", "limits are paused again")
    /** Until when each limit is to pause that has not been told so, in Unix milliseconds. */
    const untils = new Map<string, number>()

    const tell = (name: string): Effect.Effect<void> =>
      Effect.gen(function* () {
        const until = untils.get(name)!
        const left = until - clock.currentTimeMillisUnsafe()
        if (left > 0) {
          yield* limits.cool(name, left)
          yield* untold.well() ?? Effect.void
        }
        if (untils.get(name)! > until) yield* tell(name)
        else untils.delete(name)
      }).pipe(
        Effect.tapError((error) => untold.wrong(`${name}: ${error.message}`)),
        Effect.retry(delays),
        Effect.orDie
      )

    return (pauses) => {
      for (const { forMs, name } of pauses) {
        const before = untils.get(name)
        const until = clock.currentTimeMillisUnsafe() + forMs
        untils.set(name, Math.max(before ?? 0, until))
        if (before === undefined) fork(tell(name))
      }
    }
  })
