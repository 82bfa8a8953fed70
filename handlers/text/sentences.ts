/**
 * Where sentences and paragraphs lie in a text.
 *
 * A span is half open, in UTF-16 units of the text it was cut from, and has no white space at its ends. Spans are in
 * order and do not overlap, and together they hold everything that is not white space.
 */

export interface Span {
  readonly start: number
  readonly end: number
}

/** Parts of the text between blank lines. */
export const paragraphs = (text: string, within: Span = { start: 0, end: text.length }): Array<Span> =>
  cut(text, within, /\n[^\S\n]*\n\s*/g)

/** Lines of the text. */
export const lines = (text: string, within: Span = { start: 0, end: text.length }): Array<Span> =>
  cut(text, within, /\n\s*/g)

/**
 * Sentences of the text. A line break ends one. Abbreviations that stand before a capital ("Dr. Who") are known by a
 * short list, so some sentences are cut in two; none is lost.
 */
export const sentences = (text: string, within: Span = { start: 0, end: text.length }): Array<Span> =>
  lines(text, within).flatMap((line) => cut(text, line, sentenceEnd, isEnd))

/** Words of the text, with what is written onto them. */
export const runs = (text: string, within: Span): Array<Span> => cut(text, within, /\s+/g)

/** White space after the end of a sentence and before what can begin one, or the end of one in CJK. */
const sentenceEnd = /(?<=[.!?…]["'”’»)\]]{0,3})\s+(?=["'“‘«([¿¡]{0,3}[\p{Lu}\p{Lo}\p{N}])|(?<=[。！？])/gu

const abbreviation =
  /(?:^|[\s(])(?:e\.g|i\.e|cf|vs|etc|mr|mrs|ms|dr|prof|st|no|fig|eq|sec|vol|pp|p|[a-z])\.$/iu

const isEnd = (text: string, at: number) => !abbreviation.test(text.slice(Math.max(0, at - 8), at))

/** The parts of `within` between the matches of `separator` that `counts` accepts. */
const cut = (
  text: string,
  within: Span,
  separator: RegExp,
  counts: (text: string, at: number) => boolean = () => true
): Array<Span> => {
  const part = text.slice(within.start, within.end)
  const spans: Array<Span> = []
  let start = 0
  for (const match of part.matchAll(separator)) {
    if (!counts(part, match.index)) continue
    add(spans, part, start, match.index, within.start)
    start = match.index + match[0].length
  }
  add(spans, part, start, part.length, within.start)
  return spans
}

const add = (spans: Array<Span>, part: string, start: number, end: number, offset: number) => {
  const raw = part.slice(start, end)
  const text = raw.trim()
  if (text === "") return
  const from = offset + start + raw.indexOf(text)
  spans.push({ start: from, end: from + text.length })
}
