/** Durations as callers write them: "2 minutes", or a number of milliseconds; and as people do, `2m`. */
import { Duration, Option } from "effect"

/** In milliseconds, perhaps infinite or below 0; `undefined` for what is no duration, such as `NaN` or "2 blinks". */
export const millisOf = (duration: Duration.Input): number | undefined =>
  Number.isNaN(duration)
    ? undefined
    : Option.getOrUndefined(Option.map(Duration.fromInput(duration), Duration.toMillis))

/** The short units, which messages use too. */
const units: Readonly<Record<string, string>> = {
  ms: "millis",
  s: "seconds",
  m: "minutes",
  min: "minutes",
  h: "hours",
  d: "days"
}

const readPart = (text: string): Option.Option<Duration.Duration> => {
  const [, count, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text) ?? []
  return Duration.fromInput(`${count} ${units[unit] ?? unit}` as Duration.Input)
}

/** What flags and settings say: `10s`, `1m 30s`, `1.5 hours`. */
export const readDuration = (text: string): Option.Option<Duration.Duration> =>
  Option.map(Option.all(text.split(/(?<=[a-z])\s*(?=\d)/).map(readPart)), (parts) =>
    parts.reduce(Duration.sum)
  )

/** One as it was written, for messages about it. */
export const written = (duration: Duration.Input): string =>
  typeof duration === "object" ? JSON.stringify(duration) : `${duration}`
