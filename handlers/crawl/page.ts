/**
 * What an HTML page says of itself and of others: its title, its links, what it is really called, and who may keep it.
 *
 * It is read from its beginning to its end and no tree is made of it, so that a page takes no longer than its length,
 * whoever has made it.
 */
import { Effect } from "effect"
import { Parser } from "htmlparser2"
import { createHash } from "node:crypto"
import { normalise } from "./address.ts"

const titleCharactersMax = 300

/** A page that is nested deeper is read no further: the parser would take longer with each element. */
const depthMax = 1_000

/** How much is read at a time. */
const pieceLength = 65_536

/** What links a page has beyond are only counted. */
const linksMax = 10_000

export interface PageRead {
  readonly title: string | undefined
  /** The address it says it has, where that is another one. */
  readonly canonical: string | undefined
  /** Normalised, each once, in their order. */
  readonly links: ReadonlyArray<string>
  /** How many further ones were not looked at, whatever they lead to. */
  readonly linksUnread: number
  readonly noindex: boolean
  readonly nofollow: boolean
  /** The same for pages whose text is the same. */
  readonly hash: string
}

/** What a robots meta element or header says; `agent:` before a word names whom it is for. */
export const directives = (
  text: string,
  token: string
): { readonly noindex: boolean; readonly nofollow: boolean } => {
  const words = new Set<string>()
  for (const part of text.toLowerCase().split(",")) {
    const [, agent, word = ""] = /^\s*(?:([a-z0-9_-]+)\s*:)?\s*([a-z-]+)/.exec(part) ?? []
    if (agent === undefined || agent === token.toLowerCase()) words.add(word)
  }
  return {
    noindex: words.has("noindex") || words.has("none"),
    nofollow: words.has("nofollow") || words.has("none")
  }
}

export const hashOf = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 32)

/** Reads a page that was found at `url`, as the crawler that robots.txt calls `token`. */
export const readPage = Effect.fnUntraced(function* (html: string, url: string, token: string) {
  const hrefs: Array<string> = []
  const said: Array<string> = []
  const texts: Array<string> = []
  let base: string | undefined
  let canonical: string | undefined
  let title: string | undefined
  let inTitle = false
  // How many elements are open whose text nobody sees.
  let hidden = 0
  let linksUnread = 0
  let depth = 0
  const parser = new Parser({
    onopentag: (name, { content = "", href, name: named = "", rel = "" }) => {
      const relations = rel.toLowerCase().split(/\s+/)
      depth += 1
      if (unseen.has(name)) hidden += 1
      if (name === "title") inTitle = title === undefined
      if (name === "base") base ??= href
      if (name === "link" && relations.includes("canonical")) canonical ??= href
      if (name === "meta" && ["robots", token.toLowerCase()].includes(named.toLowerCase())) said.push(content)
      const leads = name === "a" || name === "area" || (name === "link" && relations.includes("next"))
      if (leads && href !== undefined && !relations.includes("nofollow")) {
        if (hrefs.length < linksMax) hrefs.push(href)
        else linksUnread += 1
      }
    },
    ontext: (text) => {
      if (inTitle) title = (title ?? "") + text
      if (hidden === 0) texts.push(text)
    },
    onclosetag: (name) => {
      if (name === "title") inTitle = false
      depth -= 1
      if (unseen.has(name)) hidden -= 1
    }
  })
  for (let at = 0; at < html.length && depth <= depthMax; at += pieceLength) {
    parser.write(html.slice(at, at + pieceLength))
    // Others have their turn.
    yield* Effect.yieldNow
  }
  parser.end()
  const from = normalise(base ?? "", url) ?? url
  const real = canonical === undefined ? undefined : normalise(canonical, from)
  const called = (title ?? "").replace(/\s+/g, " ").trim().slice(0, titleCharactersMax)
  const read: PageRead = {
    title: called === "" ? undefined : called,
    canonical: real === url ? undefined : real,
    links: [...new Set(hrefs.flatMap((href) => normalise(href, from) ?? []))],
    linksUnread,
    ...directives(said.join(","), token),
    hash: hashOf(texts.join("").replace(/\s+/g, " ").trim())
  }
  return read
})

const unseen = new Set(["script", "style", "noscript", "template"])
