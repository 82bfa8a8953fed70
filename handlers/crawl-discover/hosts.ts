/** What the hosts of a crawl say of themselves: which pages a crawler may fetch, and which there are. */
import { Effect } from "effect"
import { CurrentTask } from "../../runtime/handler.ts"
import { normalise } from "../crawl/address.ts"
import type { Target } from "../crawl/frontier.ts"
import { Robots, RobotsUnavailable, rulesOf, type Said } from "../crawl/robots.ts"
import { upTo } from "../crawl/share.ts"
import { fetchSitemap } from "../crawl/sitemap.ts"

/** How many hosts are asked at once. */
const atOnce = 16

const sitemapsMax = 50

/** What is remembered of one sitemap, in characters. */
const sitemapCharactersMax = 150_000

/** The sitemaps that the robots.txt of a host names which the crawl begins with. The host must answer. */
export const sitemapsNamed = Effect.fnUntraced(function* (origin: string, userAgent: string) {
  const said = yield* Robots.use(({ of }) => of(origin, userAgent))
  if (said.unavailable !== undefined)
    return yield* new RobotsUnavailable({ host: new URL(origin).host, reason: said.unavailable })
  const { sitemaps } = yield* rulesOf(origin, said, userAgent)
  return sitemaps.flatMap((address) => normalise(address) ?? []).slice(0, sitemapsMax)
})

/** Of each page of a wave, whether its host allows it. A host that cannot be asked allows nothing. */
export const askHosts = Effect.fnUntraced(function* (wave: ReadonlyArray<Target>, userAgent: string) {
  const allowed = new Set<string>()
  yield* Effect.forEach(
    Map.groupBy(wave, ({ url }) => new URL(url).origin),
    Effect.fnUntraced(function* ([origin, targets]) {
      const said = yield* Robots.use(({ of }) => of(origin, userAgent)).pipe(
        Effect.catch((error) => Effect.succeed<Said>({ text: "", unavailable: error.message }))
      )
      const { isAllowed } = yield* rulesOf(origin, said, userAgent)
      for (const { url } of targets) {
        if (isAllowed(url)) allowed.add(url)
        // Others have their turn: a host may have very many rules.
        yield* Effect.yieldNow
      }
    }),
    { concurrency: atOnce, discard: true }
  )
  return wave.map(({ url }) => allowed.has(url))
})

/** The pages that the sitemaps of a host name, as far as they belong to the crawl. */
export const readSitemaps = Effect.fnUntraced(function* (
  origin: string,
  named: ReadonlyArray<string>,
  userAgent: string,
  { belongs, pagesMax }: { readonly belongs: (url: string) => boolean; readonly pagesMax: number }
) {
  const task = yield* CurrentTask
  const waiting = [...new Set(named.length > 0 ? named : [`${origin}/sitemap.xml`])]
  const seen = new Set(waiting)
  const pages: Array<string> = []
  for (let number = 1; waiting.length > 0 && number <= sitemapsMax && pages.length < pagesMax; number++) {
    const address = waiting.shift()!
    const { addresses, kind } = yield* task.step(
      `sitemap ${number} of ${origin}`.slice(0, 128),
      Effect.map(fetchSitemap(address, userAgent), ({ addresses, kind }) => ({
        kind,
        addresses: upTo(
          kind === "pages" ? addresses.filter(belongs).slice(0, pagesMax) : addresses.slice(0, sitemapsMax),
          sitemapCharactersMax
        )
      }))
    )
    if (kind === "pages") pages.push(...addresses)
    for (const further of kind === "index" ? addresses : []) {
      if (!seen.has(further)) waiting.push(further)
      seen.add(further)
    }
  }
  return pages
})
