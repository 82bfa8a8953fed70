/**
 * The pauses of what looks after things again and again: it renews a lease, or looks once more in case word got lost.
 *
 * That nothing else hangs on when exactly such a pause ends is what marks it. A clock that a test moves by a day at
 * once lets each of them end once, where a pause like any other makes it stop on the way.
 */
import { Context, type Duration, Effect } from "effect"

/** Whether what a fiber sleeps is upkeep. */
export const IsUpkeep = Context.Reference<boolean>("troupe/IsUpkeep", { defaultValue: () => false })

/** Sleeps between two rounds of upkeep. */
export const upkeepPause = (duration: Duration.Input): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(duration), IsUpkeep, true)
