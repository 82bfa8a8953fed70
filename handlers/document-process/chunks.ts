/**
 * Cuts a text into chunks: pieces small enough to search and to quote, and whole enough to be understood.
 *
 * The cut is recursive: what fits stays together, a paragraph that does not is cut at its lines, then at its
 * sentences, then at its words, and only a word that is too long itself is cut anywhere. Neighbouring pieces are then
 * joined up to the size. Each chunk but the first begins with the last sentences of the one before, so that what is
 * said across a border is found from both sides.
 */
import { pageAt } from "../text/documents.ts"
import { lines, paragraphs, runs, sentences, type Span } from "../text/sentences.ts"

/** No chunk is longer, in UTF-16 units; about 250 words of English. */
export const chunkCharacters = 1_500

/** At most so much of a chunk repeats the one before. */
export const overlapCharacters = 200

/** A chunk may end before a heading, so that the heading stands with what it heads. */
const headingCharacters = 100

export interface Chunk extends Span {
  /** From 0, in reading order. */
  readonly index: number
  /** The page it begins on, from 1. */
  readonly page: number
}

/** The chunks of `text`. `pageStarts` says where each page begins in it; the first begins at 0. */
export const chunk = (text: string, pageStarts: ReadonlyArray<number> = [0]): Array<Chunk> => {
  const pieces = split(text, { start: 0, end: text.length }, levels)
  return join(text, pieces).map(({ end, start: own }, index) => {
    const start = index === 0 ? own : withOverlap(text, own)
    return { index, page: pageAt(pageStarts, start), start, end }
  })
}

/** What a chunk may hold of its own, beside the overlap. */
const ownCharacters = chunkCharacters - overlapCharacters

const length = ({ end, start }: Span) => end - start

type Level = (text: string, within: Span) => Array<Span>

/** The borders a text is cut at, the best first. */
const levels: ReadonlyArray<Level> = [paragraphs, lines, sentences, runs]

const split = (text: string, span: Span, [level, ...finer]: ReadonlyArray<Level>): Array<Span> => {
  if (level === undefined) return slices(text, span)
  return level(text, span).flatMap((part) =>
    length(part) <= ownCharacters ? [part] : split(text, part, finer)
  )
}

/** Cuts anywhere but inside a character that is two UTF-16 units. */
const slices = (text: string, { end, start }: Span): Array<Span> => {
  const parts: Array<Span> = []
  for (let from = start; from < end;) {
    let to = Math.min(end, from + ownCharacters)
    if (to < end && isHighSurrogate(text.charCodeAt(to - 1))) to -= 1
    parts.push({ start: from, end: to })
    from = to
  }
  return parts
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff

/** Joins neighbours while they fit, and leaves headings to the chunk that follows. */
const join = (text: string, pieces: ReadonlyArray<Span>): Array<Span> => {
  const chunks: Array<Span> = []
  let held: Array<Span> = []
  for (const piece of pieces) {
    if (held.length > 0 && piece.end - held[0]!.start > ownCharacters) {
      const headings = trailingHeadings(text, held)
      const kept = held.slice(0, held.length - headings)
      chunks.push({ start: kept[0]!.start, end: kept.at(-1)!.end })
      held = held.slice(held.length - headings)
      // A heading that does not fit with what it heads stands alone.
      if (held.length > 0 && piece.end - held[0]!.start > ownCharacters) {
        chunks.push({ start: held[0]!.start, end: held.at(-1)!.end })
        held = []
      }
    }
    held.push(piece)
  }
  if (held.length > 0) chunks.push({ start: held[0]!.start, end: held.at(-1)!.end })
  return chunks
}

/** How many of the last pieces are headings; never all of them. */
const trailingHeadings = (text: string, held: ReadonlyArray<Span>) => {
  let count = 0
  while (count < held.length - 1 && isHeading(text, held[held.length - 1 - count]!)) count += 1
  return count
}

const isHeading = (text: string, span: Span) =>
  length(span) <= headingCharacters && /[\p{L}\p{N}]$/u.test(text.slice(span.start, span.end))

/** Moves a start back to a sentence, or else a word, that begins within the overlap before it. */
const withOverlap = (text: string, start: number) => {
  const before = { start: Math.max(0, start - overlapCharacters), end: start }
  // What comes first in there may have begun earlier.
  const [, sentence] = sentences(text, before)
  const [, word] = runs(text, before)
  return (sentence ?? word)?.start ?? start
}
