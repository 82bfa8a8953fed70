/**
 * Fetches one page of a site, politely, and keeps it: asks robots.txt first, waits its turn at the host, and says what the
 * page links to.
 *
 * Pages of one host are fetched one after the other, with a pause between them, by all crawls and workers together. Safe
 * to repeat: what was kept is remembered; a run whose worker dies fetches its page again. A page that is not there, too
 * large or of another kind is a result like any other; a host that does not answer is tried again.
 */
import { Clock, Duration, Effect, Layer, Schema } from "effect"
import { fileBytesMax, Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask, RetryAfter } from "../../runtime/handler.ts"
import { retryAfterMs } from "../../runtime/network/retry-after.ts"
import { normalise } from "../crawl/address.ts"
import { directives, hashOf, type PageRead, readPage } from "../crawl/page.ts"
import { delayMaxMs, Robots, RobotsUnavailable, rulesOf, tokenOf } from "../crawl/robots.ts"
import { Scope, within } from "../crawl/scope.ts"
import { upTo } from "../crawl/share.ts"
import { exactly } from "../input/exactly.ts"
import { type Answer, exchange, FetchFailed, readBody, readUrl } from "../network/exchange.ts"
import { mayPass } from "../network/fetch.ts"
import { guardedNetwork } from "../network/guard.ts"
import { isRedirect } from "../network/redirect.ts"
import { refuse } from "../refusal/refuse.ts"

export const userAgentDefault = "Troupe"

/** Between two requests to one host, where robots.txt asks for nothing longer. */
export const delayDefaultMs = 1_000

const bytesDefault = 5 * 1024 * 1024
const linksDefault = 200

/** The most links of a page that are told, and how many characters they have together: a crawl waits with all pages of a wave. */
export const linksMost = 2_000
const linksCharactersMax = 120_000

/** What calls itself something longer is of no kind that anybody asks for. */
const typeCharactersMax = 128
const redirectsMax = 5

/** How long a page may take from the first look-up to the last byte. */
const fetchMax = Duration.seconds(60)

/** No host puts a page off for longer. */
const putOffMaxMs = Duration.toMillis("1 hour")

const typesDefault = ["text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/pdf"]

/** How a page is fetched; a crawl hands it on to each of its pages. */
export const manner = {
  /** Its first word is what robots.txt calls the crawler. */
  userAgent: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z][\x20-\x7e]{0,255}$/u, { message: "must be one line of ASCII" })
    )
  ),
  delayMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: delayMaxMs }))),
  bytesMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: fileBytesMax }))),
  /** Media types that are kept. */
  types: Schema.optionalKey(
    Schema.Array(Schema.NonEmptyString).check(Schema.isMinLength(1), Schema.isMaxLength(50))
  )
} as const

const input = Schema.Struct({
  url: Schema.String.check(
    Schema.isMaxLength(2_048),
    Schema.isPattern(/^https?:\/\/[^/?#@\s]+([/?#]|$)/iu, {
      message: "must be an http or https URL without a user and password"
    })
  ),
  ...manner,
  /** Which of its links are told. Default: all. */
  scope: Schema.optionalKey(Scope),
  /** Whose hosts belong to a scope that names none. Default: its own. */
  start: Schema.optionalKey(Schema.Array(Schema.NonEmptyString).check(Schema.isMaxLength(100))),
  linksMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: linksMost })))
})

export const Page = Schema.Struct({
  /** Where it was found, after redirects of its host. */
  url: Schema.String,
  status: Schema.Int,
  /** Where it redirects to, when that is another host: it was not followed. */
  redirect: Schema.optionalKey(Schema.String),
  /** Why it was not kept. */
  skipped: Schema.optionalKey(Schema.Literals(["status", "redirect", "type", "size", "noindex"])),
  type: Schema.optionalKey(Schema.String),
  bytes: Schema.Int,
  /** The same for pages with the same text. */
  hash: Schema.optionalKey(Schema.String),
  title: Schema.optionalKey(Schema.String),
  canonical: Schema.optionalKey(Schema.String),
  links: Schema.Array(Schema.String),
  /** How many more it has that would be told. */
  linksLeftOut: Schema.Int,
  /** The id of the file it is kept in. */
  file: Schema.optionalKey(Schema.String)
})
export type Page = typeof Page.Type

/** `crawl.fetch`: fetches a page of a site. */
export const crawlFetch = defineTask.effect({
  name: "crawl.fetch",
  queue: "crawl",
  input: exactly(input),
  output: Page,
  timeout: "5 minutes",
  retry: { attempts: 3, backoff: { base: "2 seconds", cap: "2 minutes" } },
  key: { of: ({ url }) => (URL.parse(url)?.host ?? "").slice(-128) },
  layer: Robots.layer.pipe(Layer.provideMerge(Layer.merge(Files.layer, guardedNetwork))),

  run: Effect.fn("crawl.fetch")(function* (given) {
    const url = normalise(given.url) ?? given.url
    const { userAgent = userAgentDefault } = given
    const delayMs = yield* allowed(url, userAgent)
    // Whoever has the key waits here, so that the next one cannot begin before.
    yield* Effect.sleep(Math.max(delayMs, given.delayMs ?? delayDefaultMs))
    return yield* ask(url, userAgent).pipe(
      Effect.flatMap((answer) => read(given, answer, tokenOf(userAgent))),
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: fetchMax,
        orElse: () =>
          Effect.fail(new FetchFailed({ url, reason: `not read within ${Duration.format(fetchMax)}` }))
      })
    )
  })
})

