import { describe, expect } from "bun:test"
import { Effect } from "effect"
import { growingCsv } from "../../../handlers/report-usage/csv.ts"
import { type Line, linesOf } from "../../../handlers/report-usage/table.ts"
import { it } from "../../support/effect.ts"

const linesFor = (date: string, ...models: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const counts = { calls: 1, inputTokens: 2, outputTokens: 3, costMicros: 4, unpriced: 0 }
  const usage = models.map((model) => ({ tenant: "acme", handler: "a", model, ...counts }))
  return linesOf([{ date, figures: { tasks: [], usage } }], "model")
}

describe("the CSV of a report", () => {
  it.effect("has its columns named once, before the rows of all days", () =>
    Effect.gen(function* () {
      const csv = growingCsv("model")
      yield* csv.add("2026-11-01", linesFor("2026-11-01", "m,1", "=cmd()"))
      yield* csv.add("2026-11-02", linesFor("2026-11-02"))
      yield* csv.add("2026-11-03", linesFor("2026-11-03", "ü"))
      expect(csv.text().split("\r\n")).toEqual([
        "date,tenant,model,tasks,succeeded,failed,cancelled,expired,open,calls,input_tokens,output_tokens,cost,unpriced_calls",
        "2026-11-01,acme,'=cmd(),,,,,,,1,2,3,0.000004,0",
        '2026-11-01,acme,"m,1",,,,,,,1,2,3,0.000004,0',
        "2026-11-03,acme,ü,,,,,,,1,2,3,0.000004,0",
        ""
      ])
    })
  )

  it.effect("that is larger than an upload may be is refused on the day when it is, with what to do", () =>
    Effect.gen(function* () {
      const csv = growingCsv("model", 300)
      yield* csv.add("2026-11-01", linesFor("2026-11-01", "m"))
      expect(
        yield* Effect.flip(csv.add("2026-11-02", linesFor("2026-11-02", "ü".repeat(100))))
      ).toMatchObject({
        name: "ReportTooLarge",
        message: expect.stringContaining("by 2026-11-02 the CSV has more than 300 bytes")
      })
    })
  )
})
