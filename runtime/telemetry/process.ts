/**
 * How one process stands: its memory, its time on processors, how late its event loop is, and what it has counted.
 *
 * The lag is measured for as long as the scope of `watchesLoop` is open, by a timer of the system's own clock: it is the
 * one thing here that a test's clock must not stand in for.
 */
import { Effect, Layer, Version } from "effect"
import { readdirSync } from "node:fs"
import manifest from "../../package.json" with { type: "json" }
import { counted, type Series, seriesOf } from "./exposition.ts"
import { timer } from "./instruments.ts"

const lookEveryMs = 250

/** Measures how late this process's event loop is. Costs it four short wake-ups a second. */
export const watchesLoop = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.sync(() => {
      const lag = timer("troupe_event_loop_lag_seconds")
      let due = performance.now() + lookEveryMs
      const looking = setInterval(() => {
        const now = performance.now()
        lag(Math.max(0, now - due) / 1_000)
        due = now + lookEveryMs
      }, lookEveryMs)
      looking.unref()
      return looking
    }),
    (looking) => Effect.sync(() => clearInterval(looking))
  )
)

/** Only where the system says so without a search. */
const openFiles = (): number | undefined => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}

/** Everything that this process measures of itself. */
export const ownSeries = (): ReadonlyArray<Series> => {
  const { system, user } = process.cpuUsage()
  const files = openFiles()
  return [
    seriesOf("troupe_build_info", 1, {
      version: manifest.version,
      bun: Bun.version,
      effect: Version.getCurrentVersion()
    }),
    seriesOf("process_cpu_seconds_total", (user + system) / 1e6),
    seriesOf("process_resident_memory_bytes", process.memoryUsage.rss()),
    seriesOf("process_start_time_seconds", Math.round(performance.timeOrigin) / 1_000),
    ...(files === undefined ? [] : [seriesOf("process_open_fds", files)]),
    ...counted()
  ]
}
