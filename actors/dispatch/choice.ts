/** Which of several queues a task is put into: a decision over plain values. */

/** A queue that a task may go to, as it was last seen. */
export interface Candidate {
  readonly queue: string
  /** How many tasks wait there or run. */
  readonly depth: number
  /** How many tasks the live workers that can run this one run there at once. */
  readonly concurrency: number
}

/** Without a worker a queue is only better than others without one. */
const loadOf = ({ concurrency, depth }: Candidate) =>
  concurrency > 0 ? depth / concurrency : Number.MAX_SAFE_INTEGER + depth * 2

/**
 * The least loaded one: the fewest tasks for each that runs at once, or if no queue has a worker, the fewest tasks. Of
 * those that are equal, `turn` says which, so that whoever counts it up serves them in turn.
 */
export const leastLoaded = <C extends Candidate>(candidates: ReadonlyArray<C>, turn: number): C => {
  const loads = candidates.map(loadOf)
  const least = Math.min(...loads)
  const equal = candidates.filter((_, at) => loads[at] === least)
  return equal[turn % equal.length]!
}
