/** PDFs that are made to be read for hours, or to take all memory. They are small, and hold nothing that is not allowed. */
import { deflateSync } from "node:zlib"

/** A PDF of one page with these contents and forms; form number 0 is called `/X0`. */
const pdfOf = (contents: Uint8Array, forms: ReadonlyArray<string> = []): Uint8Array => {
  const packed = deflateSync(contents)
  const fontAndForms = (from: number) =>
    `<< /Font << /F1 5 0 R >> /XObject << ${forms.map((_, at) => (at < from ? "" : `/X${at} ${at + 6} 0 R`)).join(" ")} >> >>`
  const stream = (dictionary: string, bytes: Uint8Array) =>
    Buffer.concat([
      Buffer.from(`<< ${dictionary} /Length ${bytes.length} >>\nstream\n`),
      bytes,
      Buffer.from("\nendstream")
    ])
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources ${fontAndForms(0)} >>`,
    stream("/Filter /FlateDecode", packed),
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ...forms.map((form, at) =>
      stream(
        `/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources ${fontAndForms(at + 1)}`,
        Buffer.from(form)
      )
    )
  ]
  const pieces = [Buffer.from("%PDF-1.4\n")]
  const places: Array<number> = []
  let at = pieces[0]!.length
  objects.forEach((object, index) => {
    const piece = Buffer.concat([
      Buffer.from(`${index + 1} 0 obj\n`),
      Buffer.from(object),
      Buffer.from("\nendobj\n")
    ])
    places.push(at)
    pieces.push(piece)
    at += piece.length
  })
  const rows = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("")
  const trailer = `trailer << /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${at}\n%%EOF`
  pieces.push(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}${trailer}`))
  return new Uint8Array(Buffer.concat(pieces))
}

const uses = 20
const text = "BT /F1 12 Tf (a) Tj ET"

/** Forms that use the next one twenty times each: with a depth of 8 that is 25 billion texts, in some 3 KB. */
export const nestedForms = (depth = 8): Uint8Array =>
  pdfOf(
    Buffer.from("/X0 Do ".repeat(uses)),
    Array.from({ length: depth }, (_, at) => (at === depth - 1 ? text : `/X${at + 1} Do `.repeat(uses)))
  )

/** Contents that unpack to so many megabytes of operators which do nothing. */
export const manyOperators = (megabytes: number): Uint8Array =>
  pdfOf(Buffer.alloc(megabytes * 1_000_000, "q Q\n"))

/** Contents that unpack to so many megabytes of spaces. */
export const manySpaces = (megabytes: number): Uint8Array => pdfOf(Buffer.alloc(megabytes * 1_000_000, " "))
