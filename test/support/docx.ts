/** Word documents made for tests: the fewest parts that one has. */
import { makeZip, type ZipPart } from "./zip.ts"

interface Options {
  readonly title?: string
  readonly author?: string
  readonly created?: string
  readonly language?: string
  /** Parts beside those that a document has. */
  readonly more?: ReadonlyArray<ZipPart>
}

/** Each page is its paragraphs; one that begins with `# ` is a heading. */
export const makeDocx = (
  pages: ReadonlyArray<ReadonlyArray<string>>,
  { author, created, language, more = [], title }: Options = {}
): Uint8Array => {
  const paragraph = (text: string) =>
    text.startsWith("# ")
      ? `<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>${run(text.slice(2))}</w:p>`
      : `<w:p>${run(text)}</w:p>`
  const body = pages
    .map((paragraphs) => paragraphs.map(paragraph).join(""))
    .join('<w:p><w:r><w:br w:type="page"/></w:r></w:p>')
  const field = (name: string, value: string | undefined, type = "") =>
    value === undefined ? "" : `<${name}${type}>${escaped(value)}</${name}>`
  return makeZip([
    {
      name: "[Content_Types].xml",
      text: `${head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`
    },
    {
      name: "_rels/.rels",
      text: `${head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`
    },
    {
      name: "word/document.xml",
      text: `${head}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${body}</w:body></w:document>`
    },
    {
      name: "docProps/core.xml",
      text: `${head}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">${field("dc:title", title)}${field("dc:creator", author)}${field("dc:language", language)}${field("dcterms:created", created, ' xsi:type="dcterms:W3CDTF"')}</cp:coreProperties>`
    },
    {
      name: "docProps/app.xml",
      text: `${head}<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Application>Test &amp; Co</Application><Pages>${pages.length}</Pages></Properties>`
    },
    ...more
  ])
}

const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

const run = (text: string) => `<w:r><w:t xml:space="preserve">${escaped(text)}</w:t></w:r>`

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
