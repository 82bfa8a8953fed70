/**
 * A report as a PDF: what it is of, a chart of its days, and a table of its totals, on as many pages as it takes.
 *
 * The same report is the same bytes. What the fonts of every reader cannot show (other scripts than Latin) is a question
 * mark; the CSV has it whole.
 */
import type { PDFDocument, PDFFont, PDFPage, RGB } from "@cantoo/pdf-lib"
import { Effect } from "effect"
import { optionalPackage } from "../packages/optional.ts"
import { allOf, axisOf, type By, type Chart, type Line, type Measure, money, tokensOf } from "./table.ts"

/** How many lines the table has at most: the CSV has all. */
export const linesMax = 500

export interface Report {
  readonly title: string
  /** What it is of: the time, the zone, and how far it can be relied on. */
  readonly about: ReadonlyArray<string>
  readonly measure: Measure
  readonly currency: string
  readonly chart: Chart
  readonly by: By
  readonly totals: ReadonlyArray<Omit<Line, "date">>
  /** Unix milliseconds: when it says that it was made. */
  readonly at: number
}

// A4, in points.
const width = 595
const height = 842
const margin = 48

const colours = [
  [0.13, 0.35, 0.63],
  [0.9, 0.5, 0.13],
  [0.25, 0.58, 0.35],
  [0.72, 0.22, 0.28],
  [0.47, 0.36, 0.62],
  [0.6, 0.6, 0.6]
] as const

/** The bytes of a report. `Fatal` is of type `PackageMissing`. */
export const pdfOf = Effect.fnUntraced(function* (report: Report) {
  const { PDFDocument, rgb, StandardFonts } = yield* optionalPackage(
    "@cantoo/pdf-lib",
    () => import("@cantoo/pdf-lib")
  )
  return yield* Effect.promise(async () => {
    const document = await PDFDocument.create()
    const at = new Date(report.at)
    document.setTitle(latin(report.title))
    document.setProducer("Troupe")
    document.setCreator("Troupe")
    document.setCreationDate(at)
    document.setModificationDate(at)
    const fonts = {
      plain: await document.embedFont(StandardFonts.Helvetica),
      bold: await document.embedFont(StandardFonts.HelveticaBold)
    }
    const draw = new Drawing(document, fonts, (parts) => rgb(...parts))
    draw.heading(report)
    draw.chart(report)
    draw.table(report)
    return new Uint8Array(await document.save({ useObjectStreams: false }))
  })
})

type Colour = readonly [number, number, number]

const black: Colour = [0.1, 0.1, 0.1]
const grey: Colour = [0.45, 0.45, 0.45]
const pale: Colour = [0.85, 0.85, 0.85]

class Drawing {
  readonly #document: PDFDocument
  readonly #fonts: { readonly plain: PDFFont; readonly bold: PDFFont }
  readonly #rgb: (parts: [number, number, number]) => RGB
  #page: PDFPage
  /** Where the next line goes, from the top. */
  #y = margin

  constructor(
    document: PDFDocument,
    fonts: { readonly plain: PDFFont; readonly bold: PDFFont },
    rgb: (parts: [number, number, number]) => RGB
  ) {
    this.#document = document
    this.#fonts = fonts
    this.#rgb = rgb
    this.#page = document.addPage([width, height])
  }

