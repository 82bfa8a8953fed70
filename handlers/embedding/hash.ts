/**
 * Vectors without a model, for where there is none: feature hashing (Weinberger et al., 2009).
 *
 * Words, pairs of words, and the three to five letters in a row that words are made of, each adds to or takes from one of
 * the dimensions, as its hash says. So texts that share words, or forms of a word, lie near each other; what means the same
 * in other words does not. The same text gives the same vector on every machine.
 */
import { words, isStopWord, stem } from "../text/words.ts"

export const hashDimensions = 512

/** What one feature weighs: parts of words bring forms of a word together, and are many. */
const wordWeight = 1
const pairWeight = 0.6
const partWeight = 0.25
const partLengths = [3, 4, 5]

/** Of length 1, or all zeros for a text without a word. */
export const hashVector = (text: string): Float32Array => {
  const features = new Map<string, number>()
  const add = (feature: string, weight: number) =>
    features.set(feature, (features.get(feature) ?? 0) + weight)
  let before: string | undefined
  for (const word of words(text)) {
    if (isStopWord(word)) continue
    const term = stem(word)
    add(`w:${term}`, wordWeight)
    if (before !== undefined) add(`p:${before} ${term}`, pairWeight)
    before = term
    const bounded = `<${word}>`
    for (const length of partLengths) {
      for (let at = 0; at + length <= bounded.length; at++)
        add(`c:${bounded.slice(at, at + length)}`, partWeight)
    }
  }
  const vector = new Float32Array(hashDimensions)
  for (const [feature, weight] of features) {
    const hash = Bun.hash.xxHash32(feature)
    // The tenth word of the same kind says less than the first.
    const amount = Math.log1p(weight)
    const at = (hash >>> 1) % hashDimensions
    vector[at] = vector[at]! + ((hash & 1) === 0 ? amount : -amount)
  }
  return normalized(vector)
}

/** The same direction with length 1; all zeros stay. */
export const normalized = (vector: Float32Array): Float32Array => {
  let squares = 0
  for (const component of vector) squares += component * component
  return squares === 0 ? vector : vector.map((component) => component / Math.sqrt(squares))
}
