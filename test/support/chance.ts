/** Chance that follows from a seed, so that what it made once it makes again. */

/** A random number in [0, 1), the same for the same seed. Source: mulberry32, Tommy Ettinger, 2017. */
const randomOf = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface Chance {
  /** A whole number from 0 to `limit` - 1. */
  readonly below: (limit: number) => number
  /** Whether something happens that happens in `share` of all cases. */
  readonly of: (share: number) => boolean
  readonly one: <A>(list: ReadonlyArray<A>) => A
  /** Each with the same chance. */
  readonly some: <A>(list: Iterable<A>, share: number) => ReadonlyArray<A>
}

export const chanceOf = (seed: number): Chance => {
  const random = randomOf(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const of = (share: number) => random() < share
  return {
    below,
    of,
    one: (list) => list[below(list.length)]!,
    some: (list, share) => [...list].filter(() => of(share))
  }
}
