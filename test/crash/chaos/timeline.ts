/** When which fault happens: it follows from the seed, so that a run can be had again. */
import { chanceOf } from "../../support/chance.ts"
import { faults } from "./faults.ts"

export interface Planned {
  readonly number: number
  readonly name: string
  /** From the beginning, in milliseconds. */
  readonly atMs: number
  /** What else is left to chance in it. */
  readonly seed: number
}

export interface TimelineOptions {
  readonly seed: number
  readonly count: number
  /** Within how long they all begin, in milliseconds. */
  readonly withinMs: number
  /** Those that may be drawn; default: all that can happen here. */
  readonly names?: ReadonlyArray<string>
  readonly hasShim: boolean
}

export const drawTimeline = ({
  count,
  hasShim,
  names,
  seed,
  withinMs
}: TimelineOptions): ReadonlyArray<Planned> => {
  const chance = chanceOf(seed)
  const possible = Object.entries(faults).filter(
    ([name, { needsShim }]) =>
      (hasShim || needsShim === undefined) && (names === undefined || names.includes(name))
  )
  const total = possible.reduce((sum, [, { share }]) => sum + share, 0)
  const draw = () => {
    let left = chance.below(total)
    return possible.find(([, { share }]) => (left -= share) < 0)![0]
  }
  const apartMs = withinMs / Math.max(1, count)
  return Array.from({ length: count }, (_, number) => ({
    number,
    name: draw(),
    // Somewhere within its share of the time, so that some come together and some alone.
    atMs: Math.floor(number * apartMs + chance.below(Math.max(1, Math.floor(apartMs)))),
    seed: chance.below(2 ** 31)
  }))
}

/** What cannot happen twice at the same time: the second waits for the first to be over. */
export const groupOf = (name: string): string | undefined => {
  const wire = /^wire (\w+)/.exec(name)?.[1]
  if (wire !== undefined) return wire
  if (name.endsWith("at a point")) return name
  return /^(kill|pause) (worker|API|node|submitter)|^poison/.test(name) ? undefined : "Redis"
}