/** The pause that the host asks for. `Fatal` is of type `RobotsDisallowed`. */
const allowed = Effect.fnUntraced(function* (url: string, userAgent: string) {
  const { host, origin } = new URL(url)
  const said = yield* (yield* Robots).of(origin, userAgent)
  if (said.unavailable !== undefined) return yield* new RobotsUnavailable({ host, reason: said.unavailable })
  const { delayMs, isAllowed } = yield* rulesOf(origin, said, userAgent)
  return isAllowed(url)
    ? delayMs
    : yield* refuse("RobotsDisallowed", `the robots.txt of ${host} does not allow ${url}`)
})

/** The answer at the end of the redirects that stay on the host; one that leaves it is an answer. */
const ask = Effect.fnUntraced(function* (first: string, userAgent: string) {
  let url = first
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    const answer = yield* exchange(yield* readUrl(url), {
      method: "GET",
      headers: () => Effect.succeed({ accept: "text/html, */*;q=0.5", "user-agent": userAgent }),
      redirectsMax: 0
    })
    const location = answer.response.headers.get("location")
    if (!isRedirect(answer.response.status) || location === null) return answer
    const next = normalise(location, url)
    if (next === undefined) return yield* refuse("UrlRefused", `${url} redirects to what is no page`)
    if (new URL(next).host !== new URL(url).host) return answer
    yield* Effect.ignoreCause(Effect.promise(async () => answer.response.body?.cancel()))
    yield* allowed(next, userAgent)
    url = next
  }
  return yield* refuse("UrlRefused", `${first} redirects more than ${redirectsMax} times`)
})

type Input = typeof input.Type

const read = Effect.fnUntraced(function* (given: Input, answer: Answer, token: string) {
  const { bytesMax = bytesDefault, linksMax = linksDefault, types = typesDefault } = given
  const { headers, ok, status } = answer.response
  const url = normalise(answer.url.href) ?? answer.url.href
  const none = { url, status, bytes: 0, links: [] as ReadonlyArray<string>, linksLeftOut: 0 }
  const location = headers.get("location")
  if (isRedirect(status) && location !== null) {
    const redirect = normalise(location, url)
    return { ...none, skipped: "redirect" as const, ...(redirect === undefined ? {} : { redirect }) }
  }
  const afterMs =
    status === 429 || status === 503
      ? retryAfterMs(headers.get("retry-after"), yield* Clock.currentTimeMillis, putOffMaxMs)
      : undefined
  const message = `${url}: the server answered ${status}`
  if (afterMs !== undefined) return yield* Effect.fail(new RetryAfter(afterMs, { message }))
  if (mayPass(status)) return yield* new FetchFailed({ url, reason: `the server answered ${status}` })
  if (!ok) return { ...none, skipped: "status" as const }
  const declared = headers.get("content-type") ?? "text/html"
  const type = declared.split(";", 1)[0]!.trim().toLowerCase().slice(0, typeCharactersMax)
  if (!types.includes(type)) return { ...none, type, skipped: "type" as const }
  const body = yield* Effect.catchTag(readBody(answer, bytesMax), "BodyTooLarge", () => Effect.void)
  if (body === undefined) return { ...none, type, skipped: "size" as const }
  const header = directives(headers.get("x-robots-tag") ?? "", token)
  const isHtml = type === "text/html" || type === "application/xhtml+xml"
  const page = isHtml ? yield* readPage(decode(body, declared), url, token) : { hash: hashOf(body) }
  const {
    canonical,
    hash,
    links = [],
    linksUnread = 0,
    nofollow,
    noindex,
    title
  } = { nofollow: false, noindex: false, ...pageOf(page) }
  const belongs = given.scope === undefined ? () => true : within(given.scope, given.start ?? [url])
  const isFollowed = !nofollow && !header.nofollow
  const found = isFollowed ? links.filter(belongs) : []
  const told = upTo(found.slice(0, linksMax), linksCharactersMax)
  const kept = {
    url,
    status,
    type,
    bytes: body.byteLength,
    hash,
    ...(title === undefined ? {} : { title }),
    ...(canonical === undefined ? {} : { canonical }),
    links: told,
    linksLeftOut: isFollowed ? found.length - told.length + linksUnread : 0
  }
  if (noindex || header.noindex) return { ...kept, skipped: "noindex" as const }
  const task = yield* CurrentTask
  const files = yield* Files
  const file = yield* task.step(
    "keep",
    Effect.map(files.upload(new Blob([body]).stream(), { type: declared, bytesMax }), ({ id }) => id)
  )
  return { ...kept, file }
})

const pageOf = (page: Partial<PageRead> & { readonly hash: string }) => page

const decode = (bytes: Uint8Array, type: string): string => {
  const named = /;\s*charset="?([\w.:-]+)"?/i.exec(type)?.[1]
  const inside = /<meta[^>]{0,200}charset=["']?([\w-]+)/i.exec(
    new TextDecoder("latin1").decode(bytes.subarray(0, 2_048))
  )?.[1]
  try {
    return new TextDecoder(named ?? inside ?? "utf-8").decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}
