/** A GET of a URL that a caller chose, which cannot be turned against this machine's network (`exchange.ts`). */
import { Duration, Effect } from "effect"
import type { Fatal } from "../../runtime/handler.ts"
import { refuse } from "../refusal/refuse.ts"
import { exchange, FetchFailed, readBody, readUrl } from "./exchange.ts"

export { FetchFailed } from "./exchange.ts"

/** A chain of more redirects is refused. */
export const redirectsMax = 5

/** How long a request may take from the first look-up to the last byte. */
export const fetchTimeout = Duration.seconds(60)

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
    const answer = yield* exchange(yield* readUrl(address), {
      method: "GET",
      headers: () => Effect.succeed({ accept: "*/*", "user-agent": "Troupe" }),
      redirectsMax
    })
    const { response, url } = answer
    if (!response.ok) return yield* refusal(url, response.status)
    const bytes = yield* readBody(answer, options.bytesMax)
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

/** Whether a server that answered so may answer otherwise later. */
export const mayPass = (status: number): boolean =>
  status >= 500 || status === 408 || status === 425 || status === 429

const refusal = (url: URL, status: number): Effect.Effect<never, Fatal | FetchFailed> =>
  mayPass(status)
    ? Effect.fail(new FetchFailed({ url: url.href, reason: `the server answered ${status}` }))
    : refuse("UrlRefused", `${url.href}: the server answered ${status}`)
