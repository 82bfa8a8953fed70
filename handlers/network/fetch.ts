/**
 * A GET of a URL that a caller chose, which cannot be turned against this machine's network: each request is pinned to an
 * address that was checked, and each redirect goes through the same check (`runtime/network/pinned.ts`).
 */
import { Duration, Effect, Schema, type Scope, Stream } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { pinned } from "../../runtime/network/pinned.ts"
import { refuse } from "../refusal/refuse.ts"

/** A chain of more redirects is refused. */
export const redirectsMax = 5

/** How long a request may take from the first look-up to the last byte. */
export const fetchTimeout = Duration.seconds(60)

/** The server could not be reached, broke off, or says that it cannot answer now. Worth another try later. */
export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", {
  url: Schema.String,
  reason: Schema.String
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

export interface Fetched {
  /** Where the last redirect led. */
  readonly url: URL
  /** The media type as the server declares it. */
  readonly type: string | undefined
  /** Decompressed. */
  readonly bytes: Uint8Array
}

/**
 * The body of a successful answer. Fails with `Fatal` of type `AddressNotAllowed` when the URL, or one it redirects
 * to, is not HTTP or leads to an address that is not allowed; of type `UrlRefused` when the server says that it will
 * not give it (a 4xx other than 408, 425 and 429) or redirects too often.
 */
export const fetchBytes = Effect.fn("fetchBytes")(
  function* (address: string, options: { readonly bytesMax: number }) {
    const { response, url } = yield* follow(yield* readUrl(address))
    const bytes = yield* readBody(url, response, options.bytesMax)
    const fetched: Fetched = { url, type: response.headers.get("content-type") ?? undefined, bytes }
    return fetched
  },
  Effect.scoped,
  (effect, address) =>
    Effect.timeoutOrElse(effect, {
      duration: fetchTimeout,
      orElse: () =>
        Effect.fail(
          new FetchFailed({ url: address, reason: `not read within ${Duration.format(fetchTimeout)}` })
        )
    })
)

const readUrl = (address: string, base?: URL): Effect.Effect<URL, Fatal> => {
  const url = URL.parse(address, base)
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return refuse("AddressNotAllowed", `"${address}" is not an http or https URL`)
  }
  // It would be kept with the task for everybody to read.
  return url.username !== "" || url.password !== ""
    ? refuse("UrlRefused", "a URL must not hold a user name or password")
    : Effect.succeed(url)
}

interface Answer {
  readonly url: URL
  readonly response: Response
}

const follow = Effect.fnUntraced(function* (
  first: URL
): Effect.fn.Return<Answer, Fatal | FetchFailed, Scope.Scope> {
  let url = first
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    const response = yield* request(url)
    const location = response.headers.get("location")
    if (response.ok) return { url, response }
    if (!isRedirect(response.status) || location === null) return yield* refusal(url, response.status)
    yield* Effect.ignoreCause(Effect.promise(async () => response.body?.cancel()))
    url = yield* readUrl(location, url)
  }
  return yield* refuse("UrlRefused", `${first.href} redirects more than ${redirectsMax} times`)
})

const isRedirect = (status: number) => [301, 302, 303, 307, 308].includes(status)

const refusal = (url: URL, status: number): Effect.Effect<never, Fatal | FetchFailed> =>
  status >= 500 || status === 408 || status === 425 || status === 429
    ? Effect.fail(new FetchFailed({ url: url.href, reason: `the server answered ${status}` }))
    : refuse("UrlRefused", `${url.href}: the server answered ${status}`)

/** One request, to an address that was checked. It ends with the scope, whatever part of it was read. */
const request = (url: URL): Effect.Effect<Response, Fatal | FetchFailed, Scope.Scope> =>
  pinned(url, { headers: { accept: "*/*", "user-agent": "Troupe" } }).pipe(
    Effect.catchTags({
      AddressNotAllowed: ({ _tag, message }) => refuse(_tag, `${message}; it cannot be fetched`),
      Unreachable: ({ reason }) => Effect.fail(new FetchFailed({ url: url.href, reason }))
    })
  )

const readBody = Effect.fnUntraced(function* (url: URL, response: Response, bytesMax: number) {
  const tooLarge = new BodyTooLarge({ url: url.href, bytesMax })
  if (Number(response.headers.get("content-length")) > bytesMax) return yield* tooLarge
  const { body } = response
  if (body === null) return new Uint8Array()
  const pieces: Array<Uint8Array> = []
  let bytes = 0
  yield* Stream.fromReadableStream<Uint8Array, FetchFailed>({
    evaluate: () => body,
    onError: (cause) =>
      new FetchFailed({ url: url.href, reason: cause instanceof Error ? cause.message : String(cause) })
  }).pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (piece) {
        bytes += piece.byteLength
        if (bytes > bytesMax) return yield* tooLarge
        pieces.push(piece)
      })
    )
  )
  return new Uint8Array(Buffer.concat(pieces))
})
