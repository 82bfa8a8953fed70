/**
 * Which pages a crawl fetches next, and which it does not: decisions over plain values.
 *
 * Pages are fetched in waves. What is learned from a wave is put into a few plain values (`digest`), which are remembered;
 * a later run of the crawl gets to where it was by applying them in their order (`apply`), and so decides the same.
 */
import { isTrap, keyOf, normalise, shapeOf } from "./address.ts"
import { piecesOf } from "./share.ts"

/** A wave. The next one begins when all of it has ended. */
export const waveMax = 100

/** A host that answered nothing in a wave of so many of its pages is asked no more. */
const deadAfter = 5

/** New addresses of one wave are remembered up to so many characters. */
const foundCharactersMax = 120_000

/** What one step is given of a wave: more than most waves have, and less than a step may hold. */
const partCharactersMax = 150_000

const hostsMax = 200

export interface Target {
  readonly url: string
  /** How many links lead there from where the crawl began. */
  readonly depth: number
}

/** What became of one page. */
export interface Visit extends Target {
  readonly status?: number
  readonly file?: string
  readonly title?: string
  readonly type?: string
  readonly bytes?: number
  readonly hash?: string
  /** The page that has the same text, or says that it is this one. */
  readonly duplicateOf?: string
  readonly skipped?: string
  /** The type of the error it failed with. */
  readonly error?: string
}

/** What a fetch of a page gave, as far as it decides anything. */
export interface Fetched {
  readonly url: string
  readonly status: number
  readonly redirect?: string
  readonly skipped?: string
  readonly type?: string
  readonly bytes: number
  readonly hash?: string
  readonly title?: string
  readonly canonical?: string
  readonly links: ReadonlyArray<string>
  readonly linksLeftOut?: number
  readonly file?: string
}

export type Outcome = { readonly page: Fetched } | { readonly error: string }

/** What is remembered of a wave. */
export interface Digest {
  readonly visits: ReadonlyArray<Visit>
  readonly found: ReadonlyArray<Target>
  readonly leftOut: Readonly<Record<string, number>>
}

export interface Bounds {
  readonly pagesMax: number
  readonly depthMax: number
  /** Of pages whose addresses differ only in numbers and in the values of parameters. */
  readonly similarMax: number
  readonly belongs: (url: string) => boolean
}

/** Why an address is not fetched. */
type Reason = "scope" | "depth" | "trap" | "similar" | "pages" | "hosts"

export interface Frontier {
  readonly bounds: Bounds
  readonly known: Set<string>
  readonly hosts: Set<string>
  readonly shapes: Map<string, number>
  /** Hash of a text → the page that had it first. */
  readonly texts: Map<string, string>
  readonly dead: Set<string>
  readonly pending: Array<Target>
  readonly visits: Array<Visit>
  readonly leftOut: Record<string, number>
  taken: number
}

export const emptyFrontier = (bounds: Bounds): Frontier => ({
  bounds,
  known: new Set(),
  hosts: new Set(),
  shapes: new Map(),
  texts: new Map(),
  dead: new Set(),
  pending: [],
  visits: [],
  leftOut: {},
  taken: 0
})

const count = (counts: Record<string, number>, reason: string, by = 1) => {
  counts[reason] = (counts[reason] ?? 0) + by
}

/** Takes an address in, unless it is known; gives why it is left out. */
const admit = (frontier: Frontier, { depth, url }: Target): Reason | "known" | undefined => {
  const { bounds, hosts, known, shapes } = frontier
  const key = keyOf(url)
  if (known.has(key)) return "known"
  if (!bounds.belongs(url)) return "scope"
  if (depth > bounds.depthMax) return "depth"
  known.add(key)
  if (isTrap(url)) return "trap"
  const shape = shapeOf(url)
  const alike = (shapes.get(shape) ?? 0) + 1
  shapes.set(shape, alike)
  if (alike > bounds.similarMax) return "similar"
  if (frontier.taken === bounds.pagesMax) return "pages"
  const { host } = new URL(url)
  if (!hosts.has(host) && hosts.size === hostsMax) return "hosts"
  hosts.add(host)
  frontier.taken += 1
  frontier.pending.push({ url, depth })
  return undefined
}

/** Takes in addresses a crawl begins with. */
export const begin = (frontier: Frontier, urls: ReadonlyArray<string>): void => {
  for (const url of urls) {
    const reason = admit(frontier, { url, depth: 0 })
    if (reason !== undefined && reason !== "known") count(frontier.leftOut, reason)
  }
}

/** The next wave, and takes it from what is pending. Empty at the end. */
export const nextWave = (frontier: Frontier): ReadonlyArray<Target> => {
  const wave: Array<Target> = []
  while (wave.length < waveMax && frontier.pending.length > 0) {
    const target = frontier.pending.shift()!
    if (frontier.dead.has(new URL(target.url).host)) count(frontier.leftOut, "host")
    else wave.push(target)
  }
  return wave
}

