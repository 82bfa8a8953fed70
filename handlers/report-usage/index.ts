/**
 * Reports tasks, tokens and cost by day and tenant, as a CSV and as a PDF with a chart, of the roll-ups there are; hours that
 * nobody has summed up yet it sums up.
 *
 * A tenant is told of itself alone, the tenant `default` of everybody. Safe to repeat: the same roll-ups give the same bytes,
 * and the files of a task are made once.
 */
import { isDate } from "../../runtime/time.ts"
import { Effect, Layer, Schema, Stream } from "effect"
import * as Csv from "effect/encoding/Csv"
import { FileInfo, Files } from "../../runtime/files.ts"
import { type AttemptOver, CurrentTask, defineTask, type EventRefused } from "../../runtime/handler.ts"
import { TenantName, tenantDefault } from "../../runtime/tenant.ts"
import { sum, TaskCounts, total, UsageCounts } from "../analytics/figures.ts"
import { datesBetween, isTimeZone, lastWhole, midnight } from "../analytics/periods.ts"
import { Rollups } from "../analytics/rollups.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { UsageLog } from "../usage/usage.ts"
import { pdfOf } from "./pdf.ts"
import {
  type By,
  chartOf,
  columnsOf,
  csvOf,
  daysOf,
  type Line,
  linesOf,
  measureOf,
  totalsOf
} from "./table.ts"

const daysMax = 366

const DateText = Schema.String.check(
  Schema.makeFilter((text) => isDate(text) || "must be a date, as 2026-11-22")
)

const input = Schema.Struct({
  /** The first day, and the one after the last. */
  from: Schema.optionalKey(DateText),
  before: Schema.optionalKey(DateText),
  /** In place of them: the last one that is over. Default `month`. */
  last: Schema.optionalKey(Schema.Literals(["day", "week", "month"])),
  /** Whose days: default `UTC`. */
  timeZone: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter((zone) => isTimeZone(zone) || "must be the name of a time zone, as Europe/Berlin")
    )
  ),
  /** What the rows of a tenant are broken down by. Default `tenant`: they are not. */
  by: Schema.optionalKey(Schema.Literals(["tenant", "handler", "model"])),
  /** Only this one. Default: everybody, as far as that may be told. */
  tenant: Schema.optionalKey(TenantName),
  /** Default: both. */
  formats: Schema.optionalKey(
    Schema.Array(Schema.Literals(["csv", "pdf"])).check(Schema.isMinLength(1), Schema.isMaxLength(2))
  ),
  /** What the prices are said in. Default `USD`. */
  currency: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[A-Z]{3}$/u, { message: "must be as EUR" }))
  )
}).check(
  Schema.makeFilter(({ before, from, last }) => {
    if ((from === undefined) !== (before === undefined)) return "say from and before together"
    if (from === undefined || before === undefined) return true
    if (last !== undefined) return "say either from and before, or last"
    if (from >= before) return "before must be a later date than from"
    return datesBetween(from, before).length <= daysMax || `covers more than ${daysMax} days`
  })
)

const output = Schema.Struct({
  from: Schema.String,
  before: Schema.String,
  timeZone: Schema.String,
  /** All its hours are over, and all their tasks have ended: it will not change. */
  final: Schema.Boolean,
  /** Some records may have been gone before they were counted. */
  partial: Schema.Boolean,
  tenants: Schema.Int,
  ...TaskCounts,
  ...UsageCounts,
  csv: Schema.optionalKey(FileInfo),
  pdf: Schema.optionalKey(FileInfo)
})

