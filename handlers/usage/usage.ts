/**
 * What models were asked and what it cost: one record for each call of a model, kept for good.
 *
 * A record is durable when `record` succeeds, and counts once however often it is said: it is known by its task, its
 * attempt and its call. Records lie in segments of an hour, `usage/<hour>/<writer>-<number>.ndjson`, whose lines are
 * records; a writer adds to its own segment alone, so that no two processes ever write one object. All tenants' records
 * lie together, so that they can be summed; who acts for a tenant other than `default` reads its own alone.
 */
import { Clock, Context, Effect, Layer, Result, Schema, Semaphore, Stream } from "effect"
import { Files, type FilesError } from "../../runtime/files.ts"
import { Tenant, tenantDefault } from "../../runtime/tenant.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** One call of a model. */
export const UsageRecord = Schema.Struct({
  /** Unix milliseconds. */
  at: Schema.Int,
  tenant: Schema.String,
  /** The handler or agent whose run it was. */
  handler: Schema.String,
  model: Schema.String,
  inputTokens: Count,
  outputTokens: Count,
  /** Millionths of the currency that prices are said in; absent where the model has no price. */
  costMicros: Schema.optionalKey(Count),
  /** The id of the task. */
  task: Schema.String,
  attempt: Schema.Int,
  /** Which of the attempt's calls it was, from 0. */
  call: Schema.Int,
  /** The provider did not say how much it was, as when the call was cancelled: tokens are estimated from the texts. */
  estimated: Schema.optionalKey(Schema.Boolean)
})
export type UsageRecord = typeof UsageRecord.Type

/** Of when, from the first and before the second, in Unix milliseconds; and whose, everybody's where nobody says. */
export interface UsageRange {
  readonly from: number
  readonly to: number
  readonly tenant?: string
}

export class UsageLog extends Context.Service<
  UsageLog,
  {
    /** Keeps a record of now. After a `FilesError` it may or may not be kept; saying it again is safe. */
    readonly record: (record: Omit<UsageRecord, "at">) => Effect.Effect<void, FilesError>

    /** The records of a time, each once, hour by hour; within an hour in no order. */
    readonly read: (range: UsageRange) => Stream.Stream<UsageRecord, FilesError>

    /** The hours from which there are records, each by its first millisecond, in order. */
    readonly hours: (
      range: Pick<UsageRange, "from" | "to">
    ) => Effect.Effect<ReadonlyArray<number>, FilesError>
  }
