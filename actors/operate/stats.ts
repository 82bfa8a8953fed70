/** What the counters of the last minutes come to: sums, rates and quantiles, over plain values. */
import type { Minute } from "../../runtime/operations.ts"
import type { Depth } from "../../runtime/store.ts"

/** What was counted in one minute. */
export interface MinuteCounts {
  /** Unix milliseconds of its start. */
  readonly at: number
  readonly submitted: number
  readonly started: number
  readonly succeeded: number
  readonly failed: number
  readonly retried: number
  readonly cancelled: number
  readonly expired: number
}

/** Half of them took at most `p50Ms`, 95 of 100 at most `p95Ms`; absent when nothing was counted. */
export interface Quantiles {
  readonly p50Ms?: number
  readonly p95Ms?: number
}

/** How a system stands, and what happened in its last minutes. */
export interface Stats {
  /** As things stand. */
  readonly queued: number
  readonly running: number
  readonly scheduled: number
  readonly waiting: number
  readonly dead: number
  readonly workers: number
  /** In the last minutes, the current one included. */
  readonly succeeded: number
  readonly failed: number
  /** Of the tasks that succeeded or failed; absent when none has. */
  readonly successRate?: number
  /** From due to started, and from started to the run's end. */
  readonly wait: Quantiles
  readonly run: Quantiles
  /** Oldest first. */
  readonly perMinute: ReadonlyArray<MinuteCounts>
}

export const waitingIn = ({ boxed, lanes }: Pick<Depth, "boxed" | "lanes">): number =>
  lanes.urgent + lanes.high + lanes.normal + lanes.low + boxed

const countsOf = (at: number, of: (counter: string) => number): MinuteCounts => ({
  at,
  submitted: of("submitted"),
  started: of("started"),
  succeeded: of("succeeded"),
  failed: of("failed"),
  retried: of("retried"),
  cancelled: of("cancelled"),
  expired: of("expired")
})

/** Adds the minutes of several partitions up, by their time and counter. */
export const addMinutes = (all: Iterable<Minute>): ReadonlyArray<Minute> => {
  const minutes = new Map<number, Record<string, number>>()
  for (const { at, counts } of all) {
    const sums = minutes.get(at) ?? {}
    minutes.set(at, sums)
    for (const [counter, count] of Object.entries(counts)) sums[counter] = (sums[counter] ?? 0) + count
  }
  return [...minutes].map(([at, counts]) => ({ at, counts })).sort((a, b) => a.at - b.at)
}

/**
 * The upper bound below which a share of what a histogram counted lies. What lies above its last bound is told as that
 * bound: "at least".
 */
export const quantile = (
  histogram: ReadonlyArray<readonly [bound: number, count: number]>,
  share: number
): number | undefined => {
  const sorted = histogram.toSorted(([a], [b]) => a - b)
  const total = sorted.reduce((sum, [, count]) => sum + count, 0)
  if (total === 0) return undefined
  const finite = sorted.filter(([bound]) => Number.isFinite(bound))
  let counted = 0
  for (const [bound, count] of finite) {
    counted += count
    if (counted >= share * total) return bound
  }
  return finite.at(-1)?.[0]
}

const quantilesOf = (minutes: ReadonlyArray<Minute>, kind: "wait" | "run"): Quantiles => {
  const histogram = minutes.flatMap(({ counts }) =>
    Object.entries(counts).flatMap(([counter, count]): ReadonlyArray<readonly [number, number]> => {
      if (!counter.startsWith(`${kind}:`)) return []
      const bound = Number(counter.slice(kind.length + 1))
      return [[Number.isNaN(bound) ? Infinity : bound, count]]
    })
  )
  const p50Ms = quantile(histogram, 0.5)
  const p95Ms = quantile(histogram, 0.95)
  return { ...(p50Ms === undefined ? {} : { p50Ms }), ...(p95Ms === undefined ? {} : { p95Ms }) }
}

/** `minutes` are of all partitions, as are `depths`. */
export const statsOf = (
  minutes: ReadonlyArray<Minute>,
  depths: ReadonlyArray<Depth>,
  workers: number
): Stats => {
  const sums = addMinutes(minutes)
  const perMinute = sums.map(({ at, counts }) => countsOf(at, (counter) => counts[counter] ?? 0))
  const total = (of: (minute: MinuteCounts) => number) =>
    perMinute.reduce((sum, minute) => sum + of(minute), 0)
  const depth = (of: (depth: Depth) => number) => depths.reduce((sum, depth) => sum + of(depth), 0)
  const succeeded = total((minute) => minute.succeeded)
  const failed = total((minute) => minute.failed)
  const ended = succeeded + failed
  return {
    queued: depth(waitingIn),
    running: depth(({ held }) => held),
    scheduled: depth(({ later }) => later),
    waiting: depth(({ waiting }) => waiting),
    dead: depth(({ dead }) => dead),
    workers,
    succeeded,
    failed,
    ...(ended === 0 ? {} : { successRate: succeeded / ended }),
    wait: quantilesOf(sums, "wait"),
    run: quantilesOf(sums, "run"),
    perMinute
  }
}
