/** PDFs made for tests. */
import { PDFDocument, StandardFonts } from "@cantoo/pdf-lib"

interface Options {
  readonly title?: string
  readonly author?: string
  readonly subject?: string
  readonly created?: Date
  /** What must be known to open it. */
  readonly password?: string
}

/** Each page is its paragraphs; each paragraph its lines. */
export const makePdf = async (
  pages: ReadonlyArray<ReadonlyArray<ReadonlyArray<string>>>,
  { author, created, password, subject, title }: Options = {}
): Promise<Uint8Array> => {
  const document = await PDFDocument.create()
  const font = await document.embedFont(StandardFonts.Helvetica)
  if (title !== undefined) document.setTitle(title)
  if (author !== undefined) document.setAuthor(author)
  if (subject !== undefined) document.setSubject(subject)
  if (created !== undefined) document.setCreationDate(created)
  for (const paragraphs of pages) {
    const page = document.addPage([595, 842])
    let y = 770
    for (const lines of paragraphs) {
      for (const line of lines) {
        page.drawText(line, { x: 60, y, size: 11, font })
        y -= 15
      }
      y -= 12
    }
  }
  if (password !== undefined) document.encrypt({ userPassword: password, ownerPassword: `${password}!` })
  return document.save()
}
