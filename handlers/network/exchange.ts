/**
 * A request to a URL that a caller chose, and those that its redirects lead to: each is pinned to an address that was
 * checked (`runtime/network/pinned.ts`), and each redirect goes through the same check.
 */
import { Effect, Schema, type Scope, Stream } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { pinned } from "../../runtime/network/pinned.ts"
import { refuse } from "../refusal/refuse.ts"
import { follow, type Hop, isRedirect } from "./redirect.ts"

/** The server could not be reached, broke off, or says that it cannot answer now. Worth another try later. */
export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", {
  url: Schema.String,
  reason: Schema.String,
  /** Nothing of the request can have arrived. */
  unsent: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return `${this.url}: ${this.reason}`
  }
}

/** The body has more bytes than are allowed. The rest of it was not read. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  url: Schema.String,
  bytesMax: Schema.Int
}) {
  override get message() {
    return `${this.url} has more than ${this.bytesMax} bytes`
  }
}

export interface Ask {
  readonly method: string
  /** Those of one request of the chain; asked again after each redirect. */
  readonly headers: (hop: Hop) => Effect.Effect<Readonly<Record<string, string>>, Fatal>
  readonly body?: string | Uint8Array<ArrayBuffer>
  /** A longer chain is refused; with 0 a redirect is an answer. */
  readonly redirectsMax: number
}

export interface Answer {
  /** Where the last redirect led. */
  readonly url: URL
  readonly response: Response
  /** What was asked before, in order. */
  readonly redirects: ReadonlyArray<URL>
}

/**
 * An http or https URL without a user name and password. `Fatal` is of type `AddressNotAllowed` or `UrlRefused`.
 */
export const readUrl = (address: string, base?: URL): Effect.Effect<URL, Fatal> => {
  const url = URL.parse(address, base)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return refuse("AddressNotAllowed", `"${address}" is not an http or https URL`)
  }
  // It would be kept with the task for everybody to read.
  return url.username !== "" || url.password !== ""
    ? refuse("UrlRefused", "a URL must not hold a user name or password")
    : Effect.succeed(url)
}

/**
 * The answer at the end of the redirects, whatever its status. It ends with the scope, whatever part of it was read.
 * `Fatal` is of type `AddressNotAllowed` where the URL, or one it redirects to, is not HTTP or leads to an address or a
 * host that is not allowed, and of type `UrlRefused` where the chain is too long.
 */
export const exchange = Effect.fnUntraced(function* (
  first: URL,
  ask: Ask
): Effect.fn.Return<Answer, Fatal | FetchFailed, Scope.Scope> {
  const redirects: Array<URL> = []
  let hop: Hop = { url: first, method: ask.method, body: ask.body !== undefined, own: true }
  for (;;) {
    const response = yield* request(hop, yield* ask.headers(hop), ask.body)
    const location = response.headers.get("location")
    if (!isRedirect(response.status) || location === null || ask.redirectsMax === 0) {
      return { url: hop.url, response, redirects }
    }
    yield* Effect.ignoreCause(Effect.promise(async () => response.body?.cancel()))
    if (redirects.length === ask.redirectsMax) {
      return yield* refuse("UrlRefused", `${first.href} redirects more than ${ask.redirectsMax} times`)
    }
    redirects.push(hop.url)
    hop = follow(hop, response.status, yield* readUrl(location, hop.url))
  }
})

/** One request, to an address that was checked. */
const request = (
  { body: withBody, method, url }: Hop,
  headers: Readonly<Record<string, string>>,
  body: Ask["body"]
): Effect.Effect<Response, Fatal | FetchFailed, Scope.Scope> =>
  pinned(url, { method, headers, ...(withBody && body !== undefined ? { body } : {}) }).pipe(
    Effect.catchTags({
      AddressNotAllowed: ({ _tag, message }) => refuse(_tag, `${message}; it cannot be asked`),
      Unreachable: ({ reason, unsent }) => Effect.fail(new FetchFailed({ url: url.href, reason, unsent }))
    })
  )

/** The body piece by piece, decompressed; fails once there is more than `bytesMax` of it. */
export const bodyOf = (
  { response, url }: Pick<Answer, "response" | "url">,
  bytesMax: number
): Stream.Stream<Uint8Array, FetchFailed | BodyTooLarge> => {
  const tooLarge = new BodyTooLarge({ url: url.href, bytesMax })
  const { body } = response
  if (body === null) return Stream.empty
  const declared = Number(response.headers.get("content-length"))
  if (declared > bytesMax && response.headers.get("content-encoding") === null) return Stream.fail(tooLarge)
  let bytes = 0
  return Stream.fromReadableStream<Uint8Array, FetchFailed>({
    evaluate: () => body,
    onError: (cause) =>
      new FetchFailed({ url: url.href, reason: cause instanceof Error ? cause.message : String(cause) })
  }).pipe(
    Stream.mapEffect((piece) => {
      bytes += piece.byteLength
      return bytes > bytesMax ? Effect.fail(tooLarge) : Effect.succeed(piece)
    })
  )
}

/** The whole body, in memory. */
export const readBody = Effect.fnUntraced(function* (
  answer: Pick<Answer, "response" | "url">,
  bytesMax: number
) {
  const pieces = yield* Stream.runCollect(bodyOf(answer, bytesMax))
  return new Uint8Array(Buffer.concat(pieces))
})
