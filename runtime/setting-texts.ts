/**
 * How the texts of settings are read: each reader gives a value, or says what is wrong with the text and what would be right.
 *
 * What only one feature sets is read where that feature is (`routes.ts`, `secret-rules.ts`, …).
 */
import { Duration, type LogLevel, Option, Redacted, Result, Schema } from "effect"
import { bucketOf } from "./blobs/address.ts"
import { readDuration } from "./duration.ts"
import { readAddress } from "./redis/address.ts"
import { QueueName } from "./task.ts"

/** A queue that a process serves, and how many of its tasks it runs at once. */
export interface Subscription {
  readonly queue: string
  readonly concurrency: number
}

/** How many worker processes a node keeps. */
export interface WorkerRange {
  readonly min: number
  readonly max: number
}

/** How many tasks of one queue a process runs at once when nobody says: agent work mostly waits for others. */
export const concurrencyDefault = 32

const concurrencyMax = 10_000

/** A text that says something. */
export const text = (value: string) =>
  value === "" ? Result.fail("must not be empty") : Result.succeed(value)

/** Where Redis is. It is kept as a text, since it is handed to child processes. */
export const redisAddress = (value: string): Result.Result<Redacted.Redacted<string>, string> => {
  const url = Redacted.make(value)
  return Result.flatMap(text(value), () =>
    Result.mapBoth(readAddress(url), { onSuccess: () => url, onFailure: ({ detail }) => detail })
  )
}

/** A folder, or a bucket. */
export const filesPlace = (value: string) =>
  /^[a-z][a-z0-9+-]+:\/\//i.test(value) && bucketOf(value) === undefined
    ? Result.fail(`"${value}" is neither a folder nor s3://bucket/prefix`)
    : text(value)

/** What the keys in Redis begin with. */
export const namespace = (value: string) =>
  /^[A-Za-z0-9_.-]{1,64}$/.test(value)
    ? Result.succeed(value)
    : Result.fail(`"${value}" is not 1 to 64 of A-Z a-z 0-9 _ . -`)

/** A whole number from `minimum` to `maximum`. */
export const whole = (minimum: number, maximum: number) => (value: string) => {
  const number = Number(value)
  return /^\d+$/.test(value) && number >= minimum && number <= maximum
    ? Result.succeed(number)
    : Result.fail(`"${value}" is not a whole number from ${minimum} to ${maximum}`)
}

const workersMax = 256

/** A number of worker processes, or a range. */
export const workers = (value: string): Result.Result<WorkerRange, string> => {
  const [, least, most = least] = /^(\d+)(?:\.\.(\d+))?$/.exec(value) ?? []
  const [min, max] = [Number(least), Number(most)]
  return min >= 1 && max <= workersMax && min <= max
    ? Result.succeed({ min, max })
    : Result.fail(
        `"${value}" is neither a whole number from 1 to ${workersMax} nor a range of them such as 2..8`
      )
}

/** A duration that ends, and is not shorter than `least`. */
export const atLeast = (least: Duration.Duration) => (value: string) =>
  Option.match(
    // What has no end, or is below 0, is a duration too: one that is refused for that.
    Option.orElse(readDuration(value), () => Duration.fromInput(value as Duration.Input)),
    {
      onNone: () => Result.fail(`"${value}" is not a duration such as "15 seconds"`),
      onSome: (duration) =>
        !Duration.isFinite(duration)
          ? Result.fail(`"${value}" has no end`)
          : Duration.isLessThan(duration, least)
            ? Result.fail(`"${value}" is less than ${Duration.format(least)}`)
            : Result.succeed(duration)
    }
  )

/** Queues, each with its concurrency if it has one of its own, commas between them. */
export const subscriptions = (value: string): Result.Result<ReadonlyArray<Subscription>, string> => {
  const parts = value.split(",").map((part) => {
    const [queue = "", count = String(concurrencyDefault), ...rest] = part.trim().split(":")
    const concurrency = Number(count)
    return Schema.is(QueueName)(queue) &&
      rest.length === 0 &&
      /^\d+$/.test(count) &&
      concurrency > 0 &&
      concurrency <= concurrencyMax
      ? Result.succeed({ queue, concurrency })
      : Result.fail(
          `"${part}" is not queue:concurrency, as in documents:8 (1 to ${concurrencyMax} at a time)`
        )
  })
  const names = parts.flatMap((part) => (Result.isSuccess(part) ? [part.success.queue] : []))
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  return twice === undefined ? Result.all(parts) : Result.fail(`queue ${twice} is named twice`)
}

/** One of some words. */
export const oneOf =
  <const Words extends ReadonlyArray<string>>(...words: Words) =>
  (value: string): Result.Result<Words[number], string> =>
    words.includes(value) ? Result.succeed(value) : Result.fail(`"${value}" is none of ${words.join(", ")}`)

/** A URL's origin as browsers send it: nothing after the host. */
const isOrigin = (text: string) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text
}

/** Origins, commas between them. */
export const originList = (value: string): Result.Result<ReadonlyArray<string>, string> => {
  const all = value.split(",").map((part) => part.trim())
  const bad = all.find((origin) => !isOrigin(origin))
  return bad === undefined
    ? Result.succeed(all)
    : Result.fail(`"${bad}" is not an origin such as https://app.example.com`)
}

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" } as const

/** A level of the log. */
export const level = (value: string): Result.Result<LogLevel.LogLevel, string> =>
  Object.hasOwn(levels, value)
    ? Result.succeed(levels[value as keyof typeof levels])
    : Result.fail(`"${value}" is none of ${Object.keys(levels).join(", ")}`)
