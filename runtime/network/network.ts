/**
 * Which addresses may be connected to when a caller chooses the URL.
 *
 * A server that fetches what callers name can be made to read what only it can reach: its own ports, its neighbours,
 * and the cloud's metadata service, which gives out credentials. So only public unicast addresses are allowed, and the
 * check is made on the address that is connected to, not on the name.
 */
import { Context, Result } from "effect"
import * as dns from "node:dns/promises"
import ipaddr from "ipaddr.js"

/**
 * Whether the address is one of the public internet: not private, loopback, link-local, multicast, reserved,
 * documentation, a translation of another address, or a known metadata service. What is no address is not allowed.
 */
export const isPublicAddress = (address: string): boolean => {
  // A zone ("fe80::1%eth0") only makes sense on a local link.
  if (
    address.includes("%") ||
    !(ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address))
  ) {
    return false
  }
  const parsed = ipaddr.process(address)
  if (parsed.range() !== "unicast") return false
  return parsed.kind() === "ipv6" ? parsed.match(global6) : !metadata.some((range) => parsed.match(range))
}

/** The only part of IPv6 that was given out for unicast (RFC 4291, IANA's registry); the rest has no owners. */
const global6 = ipaddr.parseCIDR("2000::/3")

/** Azure's wire server has a public address. All other clouds' services are in ranges that are refused anyway. */
const metadata = [ipaddr.parseCIDR("168.63.129.16/32")]

export interface NetworkShape {
  /** Decides by the address in its usual text form. */
  readonly allows: (address: string) => boolean

  /** Whether a host may be asked at all, by the name in the URL. Default: every one. */
  readonly allowsHost?: (host: string) => boolean

  /** Every address of a host name, those to try first first; rejects when there is none. */
  readonly resolve: (host: string) => Promise<ReadonlyArray<string>>

  /** A certificate authority to trust beside the usual ones, as PEM. */
  readonly authority?: string
}

/** Networks as the setting has them: CIDR blocks with commas between them, as `10.0.0.0/8,fd00::/8`. */
export const readNetworks = (value: string): Result.Result<ReadonlyArray<string>, string> => {
  const blocks = value.split(",").map((block) => block.trim())
  const wrong = blocks.find((block) => !ipaddr.isValidCIDR(block))
  return wrong === undefined
    ? Result.succeed(blocks)
    : Result.fail(`"${wrong}" is no block of addresses such as 10.0.0.0/8`)
}

/** The same network with some more addresses that are allowed. */
export const withNetworks = (network: NetworkShape, blocks: ReadonlyArray<string>): NetworkShape => {
  const ranges = blocks.map((block) => ipaddr.parseCIDR(block))
  const isWithin = (address: string) => {
    const parsed = ipaddr.process(address)
    return ranges.some((range) => parsed.kind() === range[0].kind() && parsed.match(range))
  }
  return {
    ...network,
    allows: (address) => network.allows(address) || (ipaddr.isValid(address) && isWithin(address))
  }
}

/** The network that guarded requests see. Tests put their own in its place. */
export const Network = Context.Reference<NetworkShape>("troupe/Network", {
  defaultValue: () => ({
    allows: isPublicAddress,
    resolve: async (host) => {
      const found = await dns.lookup(host, { all: true, order: "ipv4first" })
      return found.map(({ address }) => address)
    }
  })
})
