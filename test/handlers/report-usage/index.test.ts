import { describe, expect, test } from "bun:test"
import { Effect, Result } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { extractText, getDocumentProxy } from "unpdf"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { testTroupe } from "../../../api/testing/index.ts"
import { analyticsAggregate } from "../../../handlers/analytics-aggregate/index.ts"
import { pdfOf } from "../../../handlers/report-usage/pdf.ts"
import { reportUsage } from "../../../handlers/report-usage/index.ts"
import { Files } from "../../../runtime/files.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { filesIn, temporaryFolder } from "../../support/folder.ts"
import { memorySystem } from "../../support/system.ts"
import { work } from "../../support/spending.ts"

const handlers = [analyticsAggregate, reportUsage, work]

const textOf = async (bytes: Uint8Array) =>
  (await extractText(await getDocumentProxy(bytes), { mergePages: true })).text

describe("a report of usage", () => {
  test("is of the last month that is over, with a line for each day, and the same bytes again", async () => {
    const files = mkdtempSync(`${tmpdir()}/troupe-report-`)
    await using troupe = await testTroupe({
      handlers,
      now: "2030-01-10T10:00:00Z",
      patience: "20 seconds",
      settings: { files }
    })
    // By the time of Berlin the second is of the eleventh.
    await (await troupe.submit(work, { tokens: 1_000_000, model: "gpt" })).result()
    await troupe.advance("13 hours")
    await (await troupe.submit(work, { tokens: 2_000, model: "claude" })).result()
    await (await troupe.submit(work, { fails: true })).result().catch(() => {})
    await troupe.advance("2 hours")
    await (await troupe.submit(analyticsAggregate, { back: 20 })).result()
    await troupe.setTime("2030-02-01T12:00:00Z")
    const first = await troupe.submit(reportUsage, { timeZone: "Europe/Berlin" })
    const second = await troupe.submit(reportUsage, { timeZone: "Europe/Berlin" })
    await troupe.settle()

    const [report, again] = [await first.result(), await second.result()]
    expect(report).toMatchObject({
      ...{ from: "2030-01-01", before: "2030-02-01", timeZone: "Europe/Berlin", final: true, tenants: 1 },
      ...{ failed: 1, calls: 2, inputTokens: 1_002_000, outputTokens: 2, costMicros: 10_020_000 }
    })
    const bytesOf = (id: string) => new Uint8Array(readFileSync(path.join(files, "uploads", id)))
    const lines = new TextDecoder().decode(bytesOf(report.csv!.id)).split("\r\n")
    expect(lines).toEqual([
      "date,tenant,tasks,succeeded,failed,cancelled,expired,open,calls,input_tokens,output_tokens,cost,unpriced_calls",
      "2030-01-10,default,1,1,0,0,0,0,1,1000000,1,10.000000,0",
      "2030-01-11,default,2,1,1,0,0,0,1,2000,1,0.020000,0",
      ""
    ])
    const text = await textOf(bytesOf(report.pdf!.id))
    expect(text).toContain("Usage")
    expect(text).toContain("2030-01-01 to 2030-01-31, days of Europe/Berlin")
    expect(text).toContain("Cost, USD, by day")
    expect(text).toMatch(/default\s+3\s+1\s+2\s+1 002 002\s+10\.0200/)
    expect([again.csv!.sha256, again.pdf!.sha256]).toEqual([report.csv!.sha256, report.pdf!.sha256])
    rmSync(files, { recursive: true, force: true })
  }, 20_000)

  it.live("tells a tenant of itself alone", () =>
    Effect.gen(function* () {
      const files = yield* temporaryFolder
      const today = new Date().toISOString().slice(0, 10)
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
      const days = { from: today, before: tomorrow, formats: ["csv"] }
      const ended = yield* Effect.gen(function* () {
        const { ask } = yield* Dispatcher
        const as = (tenant: string, name: string, input: unknown) =>
          Effect.provideService(ask({ name, input }), Tenant, tenant)
        yield* as("acme", "test.work", { tokens: 5, model: "=2+5" })
        yield* as("beta", "test.work", { tokens: 7 })
        return yield* Effect.all({
          acme: as("acme", "report.usage", { ...days, by: "model" }),
          stranger: as("acme", "report.usage", { ...days, tenant: "beta" }),
          everybody: as("default", "report.usage", days),
          beta: as("default", "report.usage", { ...days, tenant: "beta" })
        })
      }).pipe(Effect.provide(memorySystem(handlers, { files })))
      const csv = (tenant: string, report: unknown) =>
        Effect.gen(function* () {
          const { output } = report as { readonly output: { readonly csv: { readonly id: string } } }
          return new TextDecoder().decode(yield* (yield* Files).read(output.csv.id))
        }).pipe(Effect.provideService(Tenant, tenant), Effect.provide(filesIn(files)))

      expect(ended.stranger).toMatchObject({ state: "failed", error: { type: "TenantNotAllowed" } })
      const acme = yield* csv("acme", ended.acme)
      expect(acme).toContain(`${today},acme,'=2+5,,,,,,,1,5,1,0.000050,0`)
      expect(acme).not.toContain("beta")
      expect(yield* csv("default", ended.everybody)).toMatch(/,acme,.*\r\n.*,beta,/)
      expect(yield* csv("default", ended.beta)).not.toContain("acme")
    })
  )
})

describe("a PDF", () => {
  it.live("goes on over as many pages as its table takes, whatever names there are", () =>
    Effect.gen(function* () {
      const totals = Array.from({ length: 520 }, (_, at) => ({
        tenant: `tenant-${at}-with-a-name-that-is-longer-than-its-column`,
        of: `模型 ${at} “quoted” \u0007`,
        usage: { calls: 1, inputTokens: 2, outputTokens: 3, costMicros: 4_000_000, unpriced: 0 }
      }))
      const bytes = yield* pdfOf({
        title: "Usage — ümläut",
        about: ["a", "b"],
        measure: "cost",
        currency: "EUR",
        chart: { names: ["a"], bars: [{ date: "2026-11-01", parts: [0] }] },
        by: "model",
        totals,
        at: 0
      })
      const document = yield* Effect.promise(() => getDocumentProxy(bytes))
      expect(document.numPages).toBeGreaterThan(8)
      const { text } = yield* Effect.promise(() => extractText(document, { mergePages: true }))
      expect(text).toContain("and 20 more, which the CSV has")
      expect(text).toContain("ümläut")
    })
  )
})

describe("an input", () => {
  test("that cannot be is refused before it is taken in", () => {
    const isRefused = (input: unknown) =>
      Result.isFailure(reportUsage.readInput(input) as Result.Result<unknown, unknown>)
    for (const wrong of [
      { from: "2026-11-01" },
      { from: "2026-11-02", before: "2026-11-02" },
      { from: "2026-11-01", before: "2026-11-02", last: "day" },
      { from: "2020-01-01", before: "2026-01-01" },
      { from: "2026-11-31", before: "2026-12-02" },
      { timeZone: "Nowhere" },
      { currency: "$" },
      { formats: [] }
    ]) {
      expect(isRefused(wrong), JSON.stringify(wrong)).toBe(true)
    }
    expect(isRefused({})).toBe(false)
  })
})
