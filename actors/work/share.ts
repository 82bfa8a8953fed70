/**
 * Which claims go to the lower lanes first, so that none of them starves: a decision over plain values.
 *
 * Of every 16 claims of a worker one is a share, and the shares go to `high`, `normal` and `low` in turn. So the oldest
 * task of a lane waits for at most 48 further claims of a worker, whatever floods the lanes above it.
 */

/** One claim of so many is a share. */
export const shareEvery = 16

/** How many of the next `want` claims go first to `high`, `normal` and `low`, after `before` claims. */
export const sharesOf = (before: number, want: number): readonly [number, number, number] => {
  const shares: [number, number, number] = [0, 0, 0]
  const first = Math.floor(before / shareEvery) + 1
  const last = Math.floor((before + want) / shareEvery)
  for (let share = first; share <= last; share++) shares[(share % 3) as 0 | 1 | 2] += 1
  return shares
}
