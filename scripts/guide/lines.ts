/**
 * Breaks a text into lines of a width: words are kept whole where they fit, and letters stay in their type.
 */
import type { PDFFont } from "@cantoo/pdf-lib"
import type { Run } from "./markdown.ts"

/** The types a text is set in, with their sizes in points. */
export interface Style {
  readonly text: Face
  readonly code: Face
}

export interface Face {
  readonly font: PDFFont
  readonly size: number
}

export interface Piece {
  readonly text: string
  readonly face: Face
}

export interface Line {
  readonly pieces: ReadonlyArray<Piece>
  readonly width: number
}

/** Sums of the same widths in another order may differ by less. */
const rounding = 0.01

/** What stands between two blanks. */
type Word = ReadonlyArray<Piece>

export const layLines = (runs: ReadonlyArray<Run>, style: Style, width: number): Array<Line> => {
  const blank = widthOf({ text: " ", face: style.text })
  const lines: Array<Line> = []
  let pieces: Array<Piece> = []
  let used = 0
  const finish = () => {
    if (pieces.length > 0) lines.push({ pieces: joined(pieces), width: used })
    pieces = []
    used = 0
  }
  for (const word of wordsOf(runs, style).flatMap((whole) => fitting(whole, width))) {
    const needed = sum(word)
    if (pieces.length > 0 && used + blank + needed > width + rounding) finish()
    if (pieces.length > 0) {
      pieces.push({ text: " ", face: style.text })
      used += blank
    }
    pieces.push(...word)
    used += needed
  }
  finish()
  return lines
}

/** The width of the whole text on one line. */
export const naturalWidth = (runs: ReadonlyArray<Run>, style: Style): number =>
  layLines(runs, style, Number.POSITIVE_INFINITY)[0]?.width ?? 0

/** Letter by letter: the font would count kerning, which is not drawn. */
export const widthOf = ({ face, text }: Piece): number =>
  Array.from(text).reduce((width, letter) => width + letterWidth(face.font, letter), 0) * face.size

const letterWidths = new WeakMap<PDFFont, Map<string, number>>()

/** Of a letter of one point. */
const letterWidth = (font: PDFFont, letter: string): number => {
  const known = letterWidths.get(font) ?? new Map<string, number>()
  letterWidths.set(font, known)
  const width = known.get(letter) ?? font.widthOfTextAtSize(letter, 1)
  known.set(letter, width)
  return width
}

const sum = (word: Word) => word.reduce((total, piece) => total + widthOf(piece), 0)

/** Neighbours of one face are one piece, so that a line is few texts in the file. */
const joined = (pieces: ReadonlyArray<Piece>): Array<Piece> => {
  const parts: Array<Piece> = []
  for (const piece of pieces) {
    const last = parts.at(-1)
    if (last !== undefined && last.face === piece.face)
      parts.splice(-1, 1, { ...last, text: last.text + piece.text })
    else parts.push(piece)
  }
  return parts
}

const wordsOf = (runs: ReadonlyArray<Run>, style: Style): Array<Word> => {
  const words: Array<Array<Piece>> = [[]]
  for (const { code, text } of runs) {
    const face = code ? style.code : style.text
    text.split(" ").forEach((part, at) => {
      if (at > 0) words.push([])
      if (part !== "") words.at(-1)!.push({ text: part, face })
    })
  }
  return words.filter((word) => word.length > 0)
}

/** A word that is wider than the line is cut into parts that fit. */
const fitting = (word: Word, width: number): Array<Word> => {
  const [only] = word
  if (word.length !== 1 || only === undefined || widthOf(only) <= width) return [word]
  let fits = only.text.length
  while (fits > 1 && widthOf({ ...only, text: only.text.slice(0, fits) }) > width) fits -= 1
  return [
    [{ ...only, text: only.text.slice(0, fits) }],
    ...fitting([{ ...only, text: only.text.slice(fits) }], width)
  ]
}
