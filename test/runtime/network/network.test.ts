import { describe, expect, test } from "bun:test"
import { isPublicAddress } from "../../../runtime/network/network.ts"

describe("an address of the public internet", () => {
  for (const address of [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e"
  ]) {
    test(`is allowed: ${address}`, () => {
      expect(isPublicAddress(address)).toBe(true)
    })
  }

  test("is allowed when it is written as IPv6", () => {
    expect(isPublicAddress("::ffff:8.8.8.8")).toBe(true)
  })
})

describe("any other address is not allowed", () => {
  const refused: ReadonlyArray<readonly [what: string, address: string]> = [
    ["unspecified", "0.0.0.0"],
    ["this network", "0.1.2.3"],
    ["loopback", "127.0.0.1"],
    ["loopback, elsewhere in its range", "127.255.255.254"],
    ["private, 10/8", "10.0.0.1"],
    ["private, 172.16/12", "172.31.255.255"],
    ["private, 192.168/16", "192.168.1.1"],
    ["shared by carriers", "100.64.0.1"],
    ["link-local", "169.254.1.1"],
    ["the metadata service of most clouds", "169.254.169.254"],
    ["the metadata service of Alibaba", "100.100.100.200"],
    ["the metadata service of Oracle", "192.0.0.192"],
    ["the wire server of Azure", "168.63.129.16"],
    ["documentation", "192.0.2.1"],
    ["documentation, second", "198.51.100.7"],
    ["documentation, third", "203.0.113.9"],
    ["benchmarks", "198.18.0.1"],
    ["6to4 relays", "192.88.99.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["IPv6 unspecified", "::"],
    ["IPv6 loopback", "::1"],
    ["IPv6 link-local", "fe80::1"],
    ["IPv6 link-local with a zone", "fe80::1%eth0"],
    ["IPv6 unique local", "fc00::1"],
    ["the metadata service of AWS over IPv6", "fd00:ec2::254"],
    ["IPv6 site-local", "fec0::1"],
    ["IPv6 multicast", "ff02::1"],
    ["IPv6 documentation", "2001:db8::1"],
    ["IPv6 documentation, second", "3fff::1"],
    ["IPv4 loopback as IPv6", "::ffff:127.0.0.1"],
    ["IPv4 loopback as IPv6 in hex", "::ffff:7f00:1"],
    ["IPv4 private as IPv6", "::ffff:10.0.0.1"],
    ["IPv4 in the old compatible form", "::127.0.0.1"],
    ["IPv4 translated (NAT64)", "64:ff9b::7f00:1"],
    ["IPv4 translated, local prefix", "64:ff9b:1::a00:1"],
    ["IPv4 tunnelled (6to4)", "2002:7f00:1::"],
    ["IPv4 tunnelled (Teredo)", "2001::7f00:1"],
    ["discard", "100::1"],
    ["never given out", "4000::1"],
    ["no address: a name", "localhost"],
    ["no address: a number", "2130706433"],
    ["no address: octal", "0177.0.0.1"],
    ["no address: short", "127.1"],
    ["no address: nothing", ""]
  ]
  for (const [what, address] of refused) {
    test(`${what}: ${address}`, () => {
      expect(isPublicAddress(address)).toBe(false)
    })
  }
})
