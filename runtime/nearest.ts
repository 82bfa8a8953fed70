/** Finds what somebody most likely meant: the candidate at the least edit distance, if it is near enough to say. */

/** How many letters to insert, delete or replace to make one text of the other. Source: Levenshtein, 1966. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[to.length]!
}

/** The nearest of `candidates`, or `undefined` when even that one differs in more than a third of its letters. */
export const nearest = (word: string, candidates: ReadonlyArray<string>): string | undefined => {
  const [best] = candidates
    .map((candidate) => ({ candidate, off: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.off - b.off)
  return best !== undefined && best.off <= Math.max(2, best.candidate.length / 3) ? best.candidate : undefined
}