/** `report.usage`: reports tasks, tokens and cost by tenant, as CSV and as a PDF. */
export const reportUsage = defineTask.effect({
  name: "report.usage",
  queue: "analytics",
  input: exactly(input),
  output,
  timeout: "30 minutes",
  layer: Rollups.layer.pipe(Layer.provide(UsageLog.layer), Layer.provideMerge(Files.layer)),

  run: Effect.fn("report.usage")(function* (given) {
    const current = yield* CurrentTask
    const { by = "tenant", currency = "USD", formats = ["csv", "pdf"], timeZone = "UTC" } = given
    const reader = current.task.tenant
    if (reader !== tenantDefault && given.tenant !== undefined && given.tenant !== reader) {
      return yield* refuse("TenantNotAllowed", `the tenant ${reader} is told of itself alone`)
    }
    const whose = reader === tenantDefault ? given.tenant : reader
    const { before, from } =
      given.from === undefined || given.before === undefined
        ? lastWhole(given.last ?? "month", timeZone, current.task.submittedAt)
        : { from: given.from, before: given.before }
    const dates = datesBetween(from, before)
    const rollups = yield* Rollups
    const made = yield* Effect.forEach(dates, (date, at) =>
      Effect.tap(rollups.day(timeZone, date), () =>
        courteously(current.progress((0.9 * (at + 1)) / dates.length, `${at + 1} of ${dates.length} days`))
      )
    )
    const days = daysOf(made, dates, (tenant) => whose === undefined || tenant === whose)
    const figures = sum(days.map((day) => day.figures))
    const lines = linesOf(days, by)
    const said = {
      from,
      before,
      timeZone,
      final: made.every((one) => one.final),
      partial: made.some((one) => one.partial)
    }
    const files = {
      ...(formats.includes("csv") ? { csv: yield* current.step("csv", keepCsv(lines, by)) } : {}),
      ...(formats.includes("pdf")
        ? {
            pdf: yield* current.step(
              "pdf",
              keepPdf({ ...said, by, currency, dates, lines, days: linesOf(days, "tenant"), whose })
            )
          }
        : {})
    }
    const tenants = new Set([...figures.tasks, ...figures.usage].map(({ tenant }) => tenant)).size
    return { ...said, tenants, ...total(figures), ...files }
  })
})

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const courteously = (event: Effect.Effect<void, AttemptOver | EventRefused>) =>
  Effect.catchTag(event, "EventRefused", () => Effect.void)

const keep = (bytes: BlobPart, type: string) =>
  Effect.flatMap(Files, ({ upload }) => upload(new Blob([bytes]).stream(), { type }))

const keepCsv = Effect.fnUntraced(function* (lines: ReadonlyArray<Line>, by: By) {
  const parts = yield* Stream.fromIterable(csvOf(lines, by)).pipe(
    Stream.pipeThroughChannel(Csv.encodeString({ columns: columnsOf(by), headers: true })),
    Stream.runCollect
  )
  return yield* keep(parts.join(""), "text/csv; charset=utf-8")
})

interface Said {
  readonly from: string
  readonly before: string
  readonly timeZone: string
  readonly final: boolean
  readonly partial: boolean
  readonly by: By
  readonly currency: string
  readonly dates: ReadonlyArray<string>
  readonly lines: ReadonlyArray<Line>
  /** By tenant, for the chart. */
  readonly days: ReadonlyArray<Line>
  readonly whose: string | undefined
}

const keepPdf = Effect.fnUntraced(function* (said: Said) {
  const { before, by, currency, dates, days, final, from, lines, partial, timeZone, whose } = said
  const measure = measureOf(days)
  const bytes = yield* pdfOf({
    title: whose === undefined ? "Usage" : `Usage of ${whose}`,
    about: [
      `${from} to ${dates.at(-1)}, days of ${timeZone}`,
      ...(final ? [] : ["Not final: some hours are not over, or have tasks that have not ended."]),
      ...(partial ? ["Some records may have been gone before they were counted."] : [])
    ],
    measure,
    currency,
    chart: chartOf(days, dates, measure),
    by,
    totals: totalsOf(lines),
    at: midnight(timeZone, before)
  })
  return yield* keep(bytes, "application/pdf")
})
