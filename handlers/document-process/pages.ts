/**
 * What is read from a document before it is cut up: its pages' texts, and what it says of itself.
 *
 * All kinds of documents come down to this. A page's text is paragraphs with a blank line between them; a line break
 * inside one is meant, as in a list, a table or a program.
 */

import type { Metadata } from "../text/documents.ts"

/** A document with more text is refused, in UTF-16 units; about 4 000 pages. */
export const charactersMax = 10_000_000

export interface Extracted {
  readonly pages: ReadonlyArray<string>
  /** As the document names itself. */
  readonly title?: string | undefined
  /** A language tag such as `en` or `de-AT`, as the document declares it. */
  readonly language?: string | undefined
  readonly metadata?: Metadata | undefined
}

/** Takes out what no reader sees, and writes line breaks, blanks and blank lines one way. */
export const clean = (text: string): string =>
  text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029\f\v]/g, "\n")
    .replace(/[\p{Cc}--[\n\t]]|[\u00ad\u200b\ufeff]/gv, "")
    .replace(/[^\S\n]+/g, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim()

/**
 * The texts of the pages as one, and where each page begins in it. A sentence that runs over a page's end is whole; a
 * page without text begins where the next does.
 */
export const merge = (
  pages: ReadonlyArray<string>
): { readonly text: string; readonly pageStarts: Array<number> } => {
  const pageStarts: Array<number> = []
  let text = ""
  for (const page of pages) {
    if (text !== "" && page !== "")
      text += /[\p{L}\p{N},]$/u.test(text) && /^\p{Ll}/u.test(page) ? " " : "\n\n"
    pageStarts.push(text.length)
    text += page
  }
  return { text, pageStarts }
}

/** Fewer pages than this can agree by chance. */
const runningPagesMin = 4

/** What is longer is the page's text, as in a form or a table that fills many pages. */
const runningCharactersMax = 200

/**
 * The pages without running heads and feet: first and last paragraphs that, apart from numbers, are the same on at
 * least half of the pages. They would come between the halves of sentences that run over a page's end.
 */
export const withoutRunningLines = (pages: ReadonlyArray<string>): Array<string> => {
  if (pages.length < runningPagesMin) return [...pages]
  const split = pages.map((page) => page.split("\n\n"))
  const often = (at: number) => {
    const counts = new Map<string, number>()
    for (const paragraphs of split) {
      const key = masked(paragraphs.at(at)!)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    return (paragraph: string | undefined) =>
      paragraph !== undefined &&
      paragraph.length <= runningCharactersMax &&
      (counts.get(masked(paragraph)) ?? 0) >= Math.max(runningPagesMin, pages.length / 2)
  }
  const isHead = often(0)
  const isFoot = often(-1)
  return split.map((paragraphs) => {
    const from = isHead(paragraphs[0]) ? 1 : 0
    const to = isFoot(paragraphs.at(-1)) ? -1 : undefined
    return paragraphs.slice(from, to).join("\n\n")
  })
}

const masked = (paragraph: string) => paragraph.replace(/\d+/g, "#").toLowerCase()
