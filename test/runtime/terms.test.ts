import { describe, expect, test } from "bun:test"
import { defineTask } from "../../runtime/handler.ts"
import type { KeyOptions, LimitOptions } from "../../runtime/terms.ts"

const run = () => null
const limited = (...limits: ReadonlyArray<LimitOptions>) => defineTask({ name: "some", limits, run }).limits
const keyed = (key?: KeyOptions) =>
  defineTask({ name: "some", ...(key === undefined ? {} : { key }), run }).keyed

describe("the limits of a handler", () => {
  test("are none unless it says some", () => {
    expect(defineTask({ name: "some", run }).limits).toEqual([])
  })

  test("have a rate, a number at once, or both, and cost 1 unless they say more", () => {
    const tokens = ({ text }: { text: string }) => text.length
    expect(
      limited(
        { key: "openai", rate: 60, per: "1 minute" },
        { key: "gpu.a-1", concurrency: 2, each: "tenant" },
        { key: "tokens", rate: 90_000, per: 1_000, concurrency: 5, amount: tokens as never }
      )
    ).toEqual([
      { name: "openai", rate: { count: 60, perMs: 60_000 }, amount: 1 },
      { name: "gpu.a-1", concurrency: 2, amount: 1, each: "tenant" },
      { name: "tokens", rate: { count: 90_000, perMs: 1_000 }, concurrency: 5, amount: tokens as never }
    ])
  })

  test.each([
    [{ key: "", concurrency: 1 }, `limits[0]: key ""`],
    [{ key: "a b", concurrency: 1 }, `limits[0]: key "a b"`],
    [{ key: "x".repeat(64), concurrency: 1 }, "limits[0]: key"],
    [{ key: "a" }, "give rate and per, or concurrency"],
    [{ key: "a", rate: 1 }, "give rate and per together"],
    [{ key: "a", per: 1 }, "give rate and per together"],
    [{ key: "a", rate: 0, per: 1 }, "rate 0"],
    [{ key: "a", rate: Number.NaN, per: 1 }, "rate NaN"],
    [{ key: "a", rate: 1, per: "0 seconds" }, "per 0 seconds"],
    [{ key: "a", rate: 1, per: "32 days" }, "per 32 days"],
    [{ key: "a", concurrency: 0 }, "concurrency 0"],
    [{ key: "a", concurrency: 1, each: "user" as never }, `each "user" is not "tenant", "key"`],
    [{ key: "a", concurrency: 1.5 }, "concurrency 1.5"],
    [{ key: "a", concurrency: 1, amount: -1 }, "amount -1"],
    [{ key: "a", rate: 5, per: 1, amount: 6 }, "amount 6 is more than the rate ever allows"]
  ] satisfies ReadonlyArray<[LimitOptions, string]>)("cannot be %j", (limit, message) => {
    expect(() => limited(limit)).toThrow(TypeError)
    expect(() => limited(limit)).toThrow(message)
  })

  test("name each limit once, and are at most eight", () => {
    const one = { key: "a", concurrency: 1 }

    expect(() => limited(one, one)).toThrow(`limits name "a" twice`)
    expect(() => limited(...Array.from({ length: 9 }, (_, at) => ({ ...one, key: `k${at}` })))).toThrow(
      "more than 8 limits"
    )
  })
})

describe("the tasks of one key", () => {
  test("run one at a time and in order unless their handler says otherwise", () => {
    expect(keyed()).toEqual({ concurrency: 1, ordered: true, of: undefined })
  })

  test("are not kept in order where several run at once, unless it says so", () => {
    expect(keyed({ concurrency: 3 })).toMatchObject({ concurrency: 3, ordered: false })
    expect(keyed({ concurrency: 3, ordered: true })).toMatchObject({ concurrency: 3, ordered: true })
    expect(keyed({ ordered: false })).toMatchObject({ concurrency: 1, ordered: false })
  })

  test("may be as many at once as there are workers for", () => {
    expect(keyed({ concurrency: Number.POSITIVE_INFINITY })).toMatchObject({ concurrency: 0, ordered: false })
  })

  test.each([0, -1, 1.5, Number.NaN])("cannot be %p at once", (concurrency) => {
    expect(() => keyed({ concurrency })).toThrow(`key.concurrency ${concurrency}`)
  })

  test("get the key that a handler makes of the input", () => {
    const handler = defineTask({
      name: "some",
      key: { of: (input: unknown) => `tenant ${String(input)}` },
      run
    })

    expect(handler.keyed.of?.(7)).toBe("tenant 7")
  })
})
