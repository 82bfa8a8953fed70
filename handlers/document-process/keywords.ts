/**
 * The words and phrases a text is about.
 *
 * A candidate is one to three words in a row, none of them a stop word. It counts for how often it comes, more when it
 * is a phrase and when it comes early. Of two candidates of which one holds the other, the better one stands for both
 * unless the shorter is often said without the longer.
 */
import { isStopWord, stem, words } from "../text/words.ts"
import { sentences } from "../text/sentences.ts"

/** At most so many keywords. */
export const keywordsMax = 12

/** Only the beginning of a text is looked at, in UTF-16 units: it says what the rest is about. */
const charactersMax = 500_000

const phraseWordsMax = 3

interface Candidate {
  /** Its stems. */
  readonly key: string
  /** As it was first written, in lower case. */
  readonly text: string
  /** In words. */
  readonly size: number
  /** Its place among all words, from 0. */
  readonly first: number
  count: number
}

/** The best first. Empty when the text has no words. */
export const keywords = (text: string): Array<string> => {
  const candidates = new Map<string, Candidate>()
  let seen = 0
  const head = text.slice(0, charactersMax)
  for (const { end, start } of sentences(head)) {
    const row = words(head.slice(start, end))
    row.forEach((_, at) => {
      for (let size = 1; size <= phraseWordsMax && at + size <= row.length; size++) {
        note(candidates, row.slice(at, at + size), seen + at)
      }
    })
    seen += row.length
  }
  return best([...candidates.values()], seen)
}

const note = (candidates: Map<string, Candidate>, row: ReadonlyArray<string>, at: number) => {
  if (!row.every((word) => word.length > 2 && /^\p{L}/u.test(word) && !isStopWord(word))) return
  const key = row.map(stem).join(" ")
  const known = candidates.get(key)
  if (known !== undefined) known.count += 1
  else candidates.set(key, { key, text: row.join(" "), size: row.length, first: at, count: 1 })
}

const best = (candidates: ReadonlyArray<Candidate>, total: number): Array<string> => {
  // In a text of some length, what is said only once is not what it is about.
  const often = (size: number) => (total > 200 || size > 1 ? 2 : 1)
  const ranked = candidates
    .filter(({ count, size }) => count >= often(size))
    .sort((a, b) => score(b) - score(a) || a.first - b.first)
  const chosen: Array<Candidate> = []
  for (const candidate of ranked) {
    if (chosen.length === keywordsMax) break
    if (!chosen.some((other) => saysTheSame(other, candidate))) chosen.push(candidate)
  }
  return chosen.map(({ text }) => text)
}

const score = ({ count, first, size }: Candidate) =>
  count * size ** 1.5 * (1 + 0.5 / (1 + Math.log1p(first / 50)))

/** Whether one holds the other, and the shorter seldom stands without the longer. */
const saysTheSame = (chosen: Candidate, candidate: Candidate) => {
  const [long, short] = chosen.size >= candidate.size ? [chosen, candidate] : [candidate, chosen]
  return ` ${long.key} `.includes(` ${short.key} `) && short.count < 2 * long.count
}
