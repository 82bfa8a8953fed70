/**
 * Sums up tasks, tokens and cost by hour or by day, of all tenants, and keeps the sums: made for a schedule.
 *
 * Safe to repeat: the same hour again gives the same sums, and takes in what came late, until it is final. Records of tasks
 * are kept for `TROUPE_RETENTION` only, so an hour that was never summed up by then is lost.
 */
import { isDate, readTime } from "../../runtime/time.ts"
import { Effect, Layer, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { type AttemptOver, CurrentTask, defineTask, type EventRefused } from "../../runtime/handler.ts"
import { tenantDefault } from "../../runtime/tenant.ts"
import { total, TaskCounts, UsageCounts } from "../analytics/figures.ts"
import { dateAfter, dateIn, hourMs, hourOf, isTimeZone } from "../analytics/periods.ts"
import { type Rollup, Rollups } from "../analytics/rollups.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { UsageLog } from "../usage/usage.ts"

const backMax = 744
const hoursBackDefault = 24
const daysBackDefault = 2

export const TimeZone = Schema.String.check(
  Schema.makeFilter((zone) => isTimeZone(zone) || "must be the name of a time zone, as Europe/Berlin")
)

const input = Schema.Struct({
  /** Default `hour`. */
  period: Schema.optionalKey(Schema.Literals(["hour", "day"])),
  /** Whose days: default `UTC`. */
  timeZone: Schema.optionalKey(TimeZone),
  /** The newest hour, as a time within it, or day, as a date. Default: the last one that is over. */
  at: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter(
        (at) => readTime(at) !== undefined || "must be a time, as 2026-11-22T14:00:00Z, or a date"
      )
    )
  ),
  /** How many up to there: what came late to earlier ones is taken in. Default: 24 hours, 2 days. */
  back: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: backMax }))),
  /** Counts those again that are final, as far as their records are there. */
  again: Schema.optionalKey(Schema.Boolean)
}).check(
  Schema.makeFilter(({ at, period, timeZone }) =>
    period === "day"
      ? at === undefined || isDate(at) || "the `at` of a day is a date, as 2026-11-22"
      : timeZone === undefined || "an hour has no time zone"
  )
)

const output = Schema.Struct({
  periods: Schema.Array(
    Schema.Struct({
      from: Schema.String,
      to: Schema.String,
      /** It is not counted again. */
      final: Schema.Boolean,
      /** Some of its records may have been gone before it was first counted. */
      partial: Schema.Boolean,
      /** It was there already. */
      cached: Schema.Boolean,
      ...TaskCounts,
      ...UsageCounts
    })
  )
})

/** `analytics.aggregate`: sums up tasks, tokens and cost by hour and day. */
export const analyticsAggregate = defineTask.effect({
  name: "analytics.aggregate",
  queue: "analytics",
  input: exactly(input),
  output,
  timeout: "30 minutes",
  // Two who count the same hours would do the work twice.
  key: { of: () => "analytics" },
  layer: Rollups.layer.pipe(Layer.provide(UsageLog.layer), Layer.provide(Files.layer)),

  run: Effect.fn("analytics.aggregate")(function* (given) {
    const current = yield* CurrentTask
    const { again = false, period = "hour", timeZone = "UTC" } = given
    if (current.task.tenant !== tenantDefault) {
      return yield* refuse(
        "TenantNotAllowed",
        "roll-ups are of all tenants, so only the tenant default may make them; report.usage is for everybody"
      )
    }
    const rollups = yield* Rollups
    const { submittedAt } = current.task
    // What is over is told by the task and not by the clock, so that a later run of it means the same.
    const asked =
      period === "hour"
        ? hoursUpTo(given.at === undefined ? submittedAt - hourMs : readTime(given.at)!, given.back).map(
            (hour) => rollups.hour(hour, again)
          )
        : datesUpTo(given.at ?? dateAfter(dateIn(timeZone, submittedAt), -1), given.back).map((date) =>
            rollups.day(timeZone, date, again)
          )
    const periods: Array<ReturnType<typeof periodOf>> = []
    for (const ask of asked) {
      // Of each its sums alone: the rows of very many tenants, of all periods together, may be more than a worker holds.
      periods.push(periodOf(yield* ask))
      yield* courteously(
        current.progress(periods.length / asked.length, `${periods.length} of ${asked.length}`)
      )
    }
    return { periods }
  })
})

const periodOf = ({ cached, figures, final, from, partial, to }: Rollup) => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  final,
  partial,
  cached,
  ...total(figures)
})

const hoursUpTo = (at: number, back = hoursBackDefault): ReadonlyArray<number> =>
  Array.from({ length: back }, (_, before) => hourOf(at) - (back - 1 - before) * hourMs)

const datesUpTo = (date: string, back = daysBackDefault): ReadonlyArray<string> =>
  Array.from({ length: back }, (_, before) => dateAfter(date, before - back + 1))

/** What followers are told is a courtesy: the work goes on when it cannot be stored. */
const courteously = (event: Effect.Effect<void, AttemptOver | EventRefused>) =>
  Effect.catchTag(event, "EventRefused", () => Effect.void)
