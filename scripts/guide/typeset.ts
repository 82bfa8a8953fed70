/**
 * Sets chapters on A4: a title page, the contents, then one chapter after the other, with page numbers.
 *
 * Standard fonts only, so nothing is loaded; fixed dates, so that the same chapters give the same bytes.
 */
import { PDFDocument, type PDFFont, type PDFPage, rgb, StandardFonts } from "@cantoo/pdf-lib"
import { type Face, layLines, type Line, naturalWidth, type Style, widthOf } from "./lines.ts"
import type { Block, Chapter, Run } from "./markdown.ts"

const title = "The Troupe guide"
const subtitle = "Durable work for AI agents, on one Redis"
const date = new Date("2026-01-01T00:00:00Z")

// Lengths are in points.
const sheetSize: [number, number] = [595.28, 841.89]
const margin = { left: 84, top: 88, bottom: 92 }
const measure = sheetSize[0] - 2 * margin.left

const sizes = { body: 10.5, code: 8.8, table: 9.3, section: 13, chapter: 23, small: 8.5 }
const leading = 1.42

const ink = rgb(0.12, 0.12, 0.14)
const quiet = rgb(0.45, 0.45, 0.5)
const accent = rgb(0.58, 0.2, 0.16)
const shade = rgb(0.957, 0.95, 0.938)
const rule = rgb(0.8, 0.78, 0.75)

interface Fonts {
  readonly text: PDFFont
  readonly bold: PDFFont
  readonly plain: PDFFont
  readonly code: PDFFont
}

export const typeset = async (chapters: ReadonlyArray<Chapter>): Promise<Uint8Array> => {
  const document = await PDFDocument.create()
  const fonts: Fonts = {
    text: await document.embedFont(StandardFonts.TimesRoman),
    bold: await document.embedFont(StandardFonts.HelveticaBold),
    plain: await document.embedFont(StandardFonts.Helvetica),
    code: await document.embedFont(StandardFonts.Courier)
  }
  const titlePage = document.addPage(sheetSize)
  const contents = document.addPage(sheetSize)
  const setChapter = openSetter(document, fonts)
  const entries = chapters.map((chapter, at) => ({ title: chapter.title, page: setChapter(chapter, at + 1) }))
  drawTitle(titlePage, fonts)
  drawContents(contents, fonts, entries)
  numberPages(document, fonts)

  document.setTitle(title)
  document.setSubject(subtitle)
  document.setLanguage("en")
  document.setAuthor("The Troupe project")
  document.setCreator("scripts/guide-pdf.ts")
  document.setProducer("pdf-lib")
  document.setCreationDate(date)
  document.setModificationDate(date)
  return document.save()
}

// ---------------------------------------------------------------------------------------------------------
// Chapters
// ---------------------------------------------------------------------------------------------------------

/** A chapter goes on where the last one ended when so much of the sheet is left, else on the next one. */
const chapterSpace = 0.42 * sheetSize[1]

