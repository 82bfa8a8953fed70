/**
 * Reports tasks, tokens and cost by day and tenant, as a CSV and as a PDF with a chart, of the roll-ups there are; hours that
 * nobody has summed up yet it sums up.
 *
 * A tenant is told of itself alone, the tenant `default` of everybody. Safe to repeat: the same roll-ups give the same bytes,
 * and the files of a task are made once.
 */
import { isDate } from "../../runtime/time.ts"
import { Effect, Layer, Schema } from "effect"
import { FileInfo, Files } from "../../runtime/files.ts"
import { type AttemptOver, CurrentTask, defineTask, type EventRefused } from "../../runtime/handler.ts"
import { TenantName, tenantDefault } from "../../runtime/tenant.ts"
import { TaskCounts, total, UsageCounts } from "../analytics/figures.ts"
import { datesBetween, isTimeZone, lastWhole, midnight } from "../analytics/periods.ts"
import { Rollups } from "../analytics/rollups.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { UsageLog } from "../usage/usage.ts"
import { growingCsv } from "./csv.ts"
import { pdfOf } from "./pdf.ts"
import { type Amount, amountOf, type By, chartOf, linesOf, measureOf, shownOf, totalsOf } from "./table.ts"

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
    const csv = formats.includes("csv") ? growingCsv(by) : undefined
    const amounts: Array<Amount> = []
    const tenants = new Set<string>()
    const sums = { ...total({ tasks: [], usage: [] }) }
    let totals: ReturnType<typeof totalsOf> = []
    let final = true
    let partial = false
    // A day at a time: of very many tenants all days together may be more than a worker holds.
    for (const [at, date] of dates.entries()) {
      const rollup = yield* rollups.day(timeZone, date)
      const figures = shownOf(rollup.figures, (tenant) => whose === undefined || tenant === whose)
      final &&= rollup.final
      partial ||= rollup.partial
      for (const { tenant } of [...figures.tasks, ...figures.usage]) tenants.add(tenant)
      for (const [name, count] of Object.entries(total(figures))) sums[name as keyof typeof sums] += count
      const lines = linesOf([{ date, figures }], by)
      totals = totalsOf([...totals, ...lines])
      const ofTenants = by === "tenant" ? lines : linesOf([{ date, figures }], "tenant")
      for (const line of ofTenants) amounts.push(amountOf(line))
      if (csv !== undefined) yield* csv.add(date, lines)
      yield* courteously(
        current.progress((0.9 * (at + 1)) / dates.length, `${at + 1} of ${dates.length} days`)
      )
    }
    const said = { from, before, timeZone, final, partial }
    const files = {
      ...(csv === undefined
        ? {}
        : {
            csv: yield* current.step(
              "csv",
              Effect.suspend(() => keep(csv.text(), "text/csv; charset=utf-8"))
            )
          }),
      ...(formats.includes("pdf")
        ? {
            pdf: yield* current.step("pdf", keepPdf({ ...said, by, currency, dates, totals, amounts, whose }))
          }
        : {})
    }
    return { ...said, tenants: tenants.size, ...sums, ...files }
  })
})

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const courteously = (event: Effect.Effect<void, AttemptOver | EventRefused>) =>
  Effect.catchTag(event, "EventRefused", () => Effect.void)

const keep = (bytes: BlobPart, type: string) =>
  Effect.flatMap(Files, ({ upload }) => upload(new Blob([bytes]).stream(), { type }))

interface Said {
  readonly from: string
  readonly before: string
  readonly timeZone: string
  readonly final: boolean
  readonly partial: boolean
  readonly by: By
  readonly currency: string
  readonly dates: ReadonlyArray<string>
  readonly totals: ReturnType<typeof totalsOf>
  /** By tenant, for the chart. */
  readonly amounts: ReadonlyArray<Amount>
  readonly whose: string | undefined
}

const keepPdf = Effect.fnUntraced(function* (said: Said) {
  const { amounts, before, by, currency, dates, final, from, partial, timeZone, totals, whose } = said
  const measure = measureOf(amounts)
  const bytes = yield* pdfOf({
    title: whose === undefined ? "Usage" : `Usage of ${whose}`,
    about: [
      `${from} to ${dates.at(-1)}, days of ${timeZone}`,
      ...(final ? [] : ["Not final: some hours are not over, or have tasks that have not ended."]),
      ...(partial ? ["Some records may have been gone before they were counted."] : [])
    ],
    measure,
    currency,
    chart: chartOf(amounts, dates, measure),
    by,
    totals,
    at: midnight(timeZone, before)
  })
  return yield* keep(bytes, "application/pdf")
})
