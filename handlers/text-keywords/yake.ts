/**
 * YAKE: the words and phrases a text is about, told from the text alone.
 *
 * Each word is given a score by five things: its capitals, where in the text it stands, how often it comes, how many
 * different neighbours it has, and in how many sentences it is. A phrase's score is made of its words' and of how often
 * it comes. Less is better. Source: R. Campos, V. Mangaravite, A. Pasquali, A. Jorge, C. Nunes and A. Jatowt, "YAKE!
 * Keyword Extraction from Single Documents using Multiple Local Features", Information Sciences 509, 2020, pages
 * 257-289, sections 3.1 to 3.5; where the paper leaves a number open (the window of neighbours is 1, sentences count
 * from 0) it is the one with which its authors' published results come out.
 */
import { blocksOf, type Token } from "./tokens.ts"
import { tooSimilar } from "./similarity.ts"

export interface Keyword {
  readonly keyword: string
  /** The less, the better; above 0. */
  readonly score: number
}

export interface YakeOptions {
  /** In lower case. */
  readonly stopWords: ReadonlySet<string>
  /** How many keywords at most. */
  readonly top: number
  /** How many words a keyword has at most. */
  readonly words: number
  /** Of two keywords that are more alike than this, from 0 to 1, the better one stands for both. */
  readonly similarity: number
}

/** What is known of one word. */
export interface Term {
  readonly stop: boolean
  frequency: number
  acronyms: number
  names: number
  /** In which sentences it is, from 0, in order, each once. */
  readonly sentences: Array<number>
  /** How often each other word stands just before it, and just after it. */
  readonly before: Map<string, number>
  readonly after: Map<string, number>
}

/** The best first. Empty when nothing in the text can be a keyword. */
export const yake = (text: string, options: YakeOptions): Array<Keyword> => {
  const sentences = blocksOf(text)
  const terms = termsOf(sentences, options.stopWords)
  const scores = scoresOf(terms, sentences.length)
  return best(candidatesOf(sentences, terms, options.words), terms, scores, options)
}

// ---------------------------------------------------------------------------------------------------------
// Words
// ---------------------------------------------------------------------------------------------------------

/** A word of fewer letters says nothing by itself. */
const lettersMin = 3

const isStopWord = ({ shown, term, unspaced }: Token, stopWords: ReadonlySet<string>) =>
  stopWords.has(shown) || stopWords.has(term) || term.length < (unspaced ? 2 : lettersMin)

const termsOf = (
  sentences: ReadonlyArray<ReadonlyArray<ReadonlyArray<Token>>>,
  stopWords: ReadonlySet<string>
) => {
  const terms = new Map<string, Term>()
  sentences.forEach((blocks, sentence) => {
    for (const block of blocks) {
      let before: { readonly key: string; readonly term: Term } | undefined
      for (const token of block) {
        const term = noted(terms, token, sentence, stopWords)
        if (!canBePart(token)) {
          before = undefined
          continue
        }
        if (before !== undefined) {
          add(before.term.after, token.term)
          add(term.before, before.key)
        }
        before = { key: token.term, term }
      }
    }
  })
  return terms
}

const canBePart = ({ form }: Token) => form !== "number" && form !== "odd"

const noted = (terms: Map<string, Term>, token: Token, sentence: number, stopWords: ReadonlySet<string>) => {
  let term = terms.get(token.term)
  if (term === undefined) {
    term = {
      stop: isStopWord(token, stopWords),
      ...{ frequency: 0, acronyms: 0, names: 0, sentences: [] },
      ...{ before: new Map(), after: new Map() }
    }
    terms.set(token.term, term)
  }
  term.frequency += 1
  if (token.form === "acronym") term.acronyms += 1
  if (token.form === "name") term.names += 1
  if (term.sentences.at(-1) !== sentence) term.sentences.push(sentence)
  return term
}

const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

