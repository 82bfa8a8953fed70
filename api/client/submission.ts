/** A task as code describes it, made into the task that the dispatcher takes. */
import { type Duration, Result, Schema } from "effect"
import { type NewTaskJson, SubmitRefused } from "../../actors/dispatch/dispatcher.ts"
import { millisOf } from "../../runtime/duration.ts"
import { isTaskDefinition, type TaskDefinition } from "../../runtime/handler.ts"
import { readerOf } from "../../runtime/known-fields.ts"
import { type Names, strangerAmong } from "../../runtime/option-names.ts"
import { retryJson, type RetryOptions } from "../../runtime/retry.ts"
import type { Priority } from "../../runtime/task.ts"

/** What says which handler is meant: its definition, which knows its types, or its name, which does not. */
export type Named = TaskDefinition | string

/** What a handler is given, before its schema's transformations. */
export type InputOf<T extends Named> = T extends TaskDefinition<infer Input> ? Input : unknown

/** What its submitter reads in the end. */
export type OutputOf<T extends Named> = T extends TaskDefinition<unknown, infer Output> ? Output : unknown

/** When a task is due. */
export interface DueOptions {
  /** How much later it becomes due. */
  readonly delay?: Duration.Input
  /** When it becomes due; a text is ISO 8601. Give this or `delay`. */
  readonly runAt?: Date | string
}

/** What is said of a task beside its input. What is left out is as its handler says. */
export interface SubmitOptions extends DueOptions {
  /** Default: the handler's. */
  readonly priority?: Priority
  /** Default: the handler's. */
  readonly queue?: string
  /** What it belongs to: tasks of one key run one after the other, unless the handler says otherwise. */
  readonly key?: string
  /** How long one run may last. Default: the handler's. */
  readonly timeout?: Duration.Input
  /** It is expired if it has not started so much later. Give this or `expiresAt`. Default: the handler's. */
  readonly expires?: Duration.Input
  /** It is expired if it has not started by then; a text is ISO 8601. */
  readonly expiresAt?: Date | string
  /** It has failed if it has not ended so much later, whatever has become of its runs. Default: the handler's. */
  readonly deadline?: Duration.Input
  /** Laid over the handler's policy. */
  readonly retry?: RetryOptions
  /** A second submit with the same one gets the first one's task; with another input, it is refused. */
  readonly idempotencyKey?: string
  /** While such a task waits, or lives, a second submit gets it. Default `key`: the input. */
  readonly unique?: { readonly until: "started" | "ended"; readonly key?: string }
  /** It waits for so long, and is cancelled if another one of the key is submitted meanwhile. */
  readonly debounce?: Paced
  /** A further submit of the key within the time gets the first one's task. */
  readonly throttle?: Paced
  /** A task of the same input that lives, or has succeeded within the time, is taken for this one. `true` is an hour. */
  readonly cache?: boolean | { readonly for: Duration.Input }
  /** A URL that its end is told to, signed; or which ends are told, and headers to be sent along. */
  readonly callback?: NewTaskJson["callback"]
  /** To find the task by: at most 16, of at most 64 characters each. */
  readonly tags?: ReadonlyArray<string>
  /** The trace that it is part of, as W3C Trace Context writes it. Default in Effect: that of its span. */
  readonly traceparent?: string
  /** What goes with it. */
  readonly tracestate?: string
}

/** What is done at most once in so long. */
export interface Paced {
  readonly key: string
  readonly for: Duration.Input
}

export const nameOf = (task: Named): string => (typeof task === "string" ? task : task.name)

const refuse = (path: string, message: string) => new SubmitRefused({ faults: [{ path, message }] })

/** What refuses an option that nobody reads, if there is one. */
export const refusedAmong = <Options extends object>(
  options: Options,
  known: Names<Options>
): SubmitRefused | undefined => {
  const stranger = strangerAmong(options, known)
  return stranger === undefined ? undefined : refuse(`/${stranger.name}`, stranger.reason)
}

/** Who calls from JavaScript has no types to be told by. */
const isObject = (value: unknown) => typeof value === "object" && value !== null

const noDuration = `not a duration such as "10 seconds"`

const millis = (path: string, duration: Duration.Input): Result.Result<number, SubmitRefused> => {
  const millis = millisOf(duration)
  return millis === undefined ? Result.fail(refuse(path, noDuration)) : Result.succeed(Math.round(millis))
}

/** How long somebody waits, in milliseconds; for ever where nothing is said. */
export const waitOf = (timeout: Duration.Input | undefined): Result.Result<number, SubmitRefused> =>
  timeout === undefined ? Result.succeed(Number.POSITIVE_INFINITY) : millis("/timeout", timeout)

/** How long to wait. Default: as long as it takes. What is waited for goes on when the time is over. */
export interface WaitOptions {
  /** Default: as long as it takes. */
  readonly timeout?: Duration.Input
}

const waitNames: Names<WaitOptions> = { timeout: true }

/** The same of what may say it; whoever says it by another name, or by itself, would wait for ever. */
export const waitIn = (options: WaitOptions | undefined): Result.Result<number, SubmitRefused> => {
  if (options === undefined || options === null) return waitOf(undefined)
  if (!isObject(options)) return Result.fail(refuse("", `not an object such as { timeout: "10 seconds" }`))
  const refused = refusedAmong(options, waitNames)
  return refused === undefined ? waitOf(options.timeout) : Result.fail(refused)
}

