/**
 * How many worker processes a node is to have, by how long tasks wait: a decision over plain values.
 *
 * Up quickly, by half of what is there, as soon as a task has waited for too long; then it waits for what that brings.
 * Down slowly, one at a time, after nothing has waited long for a while. Between the two it stays as it is, so that it
 * does not swing.
 */

export interface ScalePolicy {
  readonly min: number
  readonly max: number
  /** A task that waits for longer asks for more workers; the least time between two steps up. */
  readonly upMs: number
  /** How long nothing may have waited long before one is too many; the least time between a step and one down. */
  readonly downMs: number
}

/** How things stand. Times in milliseconds, on one monotonic clock. */
export interface Load {
  readonly now: number
  /** How long the oldest waiting task of each queue has waited. */
  readonly oldestMs: ReadonlyArray<number>
  /** Workers that claim, or will when they are ready. */
  readonly workers: number
  readonly changedAt: number
  /** Since when nothing has waited long; `undefined` while something does. */
  readonly quietSince: number | undefined
}

export interface Target {
  readonly workers: number
  readonly quietSince: number | undefined
}

/** What has waited for less than this part of `upMs` has not waited long. */
const quietPart = 0.2

export const targetFor = (policy: ScalePolicy, load: Load): Target => {
  const { downMs, max, min, upMs } = policy
  const { changedAt, now, oldestMs, workers } = load
  const worst = Math.max(0, ...oldestMs)
  const quietSince = worst <= upMs * quietPart ? (load.quietSince ?? now) : undefined
  if (workers < min) return { workers: min, quietSince }
  if (worst > upMs && now - changedAt >= upMs)
    return { workers: Math.max(workers, Math.min(max, workers + Math.ceil(workers / 2))), quietSince }
  const isQuiet = quietSince !== undefined && now - quietSince >= downMs && now - changedAt >= downMs
  return { workers: isQuiet && workers > min ? workers - 1 : workers, quietSince }
}
