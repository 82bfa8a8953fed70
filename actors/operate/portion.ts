/**
 * How many tasks are read in one go: as many as are together about as large as one go may be.
 *
 * Nobody knows how large a task is before it is read, so those that were read last say how many are read next, and a
 * search begins with few.
 */

/** How much is read in one go, about, in characters of records: so much of them a reader holds at a time. */
export const portionMax = 4 * 1024 * 1024

/** How many tasks are read in the first go, and at most in any. */
const first = 16
const most = 100

/** What a search has read so far. */
export interface Portions {
  /** How many tasks are to be read next. */
  readonly next: number
  /** How much was read, in characters of records. */
  readonly read: number
}

export const noPortions: Portions = { next: first, read: 0 }

/** After so many tasks more were read, which were so large together. */
export const afterPortion = ({ next, read }: Portions, tasks: number, characters: number): Portions => ({
  next: Math.max(1, Math.min(most, 2 * next, Math.floor((portionMax * tasks) / Math.max(1, characters)))),
  read: read + characters
})