  #text(text: string, x: number, y: number, over: TextOptions = {}): void {
    const { bold = false, colour = black, right = false, size = 9, room = Infinity } = over
    const font = bold ? this.#fonts.bold : this.#fonts.plain
    const whole = latin(text)
    const fits = (length: number) => font.widthOfTextAtSize(cut(whole, length), size) <= room
    let [least, most] = [1, whole.length]
    // The longest beginning that fits, which is mostly all of it.
    if (room === Infinity || fits(most)) least = most
    while (least < most) {
      const middle = Math.ceil((least + most) / 2)
      if (fits(middle)) least = middle
      else most = middle - 1
    }
    const shown = cut(whole, least)
    const at = right ? x - font.widthOfTextAtSize(shown, size) : x
    this.#page.drawText(shown, { x: at, y: height - y, size, font, color: this.#rgb([...colour]) })
  }

  #box(x: number, y: number, w: number, h: number, colour: Colour): void {
    this.#page.drawRectangle({ x, y: height - y - h, width: w, height: h, color: this.#rgb([...colour]) })
  }

  heading({ about, title }: Report): void {
    this.#text(title, margin, (this.#y += 18), { size: 20, bold: true })
    this.#y += 8
    for (const line of about) this.#text(line, margin, (this.#y += 14), { size: 10, colour: grey })
    this.#y += 22
  }

  /** A bar for each day, of a part for each tenant. */
  chart({ chart: { bars, names }, currency, measure }: Report): void {
    const sums = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0))
    const marks = axisOf(Math.max(0, ...sums))
    const end = marks.at(-1)!
    const left = margin + 44
    const room = width - margin - left
    const tall = 180
    const top = (this.#y += 16)
    const what = measure === "cost" ? `Cost, ${currency}` : measure === "tokens" ? "Tokens" : "Tasks"
    this.#text(`${what}, by day`, margin, top - 8, { bold: true, size: 11 })
    const yOf = (amount: number) => top + tall - (amount / end) * tall
    for (const mark of marks) {
      this.#box(left, yOf(mark), room, 0.5, pale)
      this.#text(short(mark), left - 6, yOf(mark) + 3, { size: 7, colour: grey, right: true })
    }
    const step = room / Math.max(1, bars.length)
    const every = Math.ceil(bars.length / 10)
    for (const [at, { date, parts }] of bars.entries()) {
      let below = 0
      for (const [series, part] of parts.entries()) {
        if (part > 0) {
          const from = yOf(below + part)
          this.#box(left + at * step + step * 0.1, from, step * 0.8, yOf(below) - from, colours[series]!)
        }
        below += part
      }
      if (at % every === 0)
        this.#text(date.slice(5), left + at * step, top + tall + 11, { size: 7, colour: grey })
    }
    let x = left
    for (const [series, name] of names.entries()) {
      this.#box(x, top + tall + 20, 7, 7, colours[series]!)
      this.#text(name, x + 10, top + tall + 27, { size: 8, room: 70 })
      x += 84
    }
    this.#y = top + tall + 52
  }

  table({ by, currency, totals }: Report): void {
    const headings = ["Tenant", by === "tenant" ? "" : by, "Tasks", "Failed", "Calls", "Tokens", currency]
    const rights = [0, 0, 320, 370, 420, 485, width - margin]
    const heading = () => {
      for (const [at, text] of headings.entries()) {
        const where = at === 0 ? margin : at === 1 ? margin + 90 : rights[at]!
        this.#text(text, where, this.#y, { bold: true, right: at > 1 })
      }
      this.#box(margin, this.#y + 4, width - 2 * margin, 0.7, black)
      this.#y += 16
    }
    heading()
    const row = (line: Omit<Line, "date">, bold = false) => {
      this.#text(line.tenant, margin, this.#y, { bold, room: by === "tenant" ? 200 : 84 })
      this.#text(line.of ?? "", margin + 90, this.#y, { room: 150 })
      const cells = [
        line.tasks === undefined ? "" : grouped(line.tasks.submitted),
        line.tasks === undefined ? "" : grouped(line.tasks.failed),
        ...[grouped(line.usage.calls), grouped(tokensOf(line)), cents(line.usage.costMicros)]
      ]
      for (const [at, text] of cells.entries())
        this.#text(text, rights[at + 2]!, this.#y, { bold, right: true })
      this.#y += 13
    }
    for (const line of totals.slice(0, linesMax)) {
      if (this.#y > height - margin - 40) {
        this.#page = this.#document.addPage([width, height])
        this.#y = margin + 12
        heading()
      }
      row(line)
    }
    if (totals.length > 1) row({ ...allOf(totals), tenant: "All" }, true)
    if (totals.length === 0) this.#text("There was nothing.", margin, this.#y, { colour: grey })
    if (totals.length > linesMax) {
      this.#text(`and ${totals.length - linesMax} more, which the CSV has`, margin, this.#y, { colour: grey })
    }
  }
}

interface TextOptions {
  readonly bold?: boolean
  readonly colour?: Colour
  readonly right?: boolean
  readonly size?: number
  /** It is cut there. */
  readonly room?: number
}

const cut = (text: string, length: number): string =>
  length >= text.length ? text : `${text.slice(0, length)}…`

/** What Helvetica has. */
const latin = (text: string): string => text.replace(/[^\x20-\x7e\xa0-\xff…€]/gu, "?")

const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, " ")

const cents = (micros: number): string => {
  const [whole = "0", part = ""] = money(micros).split(".")
  return `${grouped(Number(whole))}.${part.slice(0, 4)}`
}

const short = (amount: number): string =>
  amount >= 1_000_000
    ? `${amount / 1_000_000}M`
    : amount >= 1_000
      ? `${amount / 1_000}k`
      : String(Number(amount.toPrecision(6)))
