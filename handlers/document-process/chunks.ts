/**
 * Cuts a text into chunks: pieces small enough to search and to quote, and whole enough to be understood.
 *
 * `recursive`: what fits stays together, a paragraph that does not is cut at its lines, then at its sentences, then at
 * its words, and only a word that is too long itself is cut anywhere. Neighbouring pieces are then joined up to the size.
 * `sentences`: whole sentences are joined up to the size, wherever paragraphs end. `meaning`: the borders that
 * `meaning.ts` finds are kept, and only what is larger than the size between two of them is cut further.
 *
 * No chunk has more tokens than the size. A chunk that was cut off for its size begins with the last sentences of the one
 * before, so that what is said across the border is found from both sides.
 */
import { pageAt } from "../text/documents.ts"
import { lines, paragraphs, runs, sentences, type Span } from "../text/sentences.ts"
import type { CountTokens } from "../text/tokens.ts"
import { beginning } from "../text/beginning.ts"

export interface Cutting {
  /** No chunk has more tokens. */
  readonly size: number
  /** At most so many of them repeat the chunk before. */
  readonly overlap: number
  readonly tokens: CountTokens
}

/** A chunk may end before headings, so that they stand with what they head. A longer line is none, in UTF-16 units. */
const headingCharactersMax = 100

/** So many headings may stand above each other. More short paragraphs in a row are a list, which is cut anywhere. */
const headingsMax = 3

export interface Chunk extends Span {
  /** From 0, in reading order. */
  readonly index: number
  /** The page it begins on, from 1. */
  readonly page: number
}

/** Chunks by the text's own structure. `pageStarts` says where each page begins in it; the first begins at 0. */
export function* chunkRecursively(text: string, cutting: Cutting, pageStarts: ReadonlyArray<number> = [0]) {
  yield* numbered(
    join(text, pieces(text, wholeOf(text), levels, cutting), cutting),
    text,
    cutting,
    pageStarts
  )
}

/** Chunks of whole sentences. */
export function* chunkBySentences(text: string, cutting: Cutting, pageStarts: ReadonlyArray<number> = [0]) {
  yield* numbered(
    join(text, pieces(text, wholeOf(text), [sentences, runs], cutting), cutting),
    text,
    cutting,
    pageStarts
  )
}

/** Chunks that end at least where the parts end. The parts are in order, and begin and end at sentences. */
export function* chunkByParts(
  text: string,
  parts: Iterable<Span>,
  cutting: Cutting,
  pageStarts: ReadonlyArray<number> = [0]
) {
  let index = 0
  for (const part of parts) {
    const whole = cutting.tokens(text.slice(part.start, part.end)) <= cutting.size
    const within = whole ? [part] : join(text, pieces(text, part, [sentences, runs], cutting), cutting)
    for (const chunk of numbered(within, text, cutting, pageStarts)) {
      yield { ...chunk, index }
      index += 1
    }
  }
}

const wholeOf = (text: string): Span => ({ start: 0, end: text.length })

function* numbered(
  cut: Iterable<Span>,
  text: string,
  cutting: Cutting,
  pageStarts: ReadonlyArray<number>
): Generator<Chunk> {
  let index = 0
  let before: Span | undefined
  for (const own of cut) {
    const start = before === undefined ? own.start : withOverlap(text, before, own.start, cutting)
    yield { index, page: pageAt(pageStarts, start), start, end: own.end }
    before = own
    index += 1
  }
}

/** What a chunk may hold of its own, beside the overlap and what stands between. */
const ownTokens = ({ overlap, size }: Cutting) => size - overlap - 1

type Level = (text: string, within: Span) => Array<Span>

/** The borders a text is cut at, the best first. */
const levels: ReadonlyArray<Level> = [paragraphs, lines, sentences, runs]

interface Piece extends Span {
  /** With what stands between it and the piece before. */
  readonly tokens: number
}

/** `before` is where the piece before ends. */
function* pieces(
  text: string,
  within: Span,
  [level, ...finer]: ReadonlyArray<Level>,
  cutting: Cutting,
  before: number = within.start
): Generator<Piece> {
  let from = before
  for (const part of level === undefined ? slices(text, within, cutting) : level(text, within)) {
    // Two that no white space parts may have one more together.
    const tokens = cutting.tokens(text.slice(from, part.end)) + (from === part.start ? 1 : 0)
    if (tokens <= ownTokens(cutting) || level === undefined) yield { ...part, tokens }
    else yield* pieces(text, part, finer, cutting, from)
    from = part.end
  }
}

/** Cuts anywhere but inside a character that is two UTF-16 units. A unit is three tokens at most. */
const slices = (text: string, { end, start }: Span, cutting: Cutting): Array<Span> => {
  const units = Math.max(2, Math.floor(ownTokens(cutting) / 3))
  const parts: Array<Span> = []
  for (let from = start; from < end;) {
    const to = from + beginning(text.slice(from, end), units).length
    parts.push({ start: from, end: to })
    from = to
  }
  return parts
}

/** Joins neighbours while they fit, and leaves headings to the chunk that follows if they fit there. */
function* join(text: string, found: Iterable<Piece>, cutting: Cutting): Generator<Span> {
  const most = ownTokens(cutting)
  let held: Array<Piece> = []
  let tokens = 0
  for (const piece of found) {
    if (held.length > 0 && tokens + piece.tokens > most) {
      const headings = trailingHeadings(text, held, piece)
      const left = tokensOf(headings) + piece.tokens <= most ? headings : []
      yield { start: held[0]!.start, end: held.at(-1 - left.length)!.end }
      held = [...left]
      tokens = tokensOf(held)
    }
    held.push(piece)
    tokens += piece.tokens
  }
  if (held.length > 0) yield { start: held[0]!.start, end: held.at(-1)!.end }
}

const tokensOf = (all: ReadonlyArray<Piece>) => all.reduce((sum, { tokens }) => sum + tokens, 0)

/** Those of the last pieces that are headings of the next one; never all of them. */
const trailingHeadings = (text: string, held: ReadonlyArray<Piece>, next: Span): ReadonlyArray<Piece> => {
  /** A heading is a paragraph of one short line, and does not end as a sentence does. */
  const isHeading = ({ end, start }: Span, at: number) =>
    end - start <= headingCharactersMax &&
    /^.*[\p{L}\p{N}]$/u.test(text.slice(start, end)) &&
    (at === 0 || /\n[^\S\n]*\n/.test(text.slice(held[at - 1]!.end, start))) &&
    text.slice(end, (held[at + 1] ?? next).start).includes("\n")
  const found = held.slice(held.findLastIndex((piece, at) => !isHeading(piece, at)) + 1)
  return found.length <= headingsMax && found.length < held.length ? found : []
}

/** No token of ordinary text has more characters on the average. */
const charactersOfToken = 8

/** Moves a start back to a sentence, or else a word, from which on the overlap before it is not too large. */
const withOverlap = (text: string, before: Span, start: number, { overlap, tokens }: Cutting) => {
  const window = { start: Math.max(before.start, start - overlap * charactersOfToken), end: start }
  // What comes first in a window may have begun earlier.
  const whole = (parts: Array<Span>) => (window.start === before.start ? parts.slice(0) : parts.slice(1))
  const fits = (part: Span) => tokens(text.slice(part.start, start)) <= overlap
  const earliest = (parts: Array<Span>) => {
    let low = 0
    let high = parts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (fits(parts[middle]!)) high = middle
      else low = middle + 1
    }
    return parts[low]
  }
  const sentence = earliest(whole(sentences(text, window)))
  return (sentence ?? earliest(whole(runs(text, window))))?.start ?? start
}
