/**
 * Reads the article out of an HTML page with `linkedom` and Mozilla's Readability, else the text of its body.
 *
 * Nothing of the page is run or loaded. Pages that are made to be slow to read are read by the simple way.
 */
import { Effect } from "effect"
import { refuse } from "../refusal/refuse.ts"
import type { Metadata } from "../text/documents.ts"
import { elementNode, textOf, walk } from "./elements.ts"
import { said } from "./metadata.ts"
import { clean, type Extracted } from "./pages.ts"

/** A larger page is refused, in UTF-16 units: it is parsed in one go, at about 10 MB a second. */
export const htmlCharactersMax = 8 * 1024 * 1024

/**
 * Readability's time grows with the square of the depth: 500 elements in each other took it 1.4 s, 3 000 more than
 * 100 s. Pages of people are less than 50 deep and have less than 10 000 elements.
 */
const depthMax = 100
const elementsMax = 20_000

/** What Readability takes for an article must have so many characters, else the whole body is taken. */
const articleCharactersMin = 200

export const extractHtml = Effect.fn("extractHtml")(function* (html: string) {
  if (html.length > htmlCharactersMax) {
    return yield* refuse(
      "DocumentTooLarge",
      `the page has ${html.length} characters; at most ${htmlCharactersMax} can be processed`
    )
  }
  const { parseHTML } = yield* Effect.promise(() => import("linkedom"))
  const { Readability } = yield* Effect.promise(() => import("@mozilla/readability"))
  return yield* Effect.sync((): Extracted => {
    const found = parseHTML(withoutEnds(html)).document
    const title = clean(found.querySelector("title")?.textContent ?? "")
    const language = found.querySelector("html")?.getAttribute("lang") ?? ""
    const metadata = metadataOf(found)
    const document = isWhole(found) ? found : parseHTML(asBody(html)).document
    // Readability takes the page apart, so the body is read first.
    const body = textOf(document.body)
    const article = isOrdinary(document.body)
      ? articleOf(new Readability(document, { serializer: (node) => node }))
      : ""
    return {
      pages: [article.length >= articleCharactersMin ? article : body],
      title: title === "" ? undefined : title,
      language: language === "" ? undefined : language,
      metadata
    }
  })
})

/** What a page says of itself to search engines and to those who share it. */
const metadataOf = (document: Document): Metadata => {
  const meta = (...names: ReadonlyArray<string>) =>
    names
      .map((name) =>
        document.querySelector(`meta[name="${name}" i], meta[property="${name}" i]`)?.getAttribute("content")
      )
      .find((content) => content !== undefined && content !== null && content.trim() !== "")
  return said({
    author: meta("author", "article:author", "dc.creator", "dcterms.creator"),
    subject: meta("description", "og:description", "dc.description"),
    created: meta("article:published_time", "dcterms.created", "dc.date", "date"),
    modified: meta("article:modified_time", "dcterms.modified", "last-modified"),
    producer: meta("generator")
  })
}

/** `linkedom` loses what stands after the end of a page; browsers do not. */
const withoutEnds = (html: string) => html.replace(/<\/(?:body|html)\s*>/gi, "")

/** Whether it has the head and the body that browsers would add, and that `linkedom` and Readability rely on. */
const isWhole = ({ documentElement: root }: Document) =>
  root?.nodeName === "HTML" && root.children[0]?.nodeName === "HEAD" && root.children[1]?.nodeName === "BODY"

const asBody = (html: string) =>
  `<!doctype html><html><head></head><body>${html.replace(/<!doctype[^>]*>|<\?xml[^>]*>|<\/?(?:html|head|body)(?:\s[^>]*)?>/gi, "")}`

const articleOf = (readability: {
  readonly parse: () => { readonly content?: Node | null | undefined } | null
}): string => {
  try {
    const content = readability.parse()?.content
    return content ? textOf(content) : ""
  } catch {
    // It fails on pages that no browser would show either; the body's text is what there is.
    return ""
  }
}

const isOrdinary = (body: Node) => {
  let elements = 0
  let depthSeen = 0
  walk(body, (node, depth, entering) => {
    if (entering && node.nodeType === elementNode) elements += 1
    depthSeen = Math.max(depthSeen, depth)
    return elements <= elementsMax && depthSeen <= depthMax
  })
  return elements <= elementsMax && depthSeen <= depthMax
}
