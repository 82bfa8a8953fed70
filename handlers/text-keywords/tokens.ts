/**
 * A text as YAKE reads it: sentences, and in them blocks of words with no punctuation between.
 *
 * A word is compared in lower case and without the plural s, and is shown as it was written. What it may stand for is
 * told by its form: a number, a mixture of letters and digits, or what is too long for a word is never part of a keyword, and a
 * capital inside a sentence says that it names something.
 */
import { sentences } from "../text/sentences.ts"

/** What is longer is no word, as a key or a picture written as text, in UTF-16 units. */
const wordCharactersMax = 100

export type Form =
  | "number"
  /** Letters and digits mixed, more than one sign in it, or too long for a word. */
  | "odd"
  | "acronym"
  /** Begins with a capital, and not because its sentence does. */
  | "name"
  | "plain"

export interface Token {
  /** What it is compared by. */
  readonly term: string
  /** As a keyword shows it: in lower case. */
  readonly shown: string
  readonly form: Form
  /** In a script whose words stand without spaces. */
  readonly unspaced: boolean
}

/** The blocks of each sentence, in order. */
export const blocksOf = (text: string): Array<Array<Array<Token>>> =>
  sentences(text)
    .map(({ end, start }) => blocks(text.slice(start, end)))
    .filter((found) => found.length > 0)

/** A word with what may stand inside one, as in `co-founder`, `it's`, `12.75` and `example.org`; or a sign. */
const wordOrSign = /[$€£#@]?[\p{L}\p{M}\p{N}]+(?:[-'’.,_&/+@](?=[\p{L}\p{N}])[\p{L}\p{M}\p{N}]+)*|[^\s]/gu

const isWord = /[\p{L}\p{N}]/u

const blocks = (sentence: string): Array<Array<Token>> => {
  const found: Array<Array<Token>> = []
  let block: Array<Token> = []
  let first = true
  for (const [part] of sentence.matchAll(wordOrSign)) {
    if (!isWord.test(part)) {
      if (block.length > 0) found.push(block)
      block = []
      continue
    }
    for (const word of apart(part)) {
      block.push(token(word, first))
      first = false
    }
  }
  if (block.length > 0) found.push(block)
  return found
}

const unspacedScript =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

const segmenter = new Intl.Segmenter("und", { granularity: "word" })

/** The words of a run in a script that writes none apart; any other run is one word. */
const apart = (run: string): Array<string> =>
  unspacedScript.test(run)
    ? Array.from(segmenter.segment(run))
        .filter(({ isWordLike }) => isWordLike)
        .map(({ segment }) => segment)
    : withoutContraction(run)

/** What is written onto a word is a word of its own, as in `it's` and `Kaggle's`. */
const withoutContraction = (run: string): Array<string> => {
  const [, word, ending] = /^(.+?)(['’](?:s|re|ve|ll|d|m|t))$/iu.exec(run) ?? []
  return word === undefined || ending === undefined ? [run] : [word, ending]
}

const token = (word: string, first: boolean): Token => {
  const shown = word.toLowerCase()
  const term = shown.length > 3 && shown.endsWith("s") ? shown.slice(0, -1) : shown
  return { term, shown, form: formOf(word, first), unspaced: unspacedScript.test(word) }
}

const formOf = (word: string, first: boolean): Form => {
  if (word.length > wordCharactersMax) return "odd"
  if (/^\p{N}+(?:[.,]\p{N}+)*$/u.test(word)) return "number"
  const letters = count(word, /\p{L}/gu)
  const signs = count(word, /[^\p{L}\p{M}\p{N}]/gu)
  if (letters === 0 || /\p{N}/u.test(word) || signs > 1) return "odd"
  const capitals = count(word, /\p{Lu}/gu)
  if (capitals === word.length) return "acronym"
  return capitals === 1 && !first && /^\p{Lu}/u.test(word) ? "name" : "plain"
}

const count = (word: string, pattern: RegExp) => word.match(pattern)?.length ?? 0
