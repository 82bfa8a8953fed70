/** Passages as models read them and answers cite them: numbered from 1, in the order in which they were found. */
import { beginning } from "../text/beginning.ts"
import type { Citation } from "./citation.ts"
import { type Passage, textOf } from "./retrieve.ts"

/** A passage as a model reads it, and as it is remembered. */
export interface Quotation {
  readonly document: string
  readonly title: string
  readonly page: number
  readonly chunk: number
  readonly text: string
}

export const quotationOf = ({ chunk, document }: Passage): Quotation => ({
  document: document.id,
  title: document.title,
  page: chunk.page,
  chunk: chunk.index,
  text: textOf(document, chunk)
})

/** The passages that the answer names, each once, in the order of their numbers; all when it names none. */
export const citationsOf = (answer: string, passages: ReadonlyArray<Quotation>): ReadonlyArray<Citation> => {
  const cited = citationsNamed(answer, passages)
  return cited.length === 0 ? passages.map(citationOf) : cited
}

/** The passages that the answer names, each once, in the order of their numbers. */
export const citationsNamed = (
  answer: string,
  passages: ReadonlyArray<Quotation>
): ReadonlyArray<Citation> => {
  const named = new Set([...answer.matchAll(/\[(\d{1,3})\]/g)].map(([, number]) => Number(number)))
  return passages.filter((_, at) => named.has(at + 1)).map(citationOf)
}

const citationOf = ({ chunk, document, page, text, title }: Quotation): Citation => ({
  document,
  title,
  page,
  chunk,
  quote: quoteOf(text)
})

/** A longer quote is cut, in UTF-16 units. */
const quoteCharactersMax = 400

/** On one line, without the mark of a list, and not too long. */
export const quoteOf = (text: string): string => {
  const line = text.replace(/\s+/g, " ").replace(/^(?:[-*+•‣▪–]|\d{1,3}[.)])\s/, "")
  return line.length <= quoteCharactersMax
    ? line
    : `${beginning(line, quoteCharactersMax - 1).replace(/\s+\S*$/, "")}…`
}
