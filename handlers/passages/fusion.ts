/**
 * One order of several: reciprocal rank fusion, over plain values.
 *
 * Each ranking gives what it has `1 / (60 + rank)`, and sums decide. So scores that mean different things need not be made
 * alike, and what stands high in both stands highest. Source: G. Cormack, C. Clarke and S. Büttcher, "Reciprocal Rank
 * Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009.
 */

const constant = 60

/** What each is worth that any ranking has; rankings have the best first. */
export const fused = (rankings: ReadonlyArray<ReadonlyArray<string>>): ReadonlyMap<string, number> => {
  const worth = new Map<string, number>()
  for (const ranking of rankings) {
    for (const [rank, one] of ranking.entries()) {
      worth.set(one, (worth.get(one) ?? 0) + 1 / (constant + rank + 1))
    }
  }
  return worth
}
