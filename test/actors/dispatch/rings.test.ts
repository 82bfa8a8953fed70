import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import { requestsOf, ringOfLimits } from "../../../actors/dispatch/rings.ts"
import type { Limit } from "../../../runtime/terms.ts"
import { it } from "../../support/effect.ts"
import { forAll } from "../../support/property.ts"

const rate = { count: 100_000, perMs: 60_000 }
const tokens: Limit = { name: "tokens", rate, amount: ({ words }: { words: number }) => words }
const calls: Limit = { name: "calls", rate, concurrency: 3, amount: 1 }
const db: Limit = { name: "db", concurrency: 2, amount: 7 }
const on = (input: unknown, of: { key?: string; tenant?: string } = {}) => ({ key: undefined, input, ...of })

describe("the ring of a task's limits", () => {
  test("is their names in one order, with what the task takes of a rate where that is not 1", () => {
    expect(ringOfLimits([tokens, calls, db], on({ words: 40 }))).toBe("calls+db+tokens*40")
    expect(ringOfLimits([db, tokens, calls], on({ words: 1 }))).toBe("calls+db+tokens")
    expect(ringOfLimits([tokens], on({ words: 0 }))).toBe("tokens*0")
  })

  it.effect("names an amount rounded up to two digits that count", () =>
    forAll(Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 1_000_000_000 })), (words) => {
      const [, amount] = ringOfLimits([tokens], on({ words })).split("*")

      expect(amount).toMatch(/^\d{1,2}0*$/)
      expect(Number(amount)).toBeGreaterThanOrEqual(words)
      expect(Number(amount)).toBeLessThanOrEqual(words * 1.1)
    })
  )

  test("takes no part of a whole number", () => {
    expect(ringOfLimits([tokens], on({ words: 2.1 }))).toBe("tokens*3")
  })

  for (const words of [Number.NaN, -1, Number.POSITIVE_INFINITY, "many"])
    test(`cannot be told where the amount is ${words}`, () => {
      expect(() => ringOfLimits([tokens], on({ words }))).toThrow(`limit tokens: amount gave ${words}`)
    })
})

describe("the ring of a limit that each has for themselves", () => {
  const ofTenants: Limit = { name: "model", rate, amount: 1, each: "tenant" }
  const ofKeys: Limit = { name: "model", rate, amount: 1, each: "key" }
  const ofAccounts: Limit = {
    name: "model",
    rate,
    amount: ({ words }: { words: number }) => words,
    each: ({ account }: { account: string }) => account
  }

  test("names whose it is: a tenant's, a key's, or what the input says", () => {
    expect(ringOfLimits([ofTenants], on({}, { tenant: "acme" }))).toBe("model@acme")
    expect(ringOfLimits([ofTenants], on({}))).toBe("model@default")
    expect(ringOfLimits([ofKeys, db], on({}, { tenant: "acme", key: "user-7" }))).toBe("db+model@acme/user-7")
    expect(ringOfLimits([ofKeys], on({}))).toBe("model@default/")
    expect(ringOfLimits([ofAccounts], on({ words: 40, account: "a.b" }))).toBe("model@a.b*40")
  })

  test("names what cannot be read in a name by a digest, and no two alike", () => {
    const rings = ["a+b", "a*2", "a|b", "a b", "~x", "@", "é", "x".repeat(64)].map((account) =>
      ringOfLimits([ofAccounts], on({ words: 1, account }))
    )

    for (const ring of rings) expect(ring).toMatch(/^model@~[0-9a-f]{24}$/)
    expect(new Set(rings).size).toBe(rings.length)
  })

  for (const account of [undefined, "", 7, {}])
    test(`cannot be told where the input says ${JSON.stringify(account)}`, () => {
      expect(() => ringOfLimits([ofAccounts], on({ words: 1, account }))).toThrow("limit model: each gave")
    })

  test("asks for what each has, under its name", () => {
    expect(requestsOf("model@acme+db", [{ limits: [ofTenants] }, { limits: [db] }])).toEqual([
      { name: "model@acme", rate: { ...rate, amount: 1 } },
      { name: "db", concurrency: 2 }
    ])
  })

  test("goes on where all share the limit by now, and where nobody did before", () => {
    const shared: Limit = { name: "model", rate, amount: 1 }

    expect(requestsOf("model@acme", [{ limits: [shared] }])).toMatchObject([{ name: "model" }])
    expect(requestsOf("model", [{ limits: [ofTenants] }])).toMatchObject([{ name: "model" }])
  })
})

describe("what a ring asks of its limits", () => {
  const handlers = [{ limits: [tokens] }, { limits: [calls, db] }]

  test("is what the handlers say of them, with the amounts of the ring", () => {
    expect(requestsOf("calls+db+tokens*40", handlers)).toEqual([
      { name: "calls", rate: { ...rate, amount: 1 }, concurrency: 3 },
      { name: "db", concurrency: 2 },
      { name: "tokens", rate: { ...rate, amount: 40 } }
    ])
  })

  test("is unknown where no handler names one of them", () => {
    expect(requestsOf("calls+other", handlers)).toBeUndefined()
  })

  test("holds both where one handler says the rate and another how many at once", () => {
    const said = [
      { limits: [{ name: "api", concurrency: 2, amount: 1 }] },
      { limits: [{ name: "api", rate, amount: 1 }] }
    ]

    expect(requestsOf("api", said)).toEqual([{ name: "api", rate: { ...rate, amount: 1 }, concurrency: 2 }])
  })
})
