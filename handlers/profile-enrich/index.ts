/**
 * Tells of customers what their messages and events say: how content they are, what they talk about, when and where they
 * come, and how likely they are to come again.
 *
 * Many customers are told of in one task, one after the other, and each profile is put out as soon as it is made. What is
 * computed follows from the input alone, so the same input gives the same profiles.
 *
 * Safe to repeat: it writes nothing.
 */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { Files } from "../../runtime/files.ts"
import { CurrentTask, defineTask, Misfit } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"
import { isDate, readTime } from "../../runtime/time.ts"
import { exactly } from "../input/exactly.ts"
import { refuse } from "../refusal/refuse.ts"
import { type Source, Tables } from "../table/table.ts"
import { behaviourOf, type Deed } from "./behaviour.ts"
import { type Said, sentimentOf, topicsOf } from "./feelings.ts"
import { featureNames, featuresOf, propensityOf, weightsDefault } from "./propensity.ts"
import { type Listen, listening } from "./words.ts"

const customersMax = 2_000
const messagesMax = 2_000
const eventsMax = 10_000
const textMax = 20_000

const topicsDefault = 10

/** Profiles with more characters of JSON are refused: an output has its limit, with some room beside them. */
const profileCharactersMax = 8_000_000

/** Whatever else runs in the process gets its turn after so many messages. */
const messagesPerTurn = 20

/** In Unix milliseconds: no `Date` is farther from 1970. */
const timeMax = 8.64e15

/** What an event is worth at most, so that sums of them stay numbers. */
const valueMax = 1e15
const weightMax = 1e6

const upTo = (max: number) => Schema.Finite.check(Schema.isBetween({ minimum: -max, maximum: max }))

/** A day that there is none of, as 30 February, would be read as one of the next month. */
const isTime = (text: string) =>
  isDate(text.slice(0, 10)) && /^.{10}([T ]|$)/.test(text) && !Number.isNaN(Date.parse(text))

const Time = Schema.Union([
  Schema.String.check(
    Schema.makeFilter((text: string) =>
      isTime(text) ? undefined : "not a time in ISO 8601, such as 2030-01-31T09:00:00Z"
    )
  ),
  // Unix milliseconds.
  Schema.Int.check(Schema.isBetween({ minimum: -timeMax, maximum: timeMax }))
])

const Name = Schema.NonEmptyString.check(Schema.isMaxLength(128))

const Customer = Schema.Struct({
  id: Name,
  messages: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        at: Time,
        text: Schema.String.check(Schema.isMaxLength(textMax)),
        channel: Schema.optionalKey(Name)
      })
    ).check(Schema.isMaxLength(messagesMax))
  ),
  events: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        at: Time,
        type: Name,
        channel: Schema.optionalKey(Name),
        value: Schema.optionalKey(upTo(valueMax))
      })
    ).check(Schema.isMaxLength(eventsMax))
  )
})

const isTimeZone = Schema.makeFilter((name: string) => {
  try {
    Intl.DateTimeFormat("en", { timeZone: name })
    return undefined
  } catch {
    return "not a time zone such as Europe/Berlin"
  }
})

const isWeight = Schema.makeFilter((weights: Readonly<Record<string, number>>) => {
  const known = ["bias", ...featureNames]
  const stranger = Object.keys(weights).find((name) => !known.includes(name) && !name.startsWith("event:"))
  return stranger === undefined
    ? undefined
    : `there is no feature "${stranger}", only ${known.join(", ")} and event:<type>`
})

const Customers = Schema.Array(Customer).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(customersMax),
  Schema.makeFilter((customers: ReadonlyArray<{ readonly id: string }>) => {
    const seen = new Set<string>()
    const twice = customers.find(({ id }) => seen.size === seen.add(id).size)
    return twice === undefined ? undefined : `the customer ${twice.id} comes twice`
  })
)

const input = Schema.Struct({
  /** The customers themselves; or JSON of them, an array or one a line, in an upload or a file below `TROUPE_FOLDERS`. */
  customers: Schema.optionalKey(Customers),
  file: Schema.optionalKey(Schema.NonEmptyString),
  path: Schema.optionalKey(Schema.NonEmptyString),
  /** What is later has not happened yet. Default: now. */
  asOf: Schema.optionalKey(Time),
  /** In which hours and weekdays are told. Default `UTC`. */
  timeZone: Schema.optionalKey(Schema.String.check(isTimeZone)),
  /** Laid over the default weights; 0 takes a feature out. */
  weights: Schema.optionalKey(Schema.Record(Schema.String, upTo(weightMax)).check(isWeight)),
  topics: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })))
}).check(
  Schema.makeFilter(({ customers, file, path }) =>
    [customers, file, path].filter((one) => one !== undefined).length === 1
      ? undefined
      : "give exactly one of customers, file and path"
  )
)

const Trend = Schema.Literals(["rising", "steady", "falling"])
const Counts = Schema.Record(Schema.String, Schema.Finite)

