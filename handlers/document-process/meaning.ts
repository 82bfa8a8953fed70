/**
 * Where a text goes on to something else: between which of its sentences.
 *
 * Before each border between two sentences stand the last few, after it come the next few; how alike the two are tells how
 * well the text goes on there. Where that falls lowest between two heights, it turns to something else. Source: M. Hearst,
 * "TextTiling: Segmenting Text into Multi-paragraph Subtopic Passages", Computational Linguistics 23(1), 1997, sections
 * 5.1 to 5.3. What a sentence means is a vector: of a model, or of the words it has.
 */
import type { Span } from "../text/sentences.ts"
import { terms } from "../text/words.ts"

/** So many sentences on each side are compared. */
const beside = 3

/** What a sentence is compared by: the weight of each of its features. */
export type Features = ReadonlyMap<string, number> | Float32Array

/** A sentence by its words: stop words and endings aside. */
export const featuresOfWords = (sentence: string): Features => {
  const counts = new Map<string, number>()
  for (const term of terms(sentence)) counts.set(term, (counts.get(term) ?? 0) + 1)
  return counts
}

/** How alike what stands before and after each border is, from 0 to 1: one fewer than there are sentences. */
export const likenesses = (sentences: ReadonlyArray<Features>): Array<number> =>
  sentences
    .slice(1)
    .map((_, at) =>
      cosine(
        sum(sentences.slice(Math.max(0, at + 1 - beside), at + 1)),
        sum(sentences.slice(at + 1, at + 1 + beside))
      )
    )

/**
 * The parts that a text falls into. A border counts when the fall before it and the rise after it are together deeper than
 * usual. What is too short to be said alone stays with the neighbour that it is more like.
 */
export const partsOf = (
  sentences: ReadonlyArray<Span>,
  alike: ReadonlyArray<number>,
  tokensOf: (span: Span) => number,
  tokensMin: number
): Array<Span> => {
  if (sentences.length === 0) return []
  const depths = depthsOf(alike)
  const mean = depths.reduce((total, each) => total + each, 0) / Math.max(1, depths.length)
  const deviation = Math.sqrt(
    depths.reduce((total, each) => total + (each - mean) ** 2, 0) / Math.max(1, depths.length)
  )
  // Every fall in a text of no falls is as deep as usual.
  const borders = depths.flatMap((each, at) =>
    each > mean + deviation / 2 && each > 0.05 && isLowest(alike, at) ? [at] : []
  )
  return joinShort(sentences, borders, alike, tokensOf, tokensMin)
}

/** How far it rises from each to the next height on each side: the height of a neighbour, as long as that is no lower. */
const depthsOf = (alike: ReadonlyArray<number>): Array<number> => {
  const before = [...alike]
  for (let at = 1; at < alike.length; at++) {
    if (alike[at - 1]! >= alike[at]!) before[at] = before[at - 1]!
  }
  const after = [...alike]
  for (let at = alike.length - 2; at >= 0; at--) {
    if (alike[at + 1]! >= alike[at]!) after[at] = after[at + 1]!
  }
  return alike.map((each, at) => before[at]! + after[at]! - 2 * each)
}

const isLowest = (alike: ReadonlyArray<number>, at: number) =>
  (alike[at - 1] ?? Infinity) >= alike[at]! && (alike[at + 1] ?? Infinity) > alike[at]!

const joinShort = (
  sentences: ReadonlyArray<Span>,
  borders: ReadonlyArray<number>,
  alike: ReadonlyArray<number>,
  tokensOf: (span: Span) => number,
  tokensMin: number
): Array<Span> => {
  /** Those that stand, before the part that is looked at; `next` is the one behind it. */
  const kept: Array<number> = []
  let next = 0
  const between = (left: number | undefined, right: number | undefined): Span => ({
    start: sentences[left === undefined ? 0 : left + 1]!.start,
    end: sentences[right ?? sentences.length - 1]!.end
  })
  while (kept.length > 0 || next < borders.length) {
    const [left, right] = [kept.at(-1), borders[next]]
    if (tokensOf(between(left, right)) >= tokensMin) {
      if (right === undefined) break
      kept.push(right)
      next += 1
      continue
    }
    const intoLeft = right === undefined || (left !== undefined && alike[left]! >= alike[right]!)
    if (intoLeft) kept.pop()
    else next += 1
  }
  return Array.from({ length: kept.length + 1 }, (_, at) => between(kept[at - 1], kept[at]))
}

// ---------------------------------------------------------------------------------------------------------
// Vectors
// ---------------------------------------------------------------------------------------------------------

const sum = (all: ReadonlyArray<Features>): Features => {
  const [first] = all
  if (first instanceof Float32Array) {
    const total = new Float32Array(first.length)
    for (const vector of all as ReadonlyArray<Float32Array>)
      vector.forEach((value, at) => (total[at]! += value))
    return total
  }
  const total = new Map<string, number>()
  for (const counts of all as ReadonlyArray<ReadonlyMap<string, number>>) {
    for (const [term, count] of counts) total.set(term, (total.get(term) ?? 0) + count)
  }
  return total
}

const cosine = (a: Features, b: Features): number => {
  const lengths = Math.sqrt(product(a, a) * product(b, b))
  return lengths === 0 ? 0 : Math.max(0, product(a, b) / lengths)
}

const product = (a: Features, b: Features): number => {
  let total = 0
  if (a instanceof Float32Array) a.forEach((value, at) => (total += value * (b as Float32Array)[at]!))
  else for (const [term, count] of a) total += count * ((b as ReadonlyMap<string, number>).get(term) ?? 0)
  return total
}