/** What is no time goes on as it is, for the dispatcher to refuse. */
const time = (at: Date | string) =>
  at instanceof Date ? (Number.isNaN(at.getTime()) ? "Invalid Date" : at.toISOString()) : at

/** The options that are there, as they are: `undefined` says the same as nothing. */
const present = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** Gives an option that is there its name in the task, or says why it cannot be read. */
const part = <A>(
  name: string,
  value: A | undefined,
  read: (value: A) => Result.Result<unknown, SubmitRefused>
) => (value === undefined ? Result.succeed({}) : Result.map(read(value), (read) => ({ [name]: read })))

const paced = (path: string, paced: Paced) =>
  isObject(paced)
    ? Result.map(millis(`${path}/for`, paced.for), (forMs) => ({ key: paced.key, forMs }))
    : Result.fail(refuse(path, `not an object such as { key: "k", for: "10 seconds" }`))

/** Not to be cached is what happens anyway. */
const cached = (cache: true | { readonly for: Duration.Input }) =>
  cache === true
    ? Result.succeed(true)
    : isObject(cache)
      ? Result.map(millis("/cache/for", cache.for), (forMs) => ({ forMs }))
      : Result.fail(refuse("/cache", `neither a boolean nor an object such as { for: "1 hour" }`))

const Length = Schema.Unknown.check(
  Schema.makeFilter((given) => millisOf(given as Duration.Input) !== undefined, { message: noDuration })
)

/** Names, and what is a duration: the rest is for the dispatcher to check. */
const readRetry = readerOf(
  Schema.Struct({
    attempts: Schema.optional(Schema.Unknown),
    backoff: Schema.optional(
      Schema.Struct({
        base: Schema.optional(Length),
        factor: Schema.optional(Schema.Unknown),
        cap: Schema.optional(Length),
        jitter: Schema.optional(Schema.Unknown),
        fixed: Schema.optional(Length)
      })
    )
  }),
  "option"
)

const policy = (retry: RetryOptions) =>
  Result.mapBoth(readRetry(retry), {
    onSuccess: () => retryJson(retry),
    onFailure: (faults) =>
      new SubmitRefused({ faults: faults.map(({ message, path }) => ({ path: `/retry${path}`, message })) })
  })

/** Over HTTP some have another name, so that the dispatcher could not say which was meant. */
const names: Names<SubmitOptions> = {
  delay: true,
  runAt: true,
  priority: true,
  queue: true,
  key: true,
  timeout: true,
  expires: true,
  expiresAt: true,
  deadline: true,
  retry: true,
  idempotencyKey: true,
  unique: true,
  debounce: true,
  throttle: true,
  cache: true,
  callback: true,
  tags: true,
  traceparent: true,
  tracestate: true
}

const dueNames: Names<DueOptions> = { delay: true, runAt: true }

const dueParts = ({
  delay,
  runAt
}: {
  readonly [name in keyof DueOptions]: DueOptions[name] | undefined
}) => [
  part("delayMs", delay, (delay) => millis("/delay", delay)),
  part("runAt", runAt, (at) => Result.succeed(time(at)))
]

/** When a task is to be due, as the dispatcher reads it. */
export const dueIn = (options: DueOptions): Result.Result<object, SubmitRefused> => {
  if (!isObject(options)) return Result.fail(refuse("", `not an object such as { delay: "10 minutes" }`))
  const refused = refusedAmong(options, dueNames)
  if (refused !== undefined) return Result.fail(refused)
  return Result.map(Result.all(dueParts(options)), (parts) => Object.assign({}, ...parts) as object)
}

/** What was given in place of a task, if it is none: whatever has no name would be known by none from then on. */
export const noTask = (task: unknown): SubmitRefused | undefined =>
  typeof task === "string" || isTaskDefinition(task)
    ? undefined
    : refuse("/task", "neither the name of a handler nor what defineTask or defineAgent made")

/** Fails on an option that there is not, and on a duration that is none; everything else is for the dispatcher to check. */
export const submission = (
  task: Named,
  input: unknown,
  options: SubmitOptions | undefined
): Result.Result<NewTaskJson, SubmitRefused> => {
  const name = nameOf(task)
  if (options === undefined || Object.keys(options).length === 0) return Result.succeed({ name, input })
  const refused = refusedAmong(options, names)
  if (refused !== undefined) return Result.fail(refused)
  const { cache, deadline, debounce, delay, expires, expiresAt, retry, runAt, throttle, timeout, ...plain } =
    options
  const parts = Result.all([
    ...dueParts({ delay, runAt }),
    part("timeoutMs", timeout, (timeout) => millis("/timeout", timeout)),
    part("retry", retry, policy),
    part("expiresMs", expires, (expires) => millis("/expires", expires)),
    part("expiresAt", expiresAt, (at) => Result.succeed(time(at))),
    part("deadlineMs", deadline, (deadline) => millis("/deadline", deadline)),
    part("debounce", debounce, (debounce) => paced("/debounce", debounce)),
    part("throttle", throttle, (throttle) => paced("/throttle", throttle)),
    part("cache", cache === false ? undefined : cache, cached)
  ])
  return Result.map(
    parts,
    (parts) => Object.assign(present(plain), ...(parts as Array<object>), { name, input }) as NewTaskJson
  )
}
