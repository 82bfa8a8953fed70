/**
 * Answers a question by the sentences of the passages that fit it best.
 *
 * No model is asked and nothing is made up: each sentence stands in a document as it is quoted. What the sentences do
 * not say together is not said.
 */
import type { Citation } from "../passages/citation.ts"
import { quoteOf } from "../passages/quotation.ts"
import { type Passage, textOf } from "../passages/retrieve.ts"
import { pageAt } from "../text/documents.ts"
import { sentences, type Span } from "../text/sentences.ts"
import { terms } from "../text/words.ts"

const sentencesMax = 4

/** The second sentence must be worth so much of the best one, and each further one so much. */
const secondWorthMin = 0.15
const worthMin = 0.45

/** What a heading says counts so much for the sentence that follows it, and so much for those after that. */
const headingShare = { first: 0.6, later: 0.3 }

/** A question is written to be found by what it asks, and answered by what follows. */
const questionShare = { first: 1, later: 0.6 }

/** What is no whole sentence, as a row of a table, is worth so much of one. */
const fragmentShare = 0.6

/** A sentence with fewer words says too little alone. */
const wordsMin = 3

/** A sentence of more words is worth less: it holds more words of any question. */
const longWords = 30

interface Sentence extends Citation {
  readonly terms: ReadonlySet<string>
  readonly words: number
  /** Its passage's score, as a part of the best one's. */
  readonly share: number
  /** Terms of the heading or question it stands under, and what they count. */
  readonly heading: ReadonlySet<string>
  readonly headingShare: number
  /** What is quoted. */
  readonly span: Span
  /** Its place in the order of reading: the document's rank, then where it begins. */
  readonly order: readonly [document: number, start: number]
}

/** Up to four sentences in reading order, with the one before where a sentence needs it; none when no sentence has a word of the question. */
export const extract = (
  passages: ReadonlyArray<Passage>,
  weights: ReadonlyMap<string, number>
): ReadonlyArray<Citation> => {
  const candidates = sentencesOf(passages)
  const left = new Map(weights)
  const chosen: Array<Sentence> = []
  let best = 0
  while (chosen.length < sentencesMax) {
    const [next] = candidates
      .filter((candidate) => !chosen.includes(candidate))
      .map((sentence) => ({ sentence, worth: worthOf(sentence, left) }))
      .sort((x, y) => y.worth - x.worth)
    const least = chosen.length === 1 ? secondWorthMin : worthMin
    if (next === undefined || next.worth <= best * least) break
    best = Math.max(best, next.worth)
    chosen.push(next.sentence)
    // What has been said is worth half when it is said again.
    for (const term of next.sentence.terms) if (left.has(term)) left.set(term, left.get(term)! / 2)
  }
  return chosen
    .filter((sentence) => !chosen.some((other) => other !== sentence && holds(other, sentence)))
    .sort((x, y) => x.order[0] - y.order[0] || x.order[1] - y.order[1])
    .map(({ chunk, document, page, quote, title }) => ({ document, title, page, chunk, quote }))
}

const holds = (outer: Sentence, inner: Sentence) =>
  outer.document === inner.document &&
  outer.span.start <= inner.span.start &&
  inner.span.end <= outer.span.end

const worthOf = (sentence: Sentence, weights: ReadonlyMap<string, number>) => {
  let worth = 0
  for (const [term, weight] of weights) {
    if (sentence.terms.has(term)) worth += weight
    else if (sentence.heading.has(term)) worth += weight * sentence.headingShare
  }
  const whole = /[.!?…。！？]["'”’»)\]]*$/.test(sentence.quote) ? 1 : fragmentShare
  return (
    (worth * whole * (0.5 + 0.5 * sentence.share)) / (1 + Math.max(0, sentence.words - longWords) / longWords)
  )
}

const sentencesOf = (passages: ReadonlyArray<Passage>): Array<Sentence> => {
  const found = new Map<string, Sentence>()
  const best = passages[0]?.score ?? 1
  const documents = [...new Set(passages.map(({ document }) => document.id))]
  for (const { chunk, document, score } of passages) {
    let heading: ReadonlySet<string> = new Set()
    let under = headingShare
    let share = under.first
    let before: Span | undefined
    for (const span of sentences(document.text, wholeLines(document.text, chunk))) {
      const text = textOf(document, span)
      if (isHeading(text)) {
        heading = new Set(terms(text))
        under = text.endsWith("?") ? questionShare : headingShare
        share = under.first
        before = undefined
        continue
      }
      const quoted =
        before !== undefined && leansBack.test(text) ? { start: before.start, end: span.end } : span
      const quote = quoteOf(textOf(document, quoted))
      const words = quote.split(" ").length
      // Chunks overlap, so a sentence may come twice.
      const key = `${document.id} ${span.start}`
      if (span.end > chunk.start && words >= wordsMin && !found.has(key)) {
        found.set(key, {
          document: document.id,
          title: document.title,
          page: pageAt(document.pageStarts, quoted.start),
          chunk: chunk.index,
          quote,
          terms: new Set(terms(quote)),
          words,
          share: score / best,
          heading,
          headingShare: share,
          span: quoted,
          order: [documents.indexOf(document.id), span.start]
        })
      }
      share = under.later
      before = document.text[span.end] === "\n" ? undefined : span
    }
  }
  return [...found.values()]
}

/** A chunk may begin in the middle of a sentence; its line begins with one. */
const wholeLines = (text: string, { end, start }: Span): Span => ({
  start: text.lastIndexOf("\n", start) + 1,
  end
})

/** A sentence that begins so is only understood together with the one before it. */
const leansBack =
  /^(?:This|That|These|Those|It|They|He|She|So|But|Still|Otherwise|Then|Therefore|The former|The latter)\b/

/** A line without an end, or a question, but no row of a table: it says what the next sentence is about. */
const isHeading = (text: string) =>
  text.endsWith("?") || (text.length <= 100 && /[\p{L}\p{N}]$/u.test(text) && !text.includes(" | "))
