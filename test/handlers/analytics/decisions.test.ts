import { isDate } from "../../../runtime/time.ts"
import { describe, expect, test } from "bun:test"
import { HourOfFigures, quartersWithin, sum, total } from "../../../handlers/analytics/figures.ts"
import {
  dateIn,
  datesBetween,
  dayIn,
  hourMs,
  hoursIn,
  isTimeZone,
  lastWhole,
  quarterMs
} from "../../../handlers/analytics/periods.ts"
import { TaskId } from "../../../runtime/task.ts"

const at = (text: string) => Date.parse(text)
const hoursOf = (zone: string, date: string) => {
  const { from, to } = dayIn(zone, date)
  return (to - from) / hourMs
}

describe("a day", () => {
  test("has 23 or 25 hours where clocks change, and 24 elsewhere", () => {
    expect(hoursOf("Europe/Berlin", "2026-03-29")).toBe(23)
    expect(hoursOf("Europe/Berlin", "2026-10-25")).toBe(25)
    expect(hoursOf("Europe/Berlin", "2026-10-26")).toBe(24)
    expect(hoursOf("UTC", "2026-03-29")).toBe(24)
    // Half an hour.
    expect(hoursOf("Australia/Lord_Howe", "2026-10-04")).toBe(23.5)
  })

  test("begins where its zone says, also off the hours of UTC, and the next one begins where it ends", () => {
    expect(dayIn("Asia/Kolkata", "2026-11-22").from).toBe(at("2026-11-21T18:30:00Z"))
    expect(dayIn("Asia/Kathmandu", "2026-11-22").from % quarterMs).toBe(0)
    for (const zone of [
      "America/New_York",
      "Asia/Kolkata",
      "Africa/Cairo",
      "America/Sao_Paulo",
      "Pacific/Apia"
    ]) {
      const days = datesBetween("2026-01-01", "2027-01-01").map((date) => dayIn(zone, date))
      expect(
        days.every((day, index) => index === 0 || day.from === days[index - 1]!.to),
        zone
      ).toBe(true)
    }
    expect(hoursIn(dayIn("Asia/Kolkata", "2026-11-22")).length).toBe(25)
  })

  test("is that of the clocks there", () => {
    expect(dateIn("America/New_York", at("2026-11-22T03:00:00Z"))).toBe("2026-11-21")
    expect(dateIn("Pacific/Auckland", at("2026-11-22T12:00:00Z"))).toBe("2026-11-23")
  })

  test("has a date that there is, and a zone that there is", () => {
    expect([isDate("2026-02-28"), isDate("2026-02-29"), isDate("2026-2-1"), isDate("x")]).toEqual([
      true,
      false,
      false,
      false
    ])
    expect([isTimeZone("Europe/Berlin"), isTimeZone("UTC"), isTimeZone("Mars/Base")]).toEqual([
      true,
      true,
      false
    ])
  })
})

describe("the last whole period", () => {
  test("ends where the one that is not over begins", () => {
    const now = at("2026-03-01T00:30:00Z")
    expect(lastWhole("day", "UTC", now)).toEqual({ from: "2026-02-28", before: "2026-03-01" })
    expect(lastWhole("month", "UTC", now)).toEqual({ from: "2026-02-01", before: "2026-03-01" })
    expect(lastWhole("month", "America/New_York", now)).toEqual({ from: "2026-01-01", before: "2026-02-01" })
    // A Sunday.
    expect(lastWhole("week", "UTC", now)).toEqual({ from: "2026-02-16", before: "2026-02-23" })
  })
})

describe("figures", () => {
  const hour = at("2026-11-22T14:00:00Z")
  const task = (minute: number, over: object = {}) => ({
    id: TaskId.make("default.0.01JD3QK5T8Y6M2N4P7R9S1V3WX"),
    tenant: "acme",
    handler: "a",
    queue: "default",
    state: "succeeded" as const,
    attempt: 1,
    submittedAt: hour + minute * 60_000,
    finishedAt: hour + minute * 60_000 + 500,
    ...over
  })
  const call = (minute: number, over: object = {}) => ({
    at: hour + minute * 60_000,
    tenant: "acme",
    handler: "a",
    model: "m",
    inputTokens: 10,
    outputTokens: 1,
    costMicros: 5,
    task: "t",
    attempt: 1,
    call: 0,
    ...over
  })

  test("are the same rows in whatever order the facts come", () => {
    const facts = [
      task(1),
      task(50, { tenant: "b", state: "failed", attempt: 3 }),
      task(2, { state: "queued", finishedAt: undefined, attempt: 0 })
    ]
    const calls = [call(1), call(20, { model: "n", costMicros: undefined })]
    const one = new HourOfFigures(hour)
    const other = new HourOfFigures(hour)
    for (const fact of facts) one.task(fact)
    for (const fact of calls) one.call(fact)
    for (const fact of calls.toReversed()) other.call(fact)
    for (const fact of facts.toReversed()) other.task(fact)
    expect(JSON.stringify(other.quarters)).toBe(JSON.stringify(one.quarters))
    expect(one.open).toBe(1)
    expect(total(sum(one.quarters))).toEqual({
      ...{ submitted: 3, succeeded: 1, failed: 1, cancelled: 0, expired: 0, open: 1, runs: 4, tookMs: 1_000 },
      ...{ calls: 2, inputTokens: 20, outputTokens: 2, costMicros: 5, unpriced: 1 }
    })
  })

  test("of a day leave out the quarters that are not its own", () => {
    const counted = new HourOfFigures(hour)
    for (const minute of [0, 14, 15, 29, 30, 59]) counted.task(task(minute))
    const within = quartersWithin(hour, counted.quarters, {
      from: hour + 2 * quarterMs,
      to: hour + 24 * hourMs
    })
    expect(total(sum(within)).submitted).toBe(2)
    expect(
      total(sum(quartersWithin(hour, counted.quarters, { from: 0, to: hour + quarterMs }))).submitted
    ).toBe(2)
  })

  test("are those of the tenants that are asked for", () => {
    const counted = new HourOfFigures(hour)
    for (const tenant of ["acme", "b", "acme"]) {
      counted.task(task(1, { tenant }))
      counted.call(call(1, { tenant }))
    }
    expect(total(sum(counted.quarters, (tenant) => tenant === "b"))).toMatchObject({ submitted: 1, calls: 1 })
  })
})
