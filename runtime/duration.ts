/** Durations as callers write them: "2 minutes", or a number of milliseconds. */
import { Duration, Option } from "effect"

/** In milliseconds, perhaps infinite or below 0; `undefined` for what is no duration, such as `NaN` or "2 blinks". */
export const millisOf = (duration: Duration.Input): number | undefined =>
  Number.isNaN(duration)
    ? undefined
    : Option.getOrUndefined(Option.map(Duration.fromInput(duration), Duration.toMillis))

/** One as it was written, for messages about it. */
export const written = (duration: Duration.Input): string =>
  typeof duration === "object" ? JSON.stringify(duration) : `${duration}`
