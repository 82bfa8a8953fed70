/**
 * Makes paragraphs of what a PDF has: words at places.
 *
 * Lines are joined into paragraphs by the space between them and the size of their letters. Rows of a table, items of
 * a list and lines of code stay lines of their own; a table's cells are parted by bars.
 */

/** The part of what PDF.js says of a page's text that is used. */
export interface PageText {
  readonly items: ReadonlyArray<{
    readonly str: string
    readonly hasEOL: boolean
    readonly width: number
    readonly height: number
    readonly fontName: string
    /** A matrix; its last two numbers are the place from the left and above the foot of the page, in points. */
    readonly transform: ReadonlyArray<number>
  }>
  readonly styles: Readonly<Record<string, { readonly fontFamily?: string }>>
}

interface Line {
  readonly text: string
  /** Height above the foot of the page, in points. */
  readonly y: number
  /** Size of the letters, in points. */
  readonly size: number
  /** It is a row of a table, or of code: what follows it is not its continuation. */
  readonly row: boolean
}

/** The text of a page, with blank lines between paragraphs. */
export const layoutText = (page: PageText): string => {
  const lines = linesOf(page)
  const usual = usualGaps(lines)
  let text = ""
  lines.forEach((line, at) => {
    const before = lines[at - 1]
    if (before === undefined) text = line.text
    else if (isBreak(before, line, usual)) text += `\n\n${line.text}`
    else if (line.row || before.row || listMark.test(line.text)) text += `\n${line.text}`
    // A word that was divided at the line's end becomes one again.
    else if (/\p{Ll}[-\u00ad]$/u.test(text) && /^\p{Ll}/u.test(line.text))
      text = text.slice(0, -1) + line.text
    else text += ` ${line.text}`
  })
  return text
}

/** A gap of so many times the letters' size is the space between two columns. */
const columnGap = 1.8

const linesOf = ({ items, styles }: PageText): Array<Line> => {
  const lines: Array<Line> = []
  let line: Line | undefined
  let code = true
  let end = 0
  const finish = () => {
    if (line !== undefined) lines.push({ ...line, text: line.text.trim(), row: line.row || code })
    line = undefined
    code = true
  }
  for (const { fontName, hasEOL, height, str, transform, width } of items) {
    if (str.trim() !== "") {
      const x = transform[4] ?? 0
      if (styles[fontName]?.fontFamily !== "monospace") code = false
      line ??= { text: "", y: transform[5] ?? 0, size: height, row: false }
      const cell = line.text !== "" && x - end > columnGap * Math.max(line.size, height)
      line = {
        ...line,
        text: cell ? `${line.text.trimEnd()} | ${str}` : line.text + str,
        size: Math.max(line.size, height),
        row: line.row || cell
      }
      end = x + width
    } else if (line !== undefined) line = { ...line, text: line.text + str }
    if (hasEOL) finish()
  }
  finish()
  return lines
}

/** So many times the usual distance between lines is a paragraph's end. */
const paragraphGap = 1.25

/** Letters that differ by so much in size are not of one paragraph. */
const sizeStep = 1.12

const listMark = /^(?:[•‣▪◦–*-]|\d{1,3}[.)])\s/

const isBreak = (before: Line, line: Line, usual: ReadonlyMap<number, number>) => {
  const gap = before.y - line.y
  // Upward is a new column.
  return (
    gap < 0 ||
    gap > (usual.get(Math.round(line.size)) ?? gap) * paragraphGap ||
    Math.max(before.size, line.size) > Math.min(before.size, line.size) * sizeStep
  )
}

/** The usual distance to the next line, for each size of letters: the one that a quarter of them do not exceed. */
const usualGaps = (lines: ReadonlyArray<Line>): ReadonlyMap<number, number> => {
  const gaps = new Map<number, Array<number>>()
  lines.forEach((line, at) => {
    const before = lines[at - 1]
    const size = Math.round(line.size)
    const gap = (before?.y ?? 0) - line.y
    if (before !== undefined && Math.round(before.size) === size && gap > 0)
      gaps.set(size, [...(gaps.get(size) ?? []), gap])
  })
  return new Map(
    [...gaps].map(([size, found]) => [size, found.sort((a, b) => a - b)[Math.floor(found.length / 4)]!])
  )
}
