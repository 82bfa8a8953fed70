/**
 * Which promises a history breaks: a decision over plain values, that knows nothing of how the work was done, only what
 * was said, what was run, what was acknowledged, and what was seen in the end. It takes time in proportion to the
 * history's length.
 */
import { type Facts, factsOf } from "./history-facts.ts"
import { followed, kept } from "./history-streams.ts"
import { baseline, goesOn, keptApart, percentileOf, recoveriesOf, slotsOnce } from "./history-system.ts"
import {
  admittedOnce,
  bounded,
  cancelled,
  ended,
  endedOnce,
  fenced,
  notEarly,
  ordered,
  refusedFirst
} from "./history-tasks.ts"
import type { HistoryEvent, Violation } from "./history.ts"

type Check = readonly [Violation["invariant"], (facts: Facts) => ReadonlyArray<string>]

const checks: ReadonlyArray<Check> = [
  ["I1", ended],
  ["I2", endedOnce],
  ["I3", fenced],
  ["I4", admittedOnce],
  ["I5", ordered],
  ["I6", bounded],
  ["I7", slotsOnce],
  ["I8", followed],
  ["I9", keptApart],
  ["I10", baseline],
  ["I11", cancelled],
  ["I12", refusedFirst],
  ["kept", kept],
  ["early", notEarly]
]

export interface CheckOptions {
  /** The lease of the workers; without it nothing is said of how soon things went on (L1). */
  readonly leaseMs?: number
}

const violations = (facts: Facts, { leaseMs }: CheckOptions): ReadonlyArray<Violation> =>
  [...checks, ...(leaseMs === undefined ? [] : [["L1", goesOn(leaseMs)] as const])].flatMap(
    ([invariant, check]) => check(facts).map((what): Violation => ({ invariant, what }))
  )

/** Every promise that a finished history breaks. */
export const violationsIn = (
  history: ReadonlyArray<HistoryEvent>,
  options: CheckOptions = {}
): ReadonlyArray<Violation> => violations(factsOf(history), options)

/** What a history comes to: what was done, how much of it counted, and what was broken. */
export const verdictOn = (history: ReadonlyArray<HistoryEvent>, options: CheckOptions = {}) => {
  const facts = factsOf(history)
  const recoveries = recoveriesOf(facts)
  let [executions, commits, failed] = [0, 0, 0]
  for (const { ends, starts } of facts.stored) {
    executions += starts.length
    if (ends.some(({ state }) => state === "succeeded")) commits += 1
    else if (ends.length > 0) failed += 1
  }
  return {
    events: history.length,
    acknowledged: [...facts.labels.values()].filter(({ acknowledged }) => acknowledged !== undefined).length,
    refused: [...facts.labels.values()].filter(({ refused }) => refused).length,
    tasks: facts.stored.length,
    executions,
    commits,
    /** Failed, cancelled or expired. */
    failed,
    followed: facts.follows.size,
    slots: facts.slots.length,
    blows: facts.blowCount,
    recoveries: recoveries.length,
    recoveryP50Ms: Math.round(percentileOf(recoveries, 0.5)),
    recoveryP99Ms: Math.round(percentileOf(recoveries)),
    stalledMs: Math.round(facts.stalledMs),
    violations: violations(facts, options)
  }
}

export type Verdict = ReturnType<typeof verdictOn>
