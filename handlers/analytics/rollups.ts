/**
 * Roll-ups: the figures of each hour, counted from the records of tasks and of usage and then kept, and those of the days of
 * a time zone, which are sums of hours.
 *
 * An hour is counted anew whenever it is asked for, until it is final: over, with all its tasks ended. Counting it again
 * gives the same as long as nothing has changed, and takes in what came late. Records of tasks go after
 * `TROUPE_RETENTION`; from then on what was counted last stays. A roll-up is one object that is written whole, so that two
 * who count at once do no harm.
 */
import { Clock, Context, Duration, Effect, Layer, Schema, Stream } from "effect"
import { Census } from "../../runtime/census.ts"
import { Settings } from "../../runtime/config.ts"
import { Files, type FilesError } from "../../runtime/files.ts"
import type { StoreError } from "../../runtime/store.ts"
import { Tenant, tenantDefault } from "../../runtime/tenant.ts"
import { UsageLog } from "../usage/usage.ts"
import { Figures, HourOfFigures, Quarters, quartersWithin, sum } from "./figures.ts"
import { dayIn, hourMs, hourName, hourOf, hoursIn, type Span } from "./periods.ts"

/** What is noted of an hour so long after its end is late. */
const settleMs = Duration.toMillis("2 minutes")

/** How many hours are read at once. */
const readAtOnce = 8

const Hour = Schema.Struct({
  /** Unix milliseconds of its start. */
  hour: Schema.Int,
  quarters: Quarters,
  /** Tasks that had not ended. */
  open: Schema.Int,
  /** It is not counted again. */
  final: Schema.Boolean,
  /** When it was first counted some of its records may have been gone already. */
  partial: Schema.Boolean
})
type Hour = typeof Hour.Type

const Day = Schema.Struct({ figures: Figures, partial: Schema.Boolean })

/** The figures of a span, and how far they can be relied on. */
export interface Rollup extends Span {
  readonly figures: Figures
  readonly final: boolean
  readonly partial: boolean
  /** All of it was there already. */
  readonly cached: boolean
}

export class Rollups extends Context.Service<
  Rollups,
  {
    /** The figures of an hour, of all tenants; `again` counts even a final one again, while its records are there. */
    readonly hour: (hour: number, again?: boolean) => Effect.Effect<Rollup, FilesError | StoreError>

    /** The figures of a day of a time zone, of all tenants. */
    readonly day: (
      zone: string,
      date: string,
      again?: boolean
    ) => Effect.Effect<Rollup, FilesError | StoreError>
  }
>()("troupe/handlers/Rollups") {
  static readonly layer = Layer.effect(
    Rollups,
    Effect.gen(function* () {
      const files = yield* Files
      const log = yield* UsageLog
      const census = yield* Census
      const { retention } = yield* Settings
      const retentionMs = Duration.toMillis(retention)

      const read = <S extends Schema.Codec<unknown, unknown>>(name: string, schema: S) =>
        files.readObject(name).pipe(
          Effect.flatMap((bytes) =>
            Schema.decodeEffect(Schema.fromJsonString(schema))(new TextDecoder().decode(bytes))
          ),
          // What cannot be read is made again.
          Effect.catchTag(["FileNotFound", "SchemaError"], () => Effect.void)
        )

      const write = (name: string, value: unknown) =>
        files.writeObject(name, new TextEncoder().encode(JSON.stringify(value)))

      /** Counts some hours that follow each other from their records, which are gone through once. */
      const count = Effect.fnUntraced(function* (hours: ReadonlyArray<number>) {
        const counted = new Map(hours.map((hour) => [hour, new HourOfFigures(hour)]))
        const span = { from: Math.min(...hours), to: Math.max(...hours) + hourMs }
        yield* Stream.runForEach(census.tasks(span), (task) =>
          Effect.sync(() => counted.get(hourOf(task.submittedAt))?.task(task))
        )
        yield* Stream.runForEach(log.read(span), (record) =>
          Effect.sync(() => counted.get(hourOf(record.at))?.call(record))
        )
        return counted
      })

      const hoursOf = Effect.fnUntraced(function* (hours: ReadonlyArray<number>, again: boolean) {
        const now = yield* Clock.currentTimeMillis
        // The first of its records may be gone from then on.
        const isGone = (hour: number) => now >= hour + retentionMs
        const kept = yield* Effect.forEach(hours, (hour) => read(nameOf(hour), Hour), {
          concurrency: readAtOnce
        })
        const usable = kept.map((one, at) =>
          one !== undefined && (isGone(hours[at]!) || (one.final && !again)) ? one : undefined
        )
        const missing = hours.filter((_, at) => usable[at] === undefined)
        const counted = missing.length === 0 ? new Map<number, HourOfFigures>() : yield* count(missing)
        return yield* Effect.forEach(hours, (hour, at) => {
          const there = usable[at]
          if (there !== undefined) return Effect.succeed({ ...there, final: true, cached: true })
          const { isEmpty, open, quarters } = counted.get(hour)!
          const isOver = now >= hour + hourMs + settleMs
          const made: Hour = {
            hour,
            quarters,
            open,
            final: (isOver && open === 0) || isGone(hour),
            partial: isGone(hour)
          }
          // Of nothing nothing can be lost.
          const keep = isEmpty && (isGone(hour) || hour > now) ? Effect.void : write(nameOf(hour), made)
          return Effect.as(keep, { ...made, cached: false })
        })
      })

      const hour = Effect.fn("Rollups.hour")(
        function* (hour: number, again: boolean = false) {
          const [one] = yield* hoursOf([hour], again)
          const { cached, final, partial, quarters } = one!
          return { from: hour, to: hour + hourMs, figures: sum(quarters), final, partial, cached }
        },
        Effect.provideService(Tenant, tenantDefault)
      )

      const day = Effect.fn("Rollups.day")(
        function* (zone: string, date: string, again: boolean = false) {
          const span = dayIn(zone, date)
          const name = `analytics/days/${zoneName(zone)}/${date}.json`
          const kept = again ? undefined : yield* read(name, Day)
          // Only a day that is final was kept.
          if (kept !== undefined) return { ...span, ...kept, final: true, cached: true }
          const hours = yield* hoursOf(hoursIn(span), again)
          const figures = sum(hours.flatMap((one) => quartersWithin(one.hour, one.quarters, span)))
          const final = hours.every((one) => one.final)
          const partial = hours.some((one) => one.partial)
          if (final) yield* write(name, { figures, partial })
          return { ...span, figures, final, partial, cached: hours.every(({ cached }) => cached) }
        },
        Effect.provideService(Tenant, tenantDefault)
      )

      return Rollups.of({ hour, day })
    })
  )
}

const nameOf = (hour: number) => `analytics/hours/${hourName(hour)}.json`

/** A zone's name as that of an object: `America/New_York` is `america.new_york`. */
const zoneName = (zone: string): string => zone.toLowerCase().replaceAll("/", ".").replaceAll("+", "plus")
