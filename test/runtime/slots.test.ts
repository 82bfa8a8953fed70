import { describe, expect, test } from "bun:test"
import { RedisError } from "../../runtime/redis/link.ts"
import {
  isSame,
  listenerOf,
  nameOf,
  noSlots,
  redirectionOf,
  slotOf,
  slotsOf,
  type SlotsReply,
  withSlot
} from "../../runtime/redis/reach/slots.ts"

const saying = (message: string) => redirectionOf(new RedisError({ cause: new Error(message) }))

describe("the slot of a partition", () => {
  test("is the one that a cluster finds by the hash tag of its keys", () => {
    // As `CLUSTER KEYSLOT troupe:{default.0}:live` says.
    expect(slotOf("default.0")).toBe(5_640)
  })
})

describe("what a node says of slots", () => {
  const reply: SlotsReply = [
    [0, 1, ["10.0.0.1", 7000, "id"]],
    [2, 2, [null, 7001, "id"]],
    [3, 3, ["", 7002, "id"]],
    [16_383, 16_383, ["::1", 7003, "id"]]
  ]

  test("is its primary for each, which is itself where it does not say", () => {
    const { nodes, of } = slotsOf(reply, "asked")

    expect([...of]).toEqual([
      [0, "10.0.0.1:7000"],
      [1, "10.0.0.1:7000"],
      [2, "asked:7001"],
      [3, "asked:7002"],
      [16_383, "::1:7003"]
    ])
    expect(nodes.size).toBe(4)
  })

  test("differs from what was known where one slot has gone elsewhere, and where one is served no more", () => {
    const known = slotsOf(reply, "asked")

    expect(isSame(known, slotsOf(reply, "asked"))).toBe(true)
    expect(isSame(known, withSlot(known, 1, "10.0.0.2:7000"))).toBe(false)
    expect(isSame(known, slotsOf(reply.slice(1), "asked"))).toBe(false)
    expect(isSame(noSlots, known)).toBe(false)
    expect([...withSlot(known, 1, "10.0.0.2:7000").nodes]).toContain("10.0.0.2:7000")
  })

  test("names a node by where it listens, an IPv6 address too", () => {
    for (const listener of [
      { host: "a", port: 1 },
      { host: "::1", port: 7000 }
    ])
      expect(listenerOf(nameOf(listener))).toEqual(listener)
  })
})

describe("a node that did not do what it was told", () => {
  test.each([
    ["MOVED 5640 127.0.0.1:7001", { kind: "moved", slot: 5_640, node: "127.0.0.1:7001" }],
    ["MOVED 1 ::1:7001", { kind: "moved", slot: 1, node: "::1:7001" }],
    ["MOVED 1 redis-2.example.org:7001", { kind: "moved", slot: 1, node: "redis-2.example.org:7001" }],
    ["MOVED 1 :7001", { kind: "wait" }],
    ["ASK 5640 127.0.0.1:7001", { kind: "wait" }],
    ["TRYAGAIN Multiple keys request during rehashing of slot", { kind: "wait" }],
    ["CLUSTERDOWN The cluster is down", { kind: "wait" }]
  ] as const)("says where to go, or that it will pass: %s", (message, redirection) => {
    expect(saying(message)).toEqual(redirection)
  })

  test.each(["ERR no such key", "WRONGTYPE MOVED 1 a:1", "no answer within 5000 ms", "MOVEDx 1 a:1"])(
    "says nothing of that by %s",
    (message) => {
      expect(saying(message)).toBeUndefined()
    }
  )
})
