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
  markdown
    .replace(/<!--[^]{0,2000}?-->/g, "")
    .replace(/!?\[([^\][\n]{0,500})\]\([^()\n]{0,1000}\)/g, "$1")
    .replace(/^ {0,3}#{1,6} +(.*?)(?: +#+)?$/gm, "$1")
    .replace(/^ {0,3}(?:```|~~~).*$/gm, "")
    .replace(/(\*\*|__)(?=\S)([^\n]{1,500}?)(?<=\S)\1/g, "$2")
    .replace(/`([^`\n]{1,500})`/g, "$1")

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
