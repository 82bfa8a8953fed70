/**
 * A request to a URL that a caller chose, which cannot be turned against this machine's network.
 *
 * The host's name is resolved once; every address it has must be allowed by `Network`; and the connection is made to
 * the address that was checked, while the name still goes into the `Host` header and is what the certificate must be
 * for. So a name that changes its address between the check and the connection gains nothing. A redirect is not followed:
 * it is an answer. Where the environment sets an HTTP proxy, it is the proxy that is asked for the checked address.
 */
import { Effect, Schema, type Scope } from "effect"
import { isIP } from "node:net"
import { Network } from "./network.ts"

/** A host with many addresses is tried at so many of them. */
const addressesMax = 3

/** The URL leads to an address, or a host, that is not allowed. Nothing was sent. */
export class AddressNotAllowed extends Schema.TaggedError<AddressNotAllowed>()("AddressNotAllowed", {
  host: Schema.String,
  /** Which of the two it is. */
  by: Schema.Literals(["address", "name"])
}) {
  override get message() {
    return this.by === "name"
      ? `${this.host} is not among the hosts that may be asked`
      : `${this.host} is not, or not only, at public addresses`
  }
}

/** The server could not be reached, or broke off. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  reason: Schema.String,
  /** The same in a word, such as `ECONNREFUSED` or `CERT_HAS_EXPIRED`, which quotes nothing of the URL. */
  code: Schema.optionalKey(Schema.String),
  /** Nothing of the request can have arrived: no connection was made. */
  unsent: Schema.Boolean
}) {
  override get message() {
    return this.reason
  }
}

/** What Bun calls a connection that was not made. */
const unconnected = new Set(["ConnectionRefused", "FailedToOpenSocket", "ENOTFOUND", "ECONNREFUSED"])

const unreachable = (cause: unknown, unsent = false) => {
  const said = (cause as { readonly code?: unknown } | null)?.code
  const code = typeof said === "string" && /^\w{1,64}$/.test(said) ? said : ""
  return new Unreachable({
    reason: cause instanceof Error ? cause.message : String(cause),
    ...(code === "" ? {} : { code }),
    unsent: unsent || unconnected.has(code)
  })
}

const notFound = (cause: unknown) => unreachable(cause, true)

/** Methods that may be said twice without harm, as RFC 9110 has it. */
export const isSafeToRepeat = (method: string): boolean =>
  ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].includes(method)

/** The same URL at a numeric address. */
const at = (url: URL, address: string): URL => {
  const pinned = new URL(url)
  pinned.hostname = address.includes(":") ? `[${address}]` : address
  return pinned
}

/** One request, to an address that was checked. It ends with the scope, whatever part of its answer was read. */
export const pinned = Effect.fnUntraced(function* (
  url: URL,
  init: {
    readonly method?: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string | Uint8Array<ArrayBuffer>
  }
): Effect.fn.Return<Response, AddressNotAllowed | Unreachable, Scope.Scope> {
  const network = yield* Network
  const signal = yield* Effect.abortSignal
  const host = url.hostname.replace(/^\[|\]$/g, "")
  if (network.allowsHost?.(host) === false) return yield* new AddressNotAllowed({ host, by: "name" })
  const addresses = yield* Effect.tryPromise({ try: () => network.resolve(host), catch: notFound })
  if (addresses.length === 0) return yield* notFound("the host has no address")
  if (!addresses.every(network.allows)) return yield* new AddressNotAllowed({ host, by: "address" })
  // What may have arrived at one address is not said to the next, unless that does no harm.
  const repeatable = isSafeToRepeat(init.method ?? "GET")
  const connect = (address: string) =>
    Effect.tryPromise({
      try: () =>
        fetch(at(url, address), {
          ...init,
          redirect: "manual",
          // A kept connection would be shared with other names at this address, whose certificate was checked for one.
          keepalive: false,
          signal,
          headers: { ...init.headers, host: url.host },
          tls: {
            ...(isIP(host) === 0 ? { serverName: host } : {}),
            ...(network.authority === undefined ? {} : { ca: network.authority })
          }
        }),
      catch: (cause) => unreachable(cause)
    })
  const inTurn = ([first, ...rest]: ReadonlyArray<string>): Effect.Effect<Response, Unreachable> =>
    Effect.catchIf(
      connect(first!),
      ({ unsent }) => rest.length > 0 && (unsent || repeatable),
      () => inTurn(rest)
    )
  return yield* inTurn(addresses.slice(0, addressesMax))
})
