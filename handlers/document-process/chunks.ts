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

export interface Cutting {
  /** No chunk has more tokens. */
  readonly size: number
  /** At most so many of them repeat the chunk before. */
  readonly overlap: number
  readonly tokens: CountTokens
}

/** A chunk may end before a heading, so that the heading stands with what it heads. */
const headingCharacters = 100

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
  readonly tokens: number
}

function* pieces(
  text: string,
  within: Span,
  [level, ...finer]: ReadonlyArray<Level>,
  cutting: Cutting
): Generator<Piece> {
  for (const part of level === undefined ? slices(text, within, cutting) : level(text, within)) {
    const tokens = cutting.tokens(text.slice(part.start, part.end))
    if (tokens <= ownTokens(cutting) || level === undefined) yield { ...part, tokens }
    else yield* pieces(text, part, finer, cutting)
  }
}

/** Cuts anywhere but inside a character that is two UTF-16 units. A unit is three tokens at most. */
const slices = (text: string, { end, start }: Span, cutting: Cutting): Array<Span> => {
  const units = Math.max(2, Math.floor(ownTokens(cutting) / 3))
  const parts: Array<Span> = []
  for (let from = start; from < end;) {
    let to = Math.min(end, from + units)
    if (to < end && isHighSurrogate(text.charCodeAt(to - 1))) to -= 1
    parts.push({ start: from, end: to })
    from = to
  }
  return parts
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff

/** Joins neighbours while they fit, and leaves headings to the chunk that follows. */
function* join(text: string, found: Iterable<Piece>, cutting: Cutting): Generator<Span> {
  const most = ownTokens(cutting)
  let held: Array<Piece> = []
  // One token for what stands between two pieces.
  const tokensWith = (piece: Piece) => held.reduce((sum, { tokens }) => sum + tokens + 1, piece.tokens)
  for (const piece of found) {
    if (held.length > 0 && tokensWith(piece) > most) {
      const headings = trailingHeadings(text, held)
      const kept = held.slice(0, held.length - headings)
      yield { start: kept[0]!.start, end: kept.at(-1)!.end }
      held = held.slice(held.length - headings)
      // A heading that does not fit with what it heads stands alone.
      if (held.length > 0 && tokensWith(piece) > most) {
        yield { start: held[0]!.start, end: held.at(-1)!.end }
        held = []
      }
    }
    held.push(piece)
  }
  if (held.length > 0) yield { start: held[0]!.start, end: held.at(-1)!.end }
}

/** How many of the last pieces are headings; never all of them. */
const trailingHeadings = (text: string, held: ReadonlyArray<Span>) => {
  let count = 0
  while (count < held.length - 1 && isHeading(text, held[held.length - 1 - count]!)) count += 1
  return count
}

const isHeading = (text: string, { end, start }: Span) =>
  end - start <= headingCharacters && /[\p{L}\p{N}]$/u.test(text.slice(start, end))

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
