/**
 * Makes a folder of real documents out of what is on this machine: the texts, pages and Markdown that Debian's packages and
 * those of `node_modules` bring, and PDFs and Word documents made of them.
 *
 *     bun scripts/corpus.ts FOLDER [COUNT]          default: 200
 *
 * The same machine gives the same documents. No two are the same, none is in a language's catalogue only, and each begins
 * with what it is made of in its name.
 */
import { PDFDocument, StandardFonts } from "@cantoo/pdf-lib"
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import * as path from "node:path"
import { gunzipSync } from "node:zlib"
import { makeDocx } from "../test/support/docx.ts"

const modules = path.resolve(import.meta.dir, "../node_modules")
const debian = "/usr/share/doc"

/** How many of a hundred documents are of each kind. */
const shares = { pdf: 20, docx: 10, html: 25, md: 20, txt: 25 } as const
type Kind = keyof typeof shares

/** Characters of a text that is taken. */
const charactersMin = 2_000
const charactersMax = 60_000

interface Found {
  /** What it comes from, for its name. */
  readonly name: string
  readonly text: string
}

/** Makes the folder anew, with about so many documents, and gives their paths below it. */
export const makeCorpus = async (folder: string, count = 200): Promise<Array<string>> => {
  await rm(folder, { recursive: true, force: true })
  const sources = await sourcesOf()
  const made: Array<string> = []
  const used = new Set<string>()
  for (const kind of Object.keys(shares) as Array<Kind>) {
    const wanted = Math.round((count * shares[kind]) / 100)
    await mkdir(path.join(folder, kind), { recursive: true })
    // What one kind has used another does not: two kinds of one text would be two answers to one question.
    const own = sources[kind].filter(({ text }) => !used.has(text))
    const others = sources.md.filter(({ text }) => !used.has(text) && !own.some((each) => each.text === text))
    const taken = own.length < wanted ? [...own, ...spread(others, wanted - own.length)] : spread(own, wanted)
    for (const [at, found] of taken.entries()) {
      used.add(found.text)
      const name = `${kind}/${String(at).padStart(3, "0")}-${found.name}.${kind}`
      await writeFile(path.join(folder, name), await contentOf(kind, found))
      made.push(name)
    }
  }
  return made.sort()
}

/** So many of them, evenly spread. */
const spread = <A>(all: ReadonlyArray<A>, count: number): Array<A> =>
  Array.from(
    { length: Math.min(count, all.length) },
    (_, at) => all[Math.floor((at * all.length) / Math.min(count, all.length))]!
  )

// ---------------------------------------------------------------------------------------------------------
// What there is
// ---------------------------------------------------------------------------------------------------------

const sourcesOf = async (): Promise<Record<Kind, ReadonlyArray<Found>>> => {
  const seen = new Set<string>()
  const read = async (files: ReadonlyArray<string>) => {
    const found: Array<Found> = []
    for (const file of files) {
      const text = await textOf(file)
      if (text === undefined || seen.has(text)) continue
      seen.add(text)
      found.push({ name: nameOf(file), text })
    }
    return found
  }
  const [there, brought] = [await filesBelow(debian), await filesBelow(modules)]
  const all = [...there, ...brought]
  const html = await read(
    all.filter((file) => /\.html?$/.test(file) && !/lcov-report|player\.html/.test(file))
  )
  const md = await read(all.filter((file) => /\.md$/i.test(file)))
  const txt = await read(
    there.filter(
      (file) =>
        /(?:^|\/)(?:copyright|README[^/]*|NEWS[^/]*|[^/]*\.txt)(?:\.gz)?$/.test(file) && !/\.md/.test(file)
    )
  )
  // The longer texts become PDFs of some pages.
  const long = txt.filter(({ text }) => text.length > 8_000)
  return { html, md, docx: md, pdf: long.length > 0 ? long : md, txt }
}

const filesBelow = async (folder: string): Promise<Array<string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

/** Its text, if it is one of a length that a document has. */
const textOf = async (file: string): Promise<string | undefined> => {
  const bytes = await readFile(file).catch(() => undefined)
  if (bytes === undefined || bytes.length > 4 * charactersMax) return undefined
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      file.endsWith(".gz") ? gunzipSync(bytes, { maxOutputLength: charactersMax }) : bytes
    )
    return text.length >= charactersMin && text.length <= charactersMax && !text.includes("\0")
      ? text
      : undefined
  } catch {
    // It is in another encoding, or longer.
    return undefined
  }
}

const nameOf = (file: string) =>
  path
    .relative(file.startsWith(modules) ? modules : debian, file)
    .replace(/\.(gz|txt|md|html?)$/gi, "")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .slice(-60)
    .replace(/^-|-$/g, "")

// ---------------------------------------------------------------------------------------------------------
// What is made of it
// ---------------------------------------------------------------------------------------------------------

const contentOf = async (kind: Kind, { name, text }: Found): Promise<string | Uint8Array> => {
  switch (kind) {
    case "txt":
    case "md":
      return text
    case "html":
      return /<(?:p|div|body|h1)\b/i.test(text)
        ? text
        : `<!doctype html><title>${name}</title><pre>${escaped(text)}</pre>`
    case "docx":
      return makeDocx(pagesOf(text, 4_000), { title: name, created: "2026-01-31T00:00:00Z" })
    case "pdf":
      return pdfOf(name, text)
  }
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** Paragraphs, on pages of about so many characters. */
const pagesOf = (text: string, characters: number): Array<Array<string>> => {
  const pages: Array<Array<string>> = [[]]
  let held = 0
  for (const paragraph of text.split(/\n\s*\n/)) {
    const line = paragraph.replace(/\s+/g, " ").trim()
    if (line === "") continue
    if (held > characters) {
      pages.push([])
      held = 0
    }
    pages.at(-1)!.push(line)
    held += line.length
  }
  return pages
}

const lineCharacters = 92
const linesOfPage = 52

const pdfOf = async (name: string, text: string): Promise<Uint8Array> => {
  const document = await PDFDocument.create()
  const font = await document.embedFont(StandardFonts.TimesRoman)
  document.setTitle(name)
  document.setCreationDate(new Date("2026-01-31T00:00:00Z"))
  document.setModificationDate(new Date("2026-01-31T00:00:00Z"))
  const lines = text
    // The standard fonts have the letters of Latin-1 only.
    .replace(/[^\n\x20-\x7e\xa1-\xff]/g, " ")
    .split("\n")
    .flatMap(wrapped)
  for (let at = 0; at < lines.length; at += linesOfPage) {
    const page = document.addPage([595, 842])
    lines.slice(at, at + linesOfPage).forEach((line, row) => {
      if (line !== "") page.drawText(line, { x: 56, y: 790 - 14 * row, size: 10, font })
    })
  }
  return document.save()
}

const wrapped = (line: string): Array<string> => {
  const rows = [""]
  for (const word of line.trimEnd().split(" ")) {
    const row = rows.at(-1)!
    if (row !== "" && row.length + word.length >= lineCharacters) rows.push(word.slice(0, lineCharacters))
    else rows[rows.length - 1] = `${row}${row === "" ? "" : " "}${word}`.slice(0, lineCharacters)
  }
  return rows
}

if (import.meta.main) {
  const [folder, count = "200"] = process.argv.slice(2)
  if (folder === undefined || !/^[1-9]\d{0,4}$/.test(count)) {
    console.error("bun scripts/corpus.ts FOLDER [COUNT]")
    process.exit(2)
  }
  const made = await makeCorpus(path.resolve(folder), Number(count))
  console.log(`${made.length} documents in ${folder}`)
}
