/**
 * Reads Markdown and plain text: one page, with the title it gives itself.
 *
 * Markdown is read as its readers would: links by their words, no marks of headings or emphasis. Lines that were only
 * broken because they were long are joined again.
 */
import { said } from "./metadata.ts"
import { clean, type Extracted } from "./pages.ts"

export const extractText = (text: string): Extracted => ({ pages: [unwrapped(clean(text))] })

export const extractMarkdown = (markdown: string): Extracted => {
  const { body, metadata, title } = withoutFrontMatter(markdown.replace(/\r\n?/g, "\n"))
  const [heading] = /^# .+$/m.exec(body) ?? []
  return {
    pages: [unwrapped(clean(unmarked(body)))],
    title: title ?? (heading === undefined ? undefined : clean(unmarked(heading))),
    metadata
  }
}

/** Settings that many tools keep between two lines of `---` before the text. */
const withoutFrontMatter = (markdown: string) => {
  const end = markdown.startsWith("---\n") ? markdown.indexOf("\n---\n", 3) : -1
  if (end === -1) return { body: markdown, title: undefined, metadata: {} }
  const front = markdown.slice(0, end)
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*["']?(.+?)["']?[ \\t]*$`, "m").exec(front)?.[1]
  const metadata = said({
    ...{ author: field("author"), subject: field("description") },
    ...{ created: field("date"), modified: field("(?:lastmod|updated|modified)") }
  })
  return { body: markdown.slice(end + 5), title: field("title"), metadata }
}

/** Bounded patterns only: a text may be all brackets. */
const unmarked = (markdown: string) =>
  withoutEmbedded(markdown)
    .replace(/<!--[^]{0,2000}?-->/g, "")
    .replace(/!?\[([^\][\n]{0,500})\]\([^()\n]{0,1000}\)/g, "$1")
    .replace(/^ {0,3}#{1,6} +(.*?)(?: +#+)?$/gm, "$1")
    .replace(/^ {0,3}(?:```|~~~).*$/gm, "")
    .replace(/(\*\*|__)(?=\S)([^\n]{1,500}?)(?<=\S)\1/g, "$2")
    .replace(/`([^`\n]{1,500})`/g, "$1")

/**
 * Without what is embedded in it, as pictures are: targets of links, and sources, that begin with `data:`. They may be of any
 * length, so no pattern looks for their end, and nothing is looked at twice.
 */
const withoutEmbedded = (markdown: string) => {
  let text = ""
  let from = 0
  for (const { 0: opening, index } of markdown.matchAll(/(?:\][(:][ \t]{0,3}<?|src=["'])(?=data:)/gi)) {
    if (index < from) continue
    text += markdown.slice(from, index + opening.length)
    from = targetEnd(markdown, index + opening.length, closings.get(opening.at(-1)!))
  }
  return text + markdown.slice(from)
}

const closings = new Map([
  ["<", ">"],
  ['"', '"'],
  ["'", "'"]
])

/** Where a target ends: before the sign that closes it, else a blank or a bracket that it has not opened; or with its line. */
const targetEnd = (markdown: string, from: number, closing: string | undefined) => {
  let open = 0
  for (let at = from; at < markdown.length; at++) {
    const sign = markdown[at]!
    if (sign === "\n" || sign === closing) return at
    if (closing !== undefined) continue
    if (sign === "(") open += 1
    if (sign === ")") open -= 1
    if (sign === " " || sign === "\t" || open < 0) return at
  }
  return markdown.length
}

/** A line that is shorter was not broken for its length. */
const wrapCharactersMin = 45

/** Joins a line with the next one when it is long and neither is an item, a row or a quotation. */
const unwrapped = (text: string) =>
  text.split("\n").reduce((joined, line, at, all) => {
    const before = all[at - 1]
    if (before === undefined) return line
    const wraps =
      before.length >= wrapCharactersMin && line !== "" && !ownLine.test(line) && !/^\s*\|/.test(before)
    return `${joined}${wraps ? " " : "\n"}${line}`
  }, "")

const ownLine = /^\s*(?:[-*+•>|#]|\d{1,3}[.)]\s)/
