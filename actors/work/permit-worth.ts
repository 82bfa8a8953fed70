/** For which of the rings that have work permits are worth asking for, and for how many: a decision over plain values. */

/** How many permits of one ring are worth their calls, where many rings have work. */
const pieceOfRing = 8

/** A ring that has work: how much waits in it, and how many permits there are for it already. */
interface Wanting {
  readonly waiting: number
  readonly has: number
}

/**
 * How many permits there should be for each of some rings, where so many are idle. For one or two as many as there are places, since the
 * limits may have none for the other. For more a piece of the first ones, together about twice as many as there are places: what is not
 * claimed is given back, and who gets nothing is named again soon. One more in any case, since what is idle may be for rings whose work
 * others have taken.
 */
export const worthOf = (
  rings: ReadonlyArray<Wanting>,
  idle: number,
  places: number
): ReadonlyArray<number> => {
  if (rings.length <= 2) return rings.map(({ waiting }) => Math.min(waiting, places))
  let left = Math.max(2 * places - idle, Math.min(places, 1))
  const piece = Math.max(pieceOfRing, Math.ceil(left / rings.length))
  return rings.map(({ has, waiting }) => {
    const more = Math.min(Math.max(0, waiting - has), piece, left)
    left -= more
    return has + more
  })
}