const Profile = Schema.Struct({
  id: Schema.String,
  sentiment: Schema.Struct({
    score: Schema.Finite,
    label: Schema.Literals(["positive", "neutral", "negative"]),
    change: Schema.Finite,
    trend: Trend,
    positive: Schema.Int,
    neutral: Schema.Int,
    negative: Schema.Int
  }),
  topics: Schema.Array(
    Schema.Struct({ topic: Schema.String, messages: Schema.Int, sentiment: Schema.Finite })
  ),
  behaviour: Schema.Struct({
    count: Schema.Int,
    firstAt: Schema.optionalKey(Schema.String),
    lastAt: Schema.optionalKey(Schema.String),
    recencyDays: Schema.optionalKey(Schema.Finite),
    tenureDays: Schema.optionalKey(Schema.Finite),
    perWeek: Schema.Finite,
    hours: Schema.Array(Schema.Int),
    weekdays: Schema.Array(Schema.Int),
    channels: Counts,
    types: Counts,
    value: Schema.Finite,
    change: Schema.Finite,
    trend: Trend
  }),
  propensity: Schema.Struct({
    score: Schema.Finite,
    bias: Schema.Finite,
    contributions: Schema.Array(
      Schema.Struct({
        feature: Schema.String,
        value: Schema.Finite,
        weight: Schema.Finite,
        contribution: Schema.Finite
      })
    )
  })
})

/** The model of English, loaded once in a process. */
class Words extends Context.Service<
  Words,
  { readonly listen: Effect.Effect<Listen, Effect.Error<typeof listening>> }
>()("troupe/handlers/Words") {
  static readonly layer = Layer.effect(
    Words,
    Effect.map(Effect.cached(listening), (listen) => Words.of({ listen }))
  )
}

/** `profile.enrich`: tells what customers' messages and events say of them, and scores them openly. */
export const profileEnrich = defineTask.effect({
  name: "profile.enrich",
  queue: "profiles",
  input: exactly(input),
  output: Schema.Struct({ asOf: Schema.String, profiles: Schema.Array(Profile) }),
  timeout: "10 minutes",
  layer: Layer.merge(Words.layer, Layer.provide(Tables.layer, Files.layer)),

  run: Effect.fn("profile.enrich")(function* ({
    asOf: said,
    timeZone = "UTC",
    topics = topicsDefault,
    weights = {},
    ...from
  }) {
    const task = yield* CurrentTask
    const customers = from.customers ?? (yield* customersIn(from))
    const listen = yield* Effect.flatMap(Words, (words) => words.listen)
    // The same in every run of the task.
    const asOf = said === undefined ? task.task.submittedAt : timeOf(said)
    const profiles: Array<typeof Profile.Type> = []
    let characters = 0
    for (const { events = [], id, messages = [] } of customers) {
      const heard: Array<Said> = []
      for (const [at, message] of messages.entries()) {
        const time = timeOf(message.at)
        if (time <= asOf) heard.push({ at: time, ...listen(message.text) })
        if (at % messagesPerTurn === messagesPerTurn - 1) yield* Effect.sleep(0)
      }
      const deeds: ReadonlyArray<Deed> = [
        ...messages.map(({ at, channel }) => ({ at: timeOf(at), type: "message", channel })),
        ...events.map(({ at, ...event }) => ({ at: timeOf(at), ...event }))
      ]
      const behaviour = behaviourOf(deeds, asOf, timeZone)
      const sentiment = sentimentOf(heard, asOf)
      const profile = {
        id,
        sentiment,
        topics: topicsOf(heard, topics),
        behaviour,
        propensity: propensityOf(featuresOf(behaviour, sentiment), { ...weightsDefault, ...weights })
      }
      profiles.push(profile)
      characters += JSON.stringify(profile).length + 1
      if (characters > profileCharactersMax) {
        return yield* refuse(
          "TooManyProfiles",
          `the profiles of the first ${profiles.length} of ${customers.length} customers are as much as an output holds; give fewer customers, or ask for fewer topics`
        )
      }
      // What followers are told is a courtesy: a profile that is too large for them is in the output.
      yield* Effect.catchTag(task.emit(profile), "EventRefused", () => Effect.void)
      yield* task.progress(
        profiles.length / customers.length,
        `${profiles.length} of ${customers.length} customers`
      )
    }
    return { asOf: new Date(asOf).toISOString(), profiles }
  })
})

const readCustomers = readerOf(Customers, "field")

const customersIn = Effect.fnUntraced(function* (source: Source) {
  const tables = yield* Tables
  const { rows } = yield* tables.read(source, customersMax)
  const customers = readCustomers(rows)
  return Result.isSuccess(customers)
    ? customers.success
    : yield* refuse(
        "RowsInvalid",
        `the customers do not fit: ${new Misfit({ faults: customers.failure }).message}`
      )
})

/** A time without a zone is one of UTC, wherever the worker runs. */
const timeOf = (time: typeof Time.Type): number =>
  typeof time === "string" ? (readTime(time.replace(" ", "T")) ?? Date.parse(time)) : time