/** The score S(t) of each word: equations 1 to 7 of the paper. */
export const scoresOf = (
  terms: ReadonlyMap<string, Term>,
  sentences: number
): ReadonlyMap<string, number> => {
  const frequencies = [...terms.values()].filter(({ stop }) => !stop).map(({ frequency }) => frequency)
  const mean = frequencies.reduce((sum, each) => sum + each, 0) / Math.max(1, frequencies.length)
  const deviation = Math.sqrt(
    frequencies.reduce((sum, each) => sum + (each - mean) ** 2, 0) / Math.max(1, frequencies.length)
  )
  let most = 1
  for (const { frequency } of terms.values()) most = Math.max(most, frequency)
  const score = ({ acronyms, after, before, frequency, names, sentences: within }: Term) => {
    const casing = Math.max(acronyms, names) / (1 + Math.log(frequency))
    const position = Math.log(Math.log(3 + median(within)))
    const often = frequency / (mean + deviation)
    const relatedness = 1 + (variety(before) + variety(after)) * (frequency / most)
    const spread = within.length / sentences
    return (relatedness * position) / (casing + often / relatedness + spread / relatedness)
  }
  return new Map(Array.from(terms, ([key, term]) => [key, term.stop ? 0 : score(term)]))
}

/** How many different ones there are, of all: 1 when no neighbour comes twice. */
const variety = (neighbours: ReadonlyMap<string, number>) => {
  let total = 0
  for (const count of neighbours.values()) total += count
  return total === 0 ? 0 : neighbours.size / total
}

const median = (sorted: ReadonlyArray<number>) =>
  (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2

// ---------------------------------------------------------------------------------------------------------
// Phrases
// ---------------------------------------------------------------------------------------------------------

interface Candidate {
  readonly tokens: ReadonlyArray<Token>
  frequency: number
}

/** Rows of words of one block that neither begin nor end with a stop word. */
const candidatesOf = (
  sentences: ReadonlyArray<ReadonlyArray<ReadonlyArray<Token>>>,
  terms: ReadonlyMap<string, Term>,
  wordsMax: number
) => {
  const candidates = new Map<string, Candidate>()
  const isStop = (token: Token) => terms.get(token.term)!.stop
  for (const block of sentences.flat()) {
    for (let from = 0; from < block.length; from++) {
      if (isStop(block[from]!)) continue
      let key = ""
      for (let to = from; to < Math.min(block.length, from + wordsMax); to++) {
        const token = block[to]!
        if (!canBePart(token)) break
        key += ` ${token.shown}`
        if (isStop(token)) continue
        const known = candidates.get(key)
        if (known === undefined) candidates.set(key, { tokens: block.slice(from, to + 1), frequency: 1 })
        else known.frequency += 1
      }
    }
  }
  return candidates
}

/** The score S(kw) of a row of words: equation 8. A stop word within counts by how firmly it binds its neighbours. */
const scoreOf = (
  { frequency, tokens }: Candidate,
  terms: ReadonlyMap<string, Term>,
  scores: ReadonlyMap<string, number>
) => {
  let product = 1
  let sum = 0
  tokens.forEach(({ term: key }, at) => {
    const term = terms.get(key)!
    if (!term.stop) {
      const score = scores.get(key)!
      product *= score
      sum += score
      return
    }
    // A candidate neither begins nor ends with a stop word.
    const before = terms.get(tokens[at - 1]!.term)!
    const after = tokens[at + 1]!.term
    const bound =
      ((before.after.get(key) ?? 0) / before.frequency) *
      ((term.after.get(after) ?? 0) / terms.get(after)!.frequency)
    product *= 2 - bound
    sum -= 1 - bound
  })
  return product / (frequency * (1 + sum))
}

const best = (
  candidates: ReadonlyMap<string, Candidate>,
  terms: ReadonlyMap<string, Term>,
  scores: ReadonlyMap<string, number>,
  { similarity, top }: YakeOptions
): Array<Keyword> => {
  const ranked = Array.from(candidates.values(), (candidate) => ({
    keyword: shownOf(candidate.tokens),
    score: scoreOf(candidate, terms, scores)
  }))
    // Two stop words within make the sum negative; such a row is no phrase.
    .filter(({ score }) => score > 0 && Number.isFinite(score))
    .sort((a, b) => a.score - b.score)
  const chosen: Array<Keyword> = []
  for (const candidate of ranked) {
    if (chosen.length === top) break
    if (!chosen.some(({ keyword }) => tooSimilar(keyword, candidate.keyword, similarity)))
      chosen.push(candidate)
  }
  return chosen
}

const shownOf = (tokens: ReadonlyArray<Token>) =>
  tokens.reduce(
    (text, { shown, unspaced }, at) =>
      at === 0 || (unspaced && tokens[at - 1]!.unspaced) ? text + shown : `${text} ${shown}`,
    ""
  )
