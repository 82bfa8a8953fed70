/**
 * Who waits for a rate with an amount for which there was no room, so that smaller ones do not take for ever what comes free: a
 * decision over plain values.
 *
 * The first in the line waits for a window like everybody. From then on the rate grants nothing else until it has had its
 * amount, or asks no more. `runtime/lua/lib/limit.lua` says the same in Lua.
 */

/** One amount of a rate that was refused. Times are Unix milliseconds. */
export interface Waiter {
  readonly amount: number
  /** Since when it has found no room. */
  readonly since: number
  /** Until when it stands in the line if it does not ask again, as one that was cancelled. */
  readonly until: number
}

/** In the order in which they came. */
export type Line = ReadonlyArray<Waiter>

/** How many amounts stand in the line at most; others wait as if there were none. */
const lineMax = 16

/**
 * How long one stands in the line without asking, in milliseconds, at most. A worker asks when there may be room, each quarter of a
 * minute at least, and may be late by a heartbeat.
 */
const stayMaxMs = 26_000
const stayMs = (perMs: number): number => Math.min(2 * perMs + 6_000, stayMaxMs)

/** Those that still wait. */
export const waiting = (line: Line, now: number): Line =>
  // What lies further ahead was said on a clock that has been set back since.
  line.filter(({ until }) => until > now && until <= now + stayMaxMs)

/** The amount that all others are held back for, if that is another one than this. */
export const heldBackFor = ([first]: Line, amount: number, perMs: number, now: number): number | undefined =>
  first !== undefined && first.amount !== amount && first.since + perMs <= now ? first.amount : undefined

/** An amount was refused by the rate, though all else would have let it start. The smallest always finds its room. */
export const refused = (line: Line, amount: number, perMs: number, now: number): Line => {
  const until = now + stayMs(perMs)
  if (amount <= 1) return line
  if (line.some((one) => one.amount === amount))
    return line.map((one) => (one.amount === amount ? { ...one, until } : one))
  return line.length < lineMax ? [...line, { amount, since: now, until }] : line
}

/** It was granted, or is held back by something else. */
export const left = (line: Line, amount: number): Line => line.filter((one) => one.amount !== amount)

/** Until when it counts. */
export const goneAt = (line: Line): number => line.reduce((last, { until }) => Math.max(last, until), 0)
