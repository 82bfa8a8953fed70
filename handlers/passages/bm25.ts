/**
 * BM25: how well each of many passages fits a question, by the words they share.
 *
 * A word that few passages have counts more; its second and third occurrence count less than the first; a long
 * passage has to hold more of them. Source: S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25
 * and Beyond", Foundations and Trends in Information Retrieval 3(4), 2009, equation 3.15; the weight of a word is
 * Lucene's form of the idf, which is never negative.
 */

/** How soon further occurrences of a word stop counting. */
const k1 = 1.2

/** How much a passage's length counts against it, from 0 (not) to 1 (in proportion). */
const b = 0.75

export interface Ranking {
  /** One for each passage, in their order; 0 when it shares no word with the question. */
  readonly scores: ReadonlyArray<number>
  /** What each word of the question is worth. A word that no passage has is worth most. */
  readonly weights: ReadonlyMap<string, number>
}

/** Question and passages are rows of terms. The passages are gone through once, and none is kept. */
export const bm25 = (question: Iterable<string>, passages: Iterable<ReadonlyArray<string>>): Ranking => {
  const asked = [...new Set(question)]
  const place = new Map(asked.map((term, at) => [term, at]))
  const having = asked.map(() => 0)
  const rows: Array<{ readonly length: number; readonly counts: ReadonlyArray<number> }> = []
  let total = 0
  for (const terms of passages) {
    const counts = asked.map(() => 0)
    for (const term of terms) {
      const at = place.get(term)
      if (at !== undefined) counts[at]! += 1
    }
    counts.forEach((count, at) => {
      if (count > 0) having[at]! += 1
    })
    rows.push({ length: terms.length, counts })
    total += terms.length
  }
  const average = total / rows.length
  const weights = having.map((n) => Math.log(1 + (rows.length - n + 0.5) / (n + 0.5)))
  const scores = rows.map(({ counts, length }) =>
    counts.reduce(
      (sum, count, at) =>
        count === 0
          ? sum
          : sum + (weights[at]! * count * (k1 + 1)) / (count + k1 * (1 - b + (b * length) / average)),
      0
    )
  )
  return { scores, weights: new Map(asked.map((term, at) => [term, weights[at]!])) }
}
