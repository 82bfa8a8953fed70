import { describe, expect, test } from "bun:test"
import { Duration, Effect, Result, Stream } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { Dispatcher } from "../../../actors/dispatch/dispatcher.ts"
import { makeCensus } from "../../../actors/operate/census.ts"
import { testTroupe } from "../../../api/testing/index.ts"
import { analyticsAggregate } from "../../../handlers/analytics-aggregate/index.ts"
import { Tenant } from "../../../runtime/tenant.ts"
import { it } from "../../support/effect.ts"
import { temporaryFolder } from "../../support/folder.ts"
import { work } from "../../support/spending.ts"
import { memorySystem, redisSystem } from "../../support/system.ts"

const aFolder = () => {
  const folder = mkdtempSync(`${tmpdir()}/troupe-analytics-`)
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

const system = (files: string, over: object = {}) =>
  testTroupe({
    handlers: [analyticsAggregate, work],
    now: "2030-01-01T10:00:00Z",
    patience: "20 seconds",
    settings: { files, ...over }
  })

const kept = (folder: string) => {
  const hours = path.join(folder, "objects/analytics/hours")
  return Object.fromEntries(
    readdirSync(hours).map((name) => [name, readFileSync(path.join(hours, name), "utf8")])
  )
}

describe("an hour", () => {
  test("has what became of its tasks, and what models were asked in it", async () => {
    using files = aFolder()
    await using troupe = await system(files.folder)
    await (await troupe.submit(work, { tokens: 100 })).result()
    await (await troupe.submit(work, { fails: true })).result().catch(() => {})
    await troupe.advance("30 minutes")
    const late = await troupe.submit(work, { tokens: 7, lastsMs: 45 * 60_000 })
    await troupe.advance("35 minutes")

    const first = await troupe.submit(analyticsAggregate, { at: "2030-01-01T10:30:00Z", back: 1 })
    await troupe.settle()
    expect((await first.result()).periods).toEqual([
      {
        ...{
          from: "2030-01-01T10:00:00.000Z",
          to: "2030-01-01T11:00:00.000Z",
          final: false,
          partial: false,
          cached: false
        },
        ...{ submitted: 3, succeeded: 1, failed: 1, cancelled: 0, expired: 0, open: 1, runs: 3, tookMs: 0 },
        ...{ calls: 1, inputTokens: 100, outputTokens: 1, costMicros: 1_000, unpriced: 0 }
      }
    ])

    // What came late is taken in: the task ends, in the next hour, and what it has asked for is of that.
    await troupe.advance("20 minutes")
    expect(await late.result()).toBe("done")
    const second = await troupe.submit(analyticsAggregate, { at: "2030-01-01T11:00:00Z", back: 2 })
    await troupe.settle()
    const [ten, eleven] = (await second.result()).periods
    expect(ten).toMatchObject({
      submitted: 3,
      succeeded: 2,
      open: 0,
      calls: 1,
      tookMs: 2_700_000,
      final: true
    })
    // The one that counts is the one that has not ended.
    expect(eleven).toMatchObject({
      submitted: 2,
      succeeded: 1,
      open: 1,
      calls: 1,
      inputTokens: 7,
      final: false
    })
  })

  test("gives the same again, and is not counted again once it is final", async () => {
    using files = aFolder()
    await using troupe = await system(files.folder)
    for (let tokens = 1; tokens <= 5; tokens++) await (await troupe.submit(work, { tokens })).result()
    await troupe.advance("65 minutes")
    const counted = async (over: object) => {
      const task = await troupe.submit(analyticsAggregate, { at: "2030-01-01T10:00:00Z", back: 1, ...over })
      await troupe.settle()
      const { cached, ...rest } = (await task.result()).periods[0]!
      return { cached, rest }
    }

    const first = await counted({})
    const before = kept(files.folder)
    const second = await counted({})
    const third = await counted({ again: true })

    expect([first.cached, second.cached, third.cached]).toEqual([false, true, false])
    expect(second.rest).toEqual(first.rest)
    expect(third.rest).toEqual(first.rest)
    expect(kept(files.folder)).toEqual(before)
  })

  test("keeps what was counted after the records of its tasks are gone", async () => {
    using files = aFolder()
    await using troupe = await system(files.folder, { retention: Duration.hours(2) })
    await (await troupe.submit(work, { tokens: 3 })).result()
    await troupe.advance("65 minutes")
    await (await troupe.submit(analyticsAggregate, { at: "2030-01-01T10:00:00Z", back: 1 })).result()
    await troupe.advance("1 day")

    const again = await troupe.submit(analyticsAggregate, {
      at: "2030-01-01T10:00:00Z",
      back: 2,
      again: true
    })
    await troupe.settle()

    const [nine, ten] = (await again.result()).periods
    expect(ten).toMatchObject({ submitted: 1, succeeded: 1, inputTokens: 3, final: true, partial: false })
    expect(nine).toMatchObject({ submitted: 0, final: true, partial: true })
  })
})

describe("a schedule", () => {
  test("sums up each hour when it is over, and each day of a time zone", async () => {
    using files = aFolder()
    await using troupe = await system(files.folder, { retention: Duration.days(3) })
    await troupe.schedules.create(analyticsAggregate, { back: 2 }, { id: "hourly", cron: "5 * * * *" })
    await troupe.schedules.create(
      analyticsAggregate,
      { period: "day", timeZone: "Asia/Kolkata" },
      { id: "daily", cron: "10 0 * * *", timeZone: "Asia/Kolkata" }
    )
    // 10:00 in UTC is 15:30 in Kolkata, whose next day begins at 18:30.
    await (await troupe.submit(work, { tokens: 1 })).result()
    await troupe.submit(work, { tokens: 20 }, { delay: "8 hours" })
    await troupe.submit(work, { tokens: 300 }, { delay: "9 hours" })
    await troupe.advance("33 hours")

    const days = troupe
      .runs(analyticsAggregate)
      .flatMap(({ input, output }) =>
        input.period === "day" && output !== undefined ? [output.periods.at(-1)] : []
      )
    expect(days).toMatchObject([
      { from: "2029-12-31T18:30:00.000Z", to: "2030-01-01T18:30:00.000Z", inputTokens: 21 },
      { from: "2030-01-01T18:30:00.000Z", to: "2030-01-02T18:30:00.000Z", inputTokens: 300 }
    ])
    const names = Object.keys(kept(files.folder))
    expect(names).toContain("2030-01-01t10.json")
    expect(names).toContain("2030-01-02t17.json")
  })
})

for (const [store, system] of [
  ["memory", memorySystem],
  ["Redis", redisSystem]
] as const) {
  describe(`tasks of tenants on ${store}`, () => {
    it.live("are counted apart, and are told to nobody else", () =>
      Effect.gen(function* () {
        const files = yield* temporaryFolder
        yield* Effect.gen(function* () {
          const { ask } = yield* Dispatcher
          const from = Date.now() - 1_000
          const run = (tenant: string, over: object) =>
            Effect.provideService(ask({ name: "test.work", ...over }), Tenant, tenant)
          yield* run("default", { input: {} })
          yield* run("acme", { input: {} })
          yield* run("acme", { input: { fails: true } })
          yield* run("other", { input: {}, key: "k", queue: "second" })
          const told = (tenant: string, to: number) =>
            Effect.gen(function* () {
              const { tasks } = yield* makeCensus
              const all = yield* Stream.runCollect(tasks({ from, to }))
              return all.map(({ handler, state, tenant }) => `${tenant} ${handler} ${state}`).sort()
            }).pipe(Effect.provideService(Tenant, tenant))
          const everything = [
            "acme test.work failed",
            "acme test.work succeeded",
            "default test.work succeeded",
            "other test.work succeeded"
          ]
          expect(yield* told("default", Date.now() + 1_000)).toEqual(everything)
          expect(yield* told("acme", Date.now() + 1_000)).toEqual(everything.slice(0, 2))
          expect(yield* told("default", from)).toEqual([])

          const refused = yield* run("acme", { name: "analytics.aggregate", input: {} })
          expect(refused).toMatchObject({ state: "failed", error: { type: "TenantNotAllowed" } })
          const summed = yield* ask({
            name: "analytics.aggregate",
            input: { at: new Date().toISOString(), back: 2 }
          })
          const { periods } = (
            summed as {
              readonly output: {
                readonly periods: ReadonlyArray<{ readonly succeeded: number; readonly failed: number }>
              }
            }
          ).output
          expect(periods.reduce((sum, { succeeded }) => sum + succeeded, 0)).toBe(3)
          expect(periods.reduce((sum, { failed }) => sum + failed, 0)).toBe(2)
        }).pipe(
          Effect.provide(
            system([analyticsAggregate, work], {
              files,
              queues: ["default", "second", "analytics"].map((queue) => ({ queue, concurrency: 4 }))
            })
          )
        )
      })
    )
  })
}

describe("an input", () => {
  test("that cannot be is refused before it is taken in", () => {
    const isRefused = (input: unknown) =>
      Result.isFailure(analyticsAggregate.readInput(input) as Result.Result<unknown, unknown>)
    expect(isRefused({ timeZone: "Europe/Berlin" })).toBe(true)
    expect(isRefused({ period: "day", timeZone: "Mars/Base" })).toBe(true)
    expect(isRefused({ period: "day", at: "2026-02-30" })).toBe(true)
    // JavaScript would read the second as the year 2001, and the third as a day in March.
    for (const at of ["yesterday", "1", "2026-02-30T10:00:00Z"]) expect(isRefused({ at }), at).toBe(true)
    expect(isRefused({ at: "2026-11-22T14:30:00" })).toBe(false)
    expect(isRefused({ back: 0 })).toBe(true)
    expect(isRefused({ period: "day", at: "2026-11-22", timeZone: "Europe/Berlin" })).toBe(false)
  })
})