/** Opens a setter of chapters; each call gives the number of the page that the chapter begins on. */
const openSetter = (document: PDFDocument, fonts: Fonts) => {
  /** Where the next thing is set: `y` is the height of the free space's upper edge above the sheet's foot. */
  const place: { sheet: PDFPage; y: number } = { sheet: document.getPages().at(-1)!, y: 0 }
  const body: Style = {
    text: { font: fonts.text, size: sizes.body },
    code: { font: fonts.code, size: sizes.body * 0.86 }
  }
  const table: Style = {
    text: { font: fonts.text, size: sizes.table },
    code: { font: fonts.code, size: sizes.table * 0.86 }
  }

  /** Makes sure that `height` is free, on this sheet or the next. */
  const need = (height: number) => {
    if (place.y - height >= margin.bottom) return
    place.sheet = document.addPage(sheetSize)
    place.y = sheetSize[1] - margin.top
  }
  const setLine = (line: Line, x: number, height: number) => {
    place.y -= height
    drawLine(place.sheet, line, x, place.y + height * 0.28)
  }
  const setLines = (runs: ReadonlyArray<Run>, indent = 0) => {
    const lines = layLines(runs, body, measure - indent)
    lines.forEach((line, at) => {
      // Neither the first nor the last line of a paragraph stands alone.
      const together = at === 0 || at === lines.length - 2 ? 2 : 1
      need(Math.min(together, lines.length - at) * sizes.body * leading)
      setLine(line, margin.left + indent, sizes.body * leading)
    })
  }

  const set = (block: Block) => {
    if (block.kind === "section") {
      place.y -= sizes.section * 1.5
      place.sheet.drawText(block.title, {
        x: margin.left,
        y: place.y,
        size: sizes.section,
        font: fonts.bold,
        color: ink
      })
      place.y -= sizes.section * 0.55
    } else if (block.kind === "paragraph") {
      setLines(block.runs)
      place.y -= sizes.body * 0.62
    } else if (block.kind === "list") {
      for (const { mark, runs } of block.items) {
        need(sizes.body * leading * 2)
        const at = { x: margin.left + 4, y: place.y - sizes.body * leading * 0.72, size: sizes.body }
        place.sheet.drawText(mark, { ...at, font: fonts.text, color: accent })
        setLines(runs, 18)
        place.y -= sizes.body * 0.25
      }
      place.y -= sizes.body * 0.45
    } else if (block.kind === "code") setCode(block.lines)
    else setTable(block.rows)
  }

  /** Height of what should stand on one sheet with the heading before it: some lines, or a table and what leads to it. */
  const together = ([first, second]: ReadonlyArray<Block>): number => {
    const some = 4 * sizes.body * leading
    if (first?.kind === "table") return first.rows.length * (sizes.table * leading + 4)
    return second?.kind === "table" || second?.kind === "code" ? some + together([second]) : some
  }

  const setCode = (lines: ReadonlyArray<string>) => {
    const height = sizes.code * 1.38
    const padding = 8
    need(lines.length * height + 2 * padding)
    const box = lines.length * height + 2 * padding
    place.sheet.drawRectangle({ x: margin.left, y: place.y - box, width: measure, height: box, color: shade })
    place.y -= padding
    for (const line of lines) {
      place.y -= height
      const at = { x: margin.left + 10, y: place.y + height * 0.3, size: sizes.code }
      place.sheet.drawText(line, { ...at, font: fonts.code, color: ink })
    }
    place.y -= padding + sizes.body * 0.8
  }

  const setTable = ([head = [], ...rows]: ReadonlyArray<Row>) => {
    const heads: Style = { text: { font: fonts.bold, size: sizes.table * 0.88 }, code: table.code }
    const widths = columns(head, rows, heads, table)
    const setRow = (cells: Row, style: Style) => {
      const laid = cells.map((cell, at) => layLines(cell, style, widths[at]! - columnGap))
      const height = sizes.table * leading
      const deep = Math.max(...laid.map((lines) => lines.length)) * height + 4
      need(deep)
      let x = margin.left
      laid.forEach((lines, at) => {
        lines.forEach((line, row) => drawLine(place.sheet, line, x, place.y - 2 - (row + 0.74) * height))
        x += widths[at]!
      })
      place.y -= deep
      const across = { start: { x: margin.left, y: place.y }, end: { x: margin.left + measure, y: place.y } }
      place.sheet.drawLine({ ...across, thickness: 0.5, color: rule })
    }
    place.y -= 2
    need(sizes.table * leading * 3)
    setRow(head, heads)
    for (const row of rows) setRow(row, table)
    place.y -= sizes.body
  }

  return (chapter: Chapter, number: number): number => {
    place.y -= sizes.chapter * 1.6
    need(chapterSpace)
    const page = document.getPageCount()
    const at = { x: margin.left, font: fonts.bold }
    place.sheet.drawText(`CHAPTER ${number}`, { ...at, y: place.y, size: sizes.small, color: accent })
    place.y -= sizes.chapter * 1.3
    place.sheet.drawText(chapter.title, { ...at, y: place.y, size: sizes.chapter, color: ink })
    place.y -= sizes.chapter * 0.9
    chapter.blocks.forEach((block, at) => {
      if (block.kind === "section") need(sizes.section * 2 + together(chapter.blocks.slice(at + 1)))
      set(block)
    })
    return page
  }
}