/** What is to be remembered of a wave, whose pages are given in its order. The frontier is left as it is. */
export const digest = (
  frontier: Frontier,
  wave: ReadonlyArray<Target>,
  outcomes: ReadonlyArray<Outcome>
): Digest => {
  const texts = new Map(frontier.texts)
  const seen = new Set<string>()
  const found: Array<Target> = []
  const leftOut: Record<string, number> = {}
  let characters = 0
  const offer = (url: string, depth: number) => {
    const key = keyOf(url)
    if (seen.has(key) || frontier.known.has(key)) return
    seen.add(key)
    // What can never be fetched need not be remembered.
    if (found.length >= frontier.bounds.pagesMax - frontier.taken) return count(leftOut, "pages")
    if (!frontier.bounds.belongs(url)) return count(leftOut, "scope")
    if (depth > frontier.bounds.depthMax) return count(leftOut, "depth")
    if (characters + url.length > foundCharactersMax) return count(leftOut, "found")
    characters += url.length
    found.push({ url, depth })
  }
  const visits = wave.map((target, at): Visit => {
    const outcome = outcomes[at]!
    if ("error" in outcome) return { ...target, error: outcome.error }
    const { page } = outcome
    if (page.redirect !== undefined) offer(page.redirect, target.depth)
    const first = page.hash === undefined ? undefined : texts.get(page.hash)
    const canonical = page.canonical === undefined ? undefined : normalise(page.canonical)
    const isElsewhere =
      canonical !== undefined && keyOf(canonical) !== keyOf(page.url) && frontier.bounds.belongs(canonical)
    if (isElsewhere) offer(canonical, target.depth)
    const duplicateOf = first ?? (isElsewhere ? canonical : undefined)
    if (duplicateOf === undefined) {
      if (page.hash !== undefined) texts.set(page.hash, page.url)
      for (const link of page.links) offer(link, target.depth + 1)
      if (page.linksLeftOut) count(leftOut, "links", page.linksLeftOut)
    }
    return {
      ...target,
      url: page.url,
      status: page.status,
      bytes: page.bytes,
      ...optional("file", page.file),
      ...optional("title", page.title),
      ...optional("type", page.type),
      ...optional("hash", page.hash),
      ...optional("skipped", page.skipped),
      ...optional("duplicateOf", duplicateOf)
    }
  })
  return { visits, found, leftOut }
}

/** A digest as several, each of which a step may hold: addresses may be long, and a page may say that it is another one. */
export const parted = ({ found, leftOut, visits }: Digest): ReadonlyArray<Digest> => {
  const rows = [
    ...visits.map((visit) => ({ visits: [visit], found: [] })),
    ...found.map((target) => ({ visits: [], found: [target] }))
  ]
  const parts = piecesOf(rows, partCharactersMax).map((part): Digest => ({
    visits: part.flatMap(({ visits }) => visits),
    found: part.flatMap(({ found }) => found),
    leftOut: {}
  }))
  const [first = { visits: [], found: [], leftOut: {} }, ...rest] = parts
  return [{ ...first, leftOut }, ...rest]
}

/** The digest that was parted so. */
export const joined = (parts: ReadonlyArray<Digest>): Digest => ({
  visits: parts.flatMap(({ visits }) => visits),
  found: parts.flatMap(({ found }) => found),
  leftOut: parts[0]?.leftOut ?? {}
})

/** Goes on from what was learned of a wave. */
export const apply = (frontier: Frontier, { found, leftOut, visits }: Digest): void => {
  for (const visit of visits) {
    frontier.visits.push(visit)
    // Where redirects have led.
    frontier.known.add(keyOf(visit.url))
    if (visit.hash !== undefined && visit.duplicateOf === undefined) frontier.texts.set(visit.hash, visit.url)
  }
  for (const host of deadHosts(visits)) frontier.dead.add(host)
  for (const [reason, times] of Object.entries(leftOut)) count(frontier.leftOut, reason, times)
  for (const target of found) {
    const reason = admit(frontier, target)
    if (reason !== undefined && reason !== "known") count(frontier.leftOut, reason)
  }
}

/** Hosts of which nothing came. */
const deadHosts = (visits: ReadonlyArray<Visit>): ReadonlyArray<string> => {
  const hosts = Map.groupBy(visits, ({ url }) => new URL(url).host)
  return [...hosts]
    .filter(([, all]) => all.length >= deadAfter && all.every(({ error }) => error !== undefined))
    .map(([host]) => host)
}

const optional = <K extends string, A>(key: K, value: A | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: A }
