/**
 * The text of elements: paragraphs with blank lines between them, list items and table rows on lines of their own.
 */
import { clean } from "./pages.ts"

export const elementNode = 1
const textNode = 3

/** Elements that are not read. */
const unread = new Set(
  "SCRIPT STYLE NOSCRIPT TEMPLATE IFRAME OBJECT SVG CANVAS HEAD TITLE SELECT BUTTON".split(" ")
)

/** Elements that stand on lines of their own. */
const blocks = new Set(
  `ADDRESS ARTICLE ASIDE BLOCKQUOTE BODY DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6
  HEADER HR MAIN NAV OL P PRE SECTION SUMMARY TABLE UL`.split(/\s+/)
)

/** A rule of this class is where one page ends and the next begins. */
export const pageBreakClass = "page-break"

/** The text of an element. */
export const textOf = (root: Node): string => clean(pagesOf(root).join("\n\n"))

/** The texts of its pages, of which there is one where nothing says that a page ends. */
export const pagesOf = (root: Node): Array<string> => {
  const parts: Array<string> = []
  walk(root, (node, _, entering) => {
    if (node.nodeType === textNode) {
      const text = node.textContent ?? ""
      parts.push(isWithinPre(node) ? text : text.replace(/\s+/g, " "))
      return true
    }
    const name = node.nodeName.toUpperCase()
    if (unread.has(name)) return false
    if (name === "BR") parts.push(entering ? "\n" : "")
    else if (name === "LI") parts.push(entering ? "\n- " : "")
    else if (name === "TR") parts.push(entering ? "\n" : "")
    else if (name === "HR" && (node as Element).className === pageBreakClass) parts.push(entering ? "\f" : "")
    else if (name === "TD" || name === "TH") parts.push(entering ? "" : " | ")
    else if (blocks.has(name)) parts.push("\n\n")
    return true
  })
  return parts
    .join("")
    .split("\f")
    .map((page) => clean(page.replace(/^- *\n+/gm, "- ").replace(/ \| *$/gm, "")))
}

const isWithinPre = (node: Node) => node.parentNode?.nodeName.toUpperCase() === "PRE"

/**
 * Visits the nodes in order, elements also when they end. `visit` says whether to go in. A loop and no recursion: a
 * page may be deeper than the stack.
 */
export const walk = (root: Node, visit: (node: Node, depth: number, entering: boolean) => boolean) => {
  let node = root
  let depth = 0
  for (;;) {
    const child = visit(node, depth, true) ? node.firstChild : null
    if (child !== null) {
      node = child
      depth += 1
      continue
    }
    if (node.nodeType === elementNode) visit(node, depth, false)
    while (node !== root && node.nextSibling === null) {
      node = node.parentNode!
      depth -= 1
      visit(node, depth, false)
    }
    if (node === root) return
    node = node.nextSibling!
  }
}
