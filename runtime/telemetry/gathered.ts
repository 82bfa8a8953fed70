/**
 * The series of other processes, as they last handed them over: a node's processes tell them to its API, which alone is
 * asked. What was not told again for a while is forgotten, as when its process has ended.
 */
import { Context } from "effect"
import type { Series } from "./exposition.ts"

/** How often a process tells its own, in milliseconds. */
export const tellEveryMs = 2_000

/** How long what one has told counts, in milliseconds. */
const keptMs = 5 * tellEveryMs

export interface Gathered {
  readonly take: (process: string, series: ReadonlyArray<Series>) => void
  readonly all: () => ReadonlyArray<Series>
}

export const makeGathered = (nowMs: () => number = () => performance.now()): Gathered => {
  const told = new Map<string, { readonly at: number; readonly series: ReadonlyArray<Series> }>()
  return {
    take: (process, series) => void told.set(process, { at: nowMs(), series: ofProcess(process, series) }),
    all: () => {
      for (const [process, { at }] of told) if (nowMs() - at > keptMs) told.delete(process)
      return [...told.values()].flatMap(({ series }) => series)
    }
  }
}

/** What others have told this process; a process that gathers nothing has none. */
export const Gathered = Context.Reference<Gathered>("troupe/Gathered", { defaultValue: () => makeGathered() })

/** Series with the name of the process that measured them. */
export const ofProcess = (process: string, series: ReadonlyArray<Series>): ReadonlyArray<Series> =>
  series.map((one) => ({ ...one, labels: { process, ...one.labels } }))