const columnGap = 12

type Row = ReadonlyArray<ReadonlyArray<Run>>

/** Each column as wide as it wants to be, up to a part of the measure; the last one takes what is left. */
const columns = (head: Row, rows: ReadonlyArray<Row>, heads: Style, style: Style): Array<number> => {
  const most = measure * (head.length === 2 ? 0.45 : 0.36)
  const widths = head.slice(0, -1).map((cell, at) => {
    const wanted = rows.map((row) => naturalWidth(row[at] ?? [], style))
    return Math.min(most, Math.max(naturalWidth(cell, heads), ...wanted) + columnGap)
  })
  return [...widths, measure - widths.reduce((sum, width) => sum + width, 0)]
}

const drawLine = (sheet: PDFPage, line: Line, from: number, y: number) => {
  let x = from
  for (const piece of line.pieces) {
    sheet.drawText(piece.text, { x, y, size: piece.face.size, font: piece.face.font, color: ink })
    x += widthOf(piece)
  }
}

// ---------------------------------------------------------------------------------------------------------
// Title page, contents, page numbers
// ---------------------------------------------------------------------------------------------------------

const drawTitle = (sheet: PDFPage, fonts: Fonts) => {
  sheet.drawRectangle({ x: margin.left, y: 588, width: 44, height: 5, color: accent })
  sheet.drawText(title, { x: margin.left, y: 532, size: 40, font: fonts.bold, color: ink })
  sheet.drawText(subtitle, { x: margin.left, y: 500, size: 15, font: fonts.plain, color: quiet })
  const lines = [
    "For those who submit tasks, write handlers, and keep the system running.",
    "Typeset from docs/guide by scripts/guide-pdf.ts."
  ]
  lines.forEach((text, at) =>
    sheet.drawText(text, { x: margin.left, y: 120 - at * 15, size: 10, font: fonts.text, color: quiet })
  )
}

const drawContents = (
  sheet: PDFPage,
  fonts: Fonts,
  entries: ReadonlyArray<{ title: string; page: number }>
) => {
  let y = sheetSize[1] - margin.top - sizes.chapter
  sheet.drawText("Contents", { x: margin.left, y, size: sizes.chapter, font: fonts.bold, color: ink })
  y -= 40
  const face: Face = { font: fonts.text, size: 11.5 }
  entries.forEach((entry, at) => {
    const number = String(entry.page)
    const right = margin.left + measure - widthOf({ text: number, face })
    sheet.drawText(String(at + 1), { x: margin.left, y, size: face.size, font: face.font, color: accent })
    sheet.drawText(entry.title, { x: margin.left + 24, y, size: face.size, font: face.font, color: ink })
    sheet.drawText(number, { x: right, y, size: face.size, font: face.font, color: ink })
    const from = margin.left + 24 + widthOf({ text: entry.title, face }) + 8
    sheet.drawLine({
      start: { x: from, y: y + 2 },
      end: { x: right - 8, y: y + 2 },
      thickness: 0.6,
      dashArray: [0.6, 3.4],
      color: rule
    })
    y -= 25
  })
}

const numberPages = (document: PDFDocument, fonts: Fonts) => {
  document.getPages().forEach((sheet, at) => {
    if (at === 0) return
    const face: Face = { font: fonts.plain, size: sizes.small }
    const number = String(at + 1)
    const y = margin.bottom - 36
    sheet.drawText(title, { x: margin.left, y, size: face.size, font: face.font, color: quiet })
    const x = margin.left + measure - widthOf({ text: number, face })
    sheet.drawText(number, { x, y, size: face.size, font: face.font, color: quiet })
  })
}
