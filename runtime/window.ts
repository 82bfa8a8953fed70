/**
 * A sliding window: how much of something was used lately, so that never more than `count` is used in any `perMs`.
 *
 * Uses are kept as sums over buckets of time, at most 41 of them whatever is used. A use counts until all of its bucket
 * is `perMs` old: so it counts up to a bucket longer than it must, a twentieth of `perMs` at most, and never shorter.
 * Amounts are whole numbers, times Unix milliseconds. `runtime/lua/lib/window.lua` says the same in Lua.
 */

export interface Window {
  readonly perMs: number
  /** Oldest first. Bucket `n` begins at `n` times its width. */
  readonly buckets: ReadonlyArray<readonly [bucket: number, amount: number]>
}

/** A window is cut into at least so many buckets, where its milliseconds are enough for that. */
const bucketsMin = 20

/**
 * A power of two, so that the buckets of one width lie within those of another: however often a window is given
 * another length and its first one back, no use moves further than once.
 */
const widthOf = (perMs: number): number => {
  let width = 1
  while (width * 2 * bucketsMin <= perMs) width *= 2
  return width
}

/** What of a window still counts, as a window of a length that may be another one. */
export const live = (window: Window | undefined, perMs: number, now: number): Window => {
  const [from, to] = [widthOf(window?.perMs ?? perMs), widthOf(perMs)]
  const newest = Math.floor(now / to)
  const buckets = new Map<number, number>()
  for (const [bucket, amount] of window?.buckets ?? []) {
    // What lies ahead was counted by a clock that has been set back since; it counts as of now.
    const at = Math.min(Math.floor(((bucket + 1) * from - 1) / to), newest)
    if ((at + 1) * to + perMs > now) buckets.set(at, (buckets.get(at) ?? 0) + amount)
  }
  return { perMs, buckets: [...buckets] }
}

export const used = ({ buckets }: Window): number => buckets.reduce((sum, [, amount]) => sum + amount, 0)

/** How many uses of `amount` each there is room for. */
export const room = (window: Window, count: number, amount: number): number =>
  amount === 0 ? Infinity : Math.max(0, Math.floor((count - used(window)) / amount))

/** In how many milliseconds there is room for one use of `amount`, if nothing else is used until then. */
export const roomAfter = (window: Window, count: number, amount: number, now: number): number => {
  const width = widthOf(window.perMs)
  let over = used(window) + amount - count
  let at = now
  for (const [bucket, gone] of window.buckets) {
    if (over <= 0) break
    over -= gone
    at = (bucket + 1) * width + window.perMs
  }
  return over > 0 ? window.perMs : at - now
}

/** Counts a use of now. The window is as `live` gives it. */
export const add = ({ buckets, perMs }: Window, now: number, amount: number): Window => {
  const newest = Math.floor(now / widthOf(perMs))
  const last = buckets.at(-1)
  if (amount === 0) return { perMs, buckets }
  return last?.[0] === newest
    ? { perMs, buckets: [...buckets.slice(0, -1), [newest, last[1] + amount]] }
    : { perMs, buckets: [...buckets, [newest, amount]] }
}

/** Takes back part of a use that was counted at `at`. What does not count any more is not taken back from others. */
export const giveBack = ({ buckets, perMs }: Window, at: number, amount: number): Window => {
  const bucket = Math.floor(at / widthOf(perMs))
  return {
    perMs,
    buckets: buckets
      .map(([other, sum]) => [other, other === bucket ? Math.max(0, sum - amount) : sum] as const)
      .filter(([, sum]) => sum > 0)
  }
}

/** When nothing of it counts any more, in Unix milliseconds; 0 when it is empty. */
export const goneAt = ({ buckets, perMs }: Window): number => {
  const last = buckets.at(-1)
  return last === undefined ? 0 : (last[0] + 1) * widthOf(perMs) + perMs
}
