/** Reads a sitemap: XML, one address a line, or an index of further ones; each of them packed with gzip or not. */
import { Duration, Effect, Stream } from "effect"
import { BodyTooLarge, bodyOf, exchange, readUrl } from "../network/exchange.ts"
import { normalise } from "./address.ts"

/** As the protocol has it; what more there is, is not read. */
const bytesMax = 50 * 1024 * 1024
const addressesMax = 50_000

/** So many lines, or places for an address, are looked at: a few bytes of gzip may hold millions that name nothing. */
const placesMax = 2 * addressesMax

const answerMax = Duration.seconds(60)

export interface Sitemap {
  /** Pages, or further sitemaps. */
  readonly kind: "pages" | "index"
  /** Normalised. */
  readonly addresses: ReadonlyArray<string>
}

const empty: Sitemap = { kind: "pages", addresses: [] }

/** A sitemap that cannot be read is an empty one: it is only there to help. */
export const fetchSitemap = (address: string, userAgent: string): Effect.Effect<Sitemap> =>
  Effect.gen(function* () {
    const answer = yield* exchange(yield* readUrl(address), {
      method: "GET",
      headers: () =>
        Effect.succeed({ accept: "application/xml, text/xml, text/plain", "user-agent": userAgent }),
      redirectsMax: 5
    })
    if (!answer.response.ok) return empty
    let isPacked: boolean | undefined
    const pieces = yield* bodyOf(answer, bytesMax).pipe(
      Stream.tap((piece) => Effect.sync(() => (isPacked ??= piece[0] === 0x1f && piece[1] === 0x8b))),
      Stream.runCollect
    )
    const bytes = Buffer.concat(pieces)
    return readSitemap(new TextDecoder().decode(isPacked === true ? yield* unpack(bytes, address) : bytes))
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({ duration: answerMax, orElse: () => Effect.succeed(empty) }),
    Effect.orElseSucceed(() => empty)
  )

/** Counts what comes out of it, since a few bytes may hold many. */
const unpack = (bytes: Uint8Array<ArrayBuffer>, url: string) =>
  Stream.fromReadableStream({
    evaluate: () => new Response(bytes).body!.pipeThrough(new DecompressionStream("gzip")),
    onError: () => new BodyTooLarge({ url, bytesMax })
  }).pipe(
    Stream.mapAccum(
      () => 0,
      (before, piece: Uint8Array) =>
        [before + piece.byteLength, [{ piece, total: before + piece.byteLength }]] as const
    ),
    Stream.mapEffect(({ piece, total }) =>
      total > bytesMax ? Effect.fail(new BodyTooLarge({ url, bytesMax })) : Effect.succeed(piece)
    ),
    Stream.runCollect,
    Effect.map((pieces) => Buffer.concat(pieces))
  )

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

const unescape = (text: string): string =>
  text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal)
      if (name !== undefined) return entities[name.toLowerCase()] ?? whole
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    }
  )

/** What a sitemap's text says. A sitemap is flat and may have 50 000 entries, so no tree is made of it. */
export const readSitemap = (text: string): Sitemap => {
  const isXml = /<(\w+:)?(urlset|sitemapindex)[\s>]/.test(text.slice(0, 4_096))
  const places = isXml
    ? text.matchAll(/<(?:\w+:)?loc>\s*(?:<!\[CDATA\[)?\s*([^<\]]*)/g)
    : text.matchAll(/([^\r\n]+)/g)
  const addresses = new Set<string>()
  for (const [, place = ""] of places.take(placesMax)) {
    if (addresses.size === addressesMax) break
    const address = isXml ? unescape(place) : place
    // A text that is no sitemap, as a page of an error, has no lines that are addresses.
    const normalised = /^\s*https?:\/\//i.test(address) ? normalise(address) : undefined
    if (normalised !== undefined) addresses.add(normalised)
  }
  return {
    kind: /<(\w+:)?sitemapindex[\s>]/.test(text.slice(0, 4_096)) ? "index" : "pages",
    addresses: [...addresses]
  }
}
