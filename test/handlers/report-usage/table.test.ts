import { describe, expect, test } from "bun:test"
import type { Figures } from "../../../handlers/analytics/figures.ts"
import {
  allOf,
  amountOf,
  axisOf,
  chartOf,
  columnsOf,
  csvOf,
  linesOf,
  measured,
  measureOf,
  money,
  totalsOf
} from "../../../handlers/report-usage/table.ts"

const tasks = (tenant: string, handler: string, submitted: number) => ({
  ...{
    tenant,
    handler,
    submitted,
    succeeded: submitted,
    failed: 0,
    cancelled: 0,
    expired: 0,
    open: 0,
    runs: submitted,
    tookMs: 0
  }
})
const usage = (tenant: string, handler: string, model: string, costMicros: number) => ({
  ...{ tenant, handler, model, calls: 1, inputTokens: 100, outputTokens: 10, costMicros, unpriced: 0 }
})
const days: ReadonlyArray<{ readonly date: string; readonly figures: Figures }> = [
  {
    date: "2026-11-01",
    figures: {
      tasks: [tasks("acme", "a", 3), tasks("acme", "b", 2), tasks("beta", "a", 1)],
      usage: [usage("acme", "a", "m", 1_500_000), usage("acme", "a", "n", 1), usage("beta", "a", "=cmd()", 2)]
    }
  },
  { date: "2026-11-02", figures: { tasks: [], usage: [] } },
  { date: "2026-11-03", figures: { tasks: [tasks("beta", "a", 10)], usage: [] } }
]

describe("a report's lines", () => {
  test("are one for each day and tenant, and none for a day without anything", () => {
    expect(
      linesOf(days, "tenant").map(({ date, tasks, tenant, usage }) => [
        date,
        tenant,
        tasks?.submitted,
        usage.calls
      ])
    ).toEqual([
      ["2026-11-01", "acme", 5, 2],
      ["2026-11-01", "beta", 1, 1],
      ["2026-11-03", "beta", 10, 0]
    ])
  })

  test("may be broken down by handler or by model, whose tasks nobody can tell", () => {
    expect(
      linesOf(days, "handler").map(({ of, tasks, usage }) => [of, tasks?.submitted, usage.calls])
    ).toEqual([
      ["a", 3, 2],
      ["b", 2, 0],
      ["a", 1, 1],
      ["a", 10, 0]
    ])
    expect(linesOf(days, "model").map(({ of, tasks }) => [of, tasks])).toEqual([
      ["m", undefined],
      ["n", undefined],
      ["=cmd()", undefined]
    ])
  })

  test("add up to totals, the most costly first", () => {
    expect(
      totalsOf(linesOf(days, "tenant")).map(({ tasks, tenant, usage }) => [
        tenant,
        tasks?.submitted,
        usage.costMicros
      ])
    ).toEqual([
      ["acme", 5, 1_500_001],
      ["beta", 11, 2]
    ])
  })

  test("add up to one line of everybody", () => {
    const { tasks, usage } = allOf(totalsOf(linesOf(days, "tenant")))
    expect([tasks?.submitted, usage.calls, usage.costMicros]).toEqual([16, 3, 1_500_003])
    expect(allOf(totalsOf(linesOf(days, "model"))).tasks).toBeUndefined()
  })

  test("tell cost exactly, and no program that it is a formula", () => {
    expect([money(0), money(1), money(1_500_001), money(123_456_789_012)]).toEqual([
      "0.000000",
      "0.000001",
      "1.500001",
      "123456.789012"
    ])
    const rows = csvOf(linesOf(days, "model"), "model")
    expect(rows.map(({ model }) => model)).toEqual(["m", "n", "'=cmd()"])
    expect(Object.keys(rows[0]!).toSorted()).toEqual([...columnsOf("model")].toSorted())
    expect(rows[0]).toMatchObject({ tasks: "", cost: "1.500000" })
  })
})

describe("a report's chart", () => {
  test("shows cost, else tokens, else tasks", () => {
    const amounts = linesOf(days, "tenant").map(amountOf)
    const free = amounts.map((one) => ({ ...one, costMicros: 0 }))
    const idle = free.map((one) => ({ ...one, tokens: 0 }))
    expect([measureOf(amounts), measureOf(free), measureOf(idle)]).toEqual(["cost", "tokens", "tasks"])
    expect(measured("cost", amounts[0]!)).toBe(1.500001)
  })

  test("has a bar for each day, and one colour for all tenants but the largest", () => {
    const amounts = Array.from({ length: 8 }, (_, at) =>
      linesOf(
        [{ date: "2026-11-01", figures: { tasks: [tasks(`t${at}`, "a", at + 1)], usage: [] } }],
        "tenant"
      ).map(amountOf)
    ).flat()
    const { bars, names } = chartOf(amounts, ["2026-11-01", "2026-11-02"], "tasks")
    expect(names).toEqual(["t7", "t6", "t5", "t4", "t3", "others"])
    expect(bars).toEqual([
      { date: "2026-11-01", parts: [8, 7, 6, 5, 4, 6] },
      { date: "2026-11-02", parts: [0, 0, 0, 0, 0, 0] }
    ])
  })

  test("has an axis that ends at or above the largest bar, with marks that people read", () => {
    for (const largest of [0.000001, 0.3, 1, 7, 36, 99.9, 100, 1_234, 5e9]) {
      const marks = axisOf(largest)
      expect(marks.at(-1)!, String(largest)).toBeGreaterThanOrEqual(largest * 0.999)
      expect(marks.at(-1)! / largest).toBeLessThan(2)
      expect(marks.length).toBeLessThanOrEqual(6)
    }
    expect(axisOf(7)).toEqual([0, 2, 4, 6, 8])
    expect(axisOf(0)).toEqual([0, 1])
  })
})