>()("troupe/handlers/UsageLog") {
  static readonly layer = Layer.effect(
    UsageLog,
    Effect.gen(function* () {
      const files = yield* Files
      const writer = crypto.getRandomValues(new Uint8Array(8)).toHex()
      const writing = yield* Semaphore.make(1)
      const waiting = new Set<UsageRecord>()
      const segments = new Map<number, Segment>()
      let count = 0

      /** Adds lines to the segment of their hour, which is written anew as a whole. */
      const append = Effect.fnUntraced(function* (hour: number, records: ReadonlyArray<UsageRecord>) {
        const open = segments.get(hour)
        const segment =
          open !== undefined && open.lines.length < segmentRecordsMax ? open : { number: count++, lines: [] }
        const lines = [...segment.lines, ...records.map((record) => JSON.stringify(record))]
        const name = `${folderOf(hour)}${writer}-${segment.number}.ndjson`
        yield* files.writeObject(name, new TextEncoder().encode(`${lines.join("\n")}\n`))
        segments.set(hour, { ...segment, lines })
      })

      /** What came while an earlier write was under way shares the next one. */
      const flush = Effect.gen(function* () {
        const batch = [...waiting]
        for (const [hour, records] of Map.groupBy(batch, ({ at }) => hourOf(at))) {
          yield* append(hour, records)
          for (const record of records) waiting.delete(record)
        }
        const newest = Math.max(...segments.keys())
        for (const hour of segments.keys()) if (hour < newest) segments.delete(hour)
      })

      const record = Effect.fn("UsageLog.record")(
        function* (said: Omit<UsageRecord, "at">) {
          const record = { at: yield* Clock.currentTimeMillis, ...said }
          waiting.add(record)
          yield* writing
            .withPermits(1)(Effect.suspend(() => (waiting.has(record) ? flush : Effect.void)))
            .pipe(Effect.ensuring(Effect.sync(() => waiting.delete(record))))
        },
        // Money was spent: whoever is cancelled still says so.
        Effect.uninterruptible,
        Effect.provideService(Tenant, tenantDefault)
      )

      const names = Effect.fnUntraced(
        function* ({ from, to }: Pick<UsageRange, "from" | "to">) {
          const all = yield* files.listObjects(root)
          return all.flatMap((name) => {
            const hour = hourIn(name)
            return hour !== undefined && hour >= hourOf(from) && hour < to ? [{ name, hour }] : []
          })
        },
        Effect.provideService(Tenant, tenantDefault)
      )

      const readHour = Effect.fnUntraced(
        function* (segments: ReadonlyArray<string>) {
          const texts = yield* Effect.forEach(
            segments,
            (name) => Effect.catchTag(files.readObject(name), "FileNotFound", () => Effect.succeed(empty)),
            { concurrency: readAtOnce }
          )
          const records = new Map<string, UsageRecord>()
          for (const [at, text] of texts.entries()) {
            let unread = 0
            for (const line of new TextDecoder().decode(text).split("\n")) {
              if (line === "") continue
              const record = Result.getOrUndefined(decode(line))
              if (record === undefined) unread += 1
              else records.set(`${record.task} ${record.attempt} ${record.call}`, record)
            }
            // One line that nobody can read must not keep all others from being summed up.
            if (unread > 0) {
              yield* Effect.logError(
                `${unread} records of usage in ${segments[at]} cannot be read, and are not counted`
              )
            }
          }
          return [...records.values()]
        },
        Effect.provideService(Tenant, tenantDefault)
      )

      const read = ({ from, tenant, to }: UsageRange) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const reader = yield* Tenant
            const whose = reader === tenantDefault ? tenant : reader
            const byHour = Map.groupBy(yield* names({ from, to }), ({ hour }) => hour)
            return Stream.fromIterable(byHour.values()).pipe(
              Stream.mapEffect((segments) => readHour(segments.map(({ name }) => name))),
              Stream.flatMap((records) => Stream.fromIterable(records)),
              Stream.filter((record) => record.at >= from && record.at < to),
              Stream.filter((record) => whose === undefined || record.tenant === whose),
              // Who asks for another tenant's is told of none.
              Stream.filter(() => tenant === undefined || tenant === whose)
            )
          })
        )

      const hours = (range: Pick<UsageRange, "from" | "to">) =>
        Effect.map(names(range), (found) =>
          [...new Set(found.map(({ hour }) => hour))].toSorted((a, b) => a - b)
        )

      return UsageLog.of({ record, read, hours })
    })
  )
}

// ---------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------

/** A segment with more records is closed: each write of one writes all its lines again, some 200 bytes each. */
const segmentRecordsMax = 500

const readAtOnce = 8

interface Segment {
  readonly number: number
  readonly lines: ReadonlyArray<string>
}

const root = "usage/"
const hourMs = 3_600_000
const empty = new Uint8Array()

const hourOf = (at: number) => Math.floor(at / hourMs) * hourMs

/** As `usage/2026-11-22t14/`, in UTC. */
const folderOf = (hour: number) => `${root}${new Date(hour).toISOString().slice(0, 13).toLowerCase()}/`

const hourIn = (name: string): number | undefined => {
  const [, date, hour] = /^usage\/(\d{4}-\d\d-\d\d)t(\d\d)\//.exec(name) ?? []
  return date === undefined ? undefined : Date.parse(`${date}T${hour}:00:00Z`)
}

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(UsageRecord))
