/**
 * The plug-in contract: what a handler says of itself, and what a run of it may do.
 *
 * A handler is a value made by `defineTask`: a name, optional schemas for its input and output (any Standard
 * Schema: zod, valibot, effect, …), options, and `run`. It returns the output, or throws: `Fatal` ends the task
 * at once, anything else is tried again as its retry policy says. A run may happen more than once (a worker can
 * die after the work and before the commit), so its outside effects must be safe to repeat; `idempotencyKey` is
 * the same in every run of a task and is made to be handed to the services it calls.
 */
import { Context, Duration, type Effect, type Layer, Result, Schema, type StandardSchema } from "effect"
import { retryJson, type RetryJson, type RetryOptions } from "./retry.ts"
import { laneOf, type Lane, type Priority, QueueName, type TaskId } from "./task.ts"

// ---------------------------------------------------------------------------------------------------------
// What a run may say by failing
// ---------------------------------------------------------------------------------------------------------

/** This input can never succeed. The task fails at once, whatever attempts it has left. */
export class Fatal extends Error {
  override readonly name: string

  /** `type` names the kind of failure in the task's record; default `Fatal`. */
  constructor(message: string, options?: ErrorOptions & { readonly type?: string }) {
    super(message, options)
    this.name = options?.type ?? "Fatal"
  }
}

// ---------------------------------------------------------------------------------------------------------
// What a run is given
// ---------------------------------------------------------------------------------------------------------

export type LogLevel = "debug" | "info" | "warn" | "error"

/** The task a run belongs to, as its submitter described it. */
export interface TaskInfo {
  readonly id: TaskId
  readonly name: string
  readonly queue: string
  readonly priority: Lane
  readonly key?: string
  readonly tags: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly submittedAt: number
}

/** What both kinds of handler know of the run they are. */
export interface Attempt {
  readonly task: TaskInfo

  /** 1 on the first run of this task; each further run has a greater number. */
  readonly attempt: number

  /** The same text in every run of this task, and in no other task. */
  readonly idempotencyKey: string

  /** Fires when the run must stop: timeout, cancellation, lost lease, shutdown. */
  readonly signal: AbortSignal
}

/**
 * The context of a plain handler. The three writes resolve when they are stored; awaiting them is the handler's
 * back-pressure. Each rejects with `AttemptOver` once the run is no longer the task's current one, and with
 * `EventRefused` when it is too large or too many of them wait to be stored.
 */
export interface TaskContext extends Attempt {
  /** Says how far the work is: a fraction from 0 to 1, and a few words. */
  readonly progress: (fraction: number, message?: string) => Promise<void>

  /** Keeps a line with the task, for those who look at it. */
  readonly log: (message: string, level?: LogLevel) => Promise<void>

  /** Streams a piece of output, any JSON value, to whoever follows the task. */
  readonly emit: (chunk: unknown) => Promise<void>
}

/** This run is no longer the task's current one: nothing it writes is kept. Stop. */
export class AttemptOver extends Schema.TaggedError<AttemptOver>()("AttemptOver", {
  task: Schema.String,
  attempt: Schema.Int
}) {
  override get message() {
    return `attempt ${this.attempt} of ${this.task} is over; nothing it writes is kept`
  }
}

/** One event was too large, or too many wait to be stored. It was not stored; the run may go on. */
export class EventRefused extends Schema.TaggedError<EventRefused>()("EventRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** The context of an Effect handler, as a service. */
export class CurrentTask extends Context.Service<
  CurrentTask,
  Attempt & {
    readonly progress: (fraction: number, message?: string) => Effect.Effect<void, AttemptOver | EventRefused>
    readonly log: (message: string, level?: LogLevel) => Effect.Effect<void, AttemptOver | EventRefused>
    readonly emit: (chunk: unknown) => Effect.Effect<void, AttemptOver | EventRefused>
  }
>()("troupe/CurrentTask") {}

// ---------------------------------------------------------------------------------------------------------
// What a handler says of itself
// ---------------------------------------------------------------------------------------------------------

// What a definition takes stands in both directions (it is given out and handed in), which only `any` can stand for.
// oxlint-disable-next-line typescript/no-explicit-any
type Whatever = any

type Standard = StandardSchema.StandardSchemaV1<Whatever, unknown>
type EffectSchema = Schema.Codec<unknown, unknown>

/** What may stand for a schema: any Standard Schema, or a schema of `effect` that needs no services. */
type AnySchema = Standard | EffectSchema

interface Options<In extends AnySchema, Out extends AnySchema> {
  /** How tasks name this handler, forever: renaming it strands the tasks already queued. */
  readonly name: string

  /** Checked before a submit is acknowledged, and applied again before a run. Default: any JSON value. */
  readonly input?: In

  /** Checked before a result is committed. A schema of `effect` encodes it. Default: any JSON value. */
  readonly output?: Out

  /** Default `default`. */
  readonly queue?: string

  /** Default `normal`. */
  readonly priority?: Priority

  /** How long one run may last before it is interrupted and counted as failed. Default: no limit. */
  readonly timeout?: Duration.Input

  /** Default: three attempts, exponential from one second, full jitter. */
  readonly retry?: RetryOptions
}

/** What a schema gives out, and what it takes in. */
type TypeOf<S> =
  S extends StandardSchema.StandardSchemaV1<Whatever, infer Out>
    ? Out
    : S extends EffectSchema
      ? S["Type"]
      : unknown
type InputOf<S> =
  S extends StandardSchema.StandardSchemaV1<infer In, Whatever>
    ? In
    : S extends EffectSchema
      ? S["Encoded"]
      : unknown

/** What a run must return, and what its submitter then reads: `effect` schemas encode, others give out. */
type ReturnOf<S, Otherwise> =
  unknown extends TypeOf<S> ? Otherwise : S extends EffectSchema ? S["Type"] : InputOf<S>
type ResultOf<S, Otherwise> =
  unknown extends TypeOf<S> ? Otherwise : S extends EffectSchema ? S["Encoded"] : TypeOf<S>

const brand: unique symbol = Symbol.for("troupe/TaskDefinition")

/**
 * A handler, ready to be found. `Input` is what callers submit (before the schema's transformations), `Output`
 * what they get back.
 */
export interface TaskDefinition<Input = Whatever, Output = Whatever> {
  readonly [brand]: { readonly input: Input; readonly output: Output }
  readonly name: string
  readonly queue: string
  readonly lane: Lane
  readonly timeoutMs: number | undefined
  readonly retry: RetryJson
  /** Gives the input as `run` wants it, or every fault it has. */
  readonly readInput: (input: unknown) => Checked
  /** Gives the output as it is stored, or every fault it has. */
  readonly writeOutput: (output: unknown) => Checked
  readonly body: Body
}

/** How a run is made: a plain function with a context, or an Effect with its services. */
export type Body =
  | { readonly kind: "plain"; readonly run: (input: Whatever, ctx: TaskContext) => unknown }
  | {
      readonly kind: "effect"
      readonly run: (input: Whatever) => Effect.Effect<unknown, unknown, Whatever>
      /** Built once per worker process, on first use. */
      readonly layer: Layer.Layer<Whatever, unknown, Whatever> | undefined
    }

const handlerName = /^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/

const define = <Input, Output>(
  options: Options<AnySchema, AnySchema>,
  body: Body
): TaskDefinition<Input, Output> => {
  if (!handlerName.test(options.name) || options.name.length > 128) {
    throw new TypeError(
      `"${options.name}" cannot name a handler: use words of A-Z a-z 0-9 _ - joined by dots, at most 128 characters`
    )
  }
  if (!Schema.is(QueueName)(options.queue ?? "default")) {
    throw new TypeError(`handler ${options.name}: queue "${options.queue}" is not 1 to 63 of a-z 0-9 _ -`)
  }
  return {
    [brand]: undefined as never,
    name: options.name,
    queue: options.queue ?? "default",
    lane: laneOf(options.priority ?? "normal"),
    timeoutMs: options.timeout === undefined ? undefined : Duration.toMillis(options.timeout),
    retry: retryJson(options.retry ?? {}),
    readInput: check(options.input, Schema.toStandardSchemaV1),
    writeOutput: check(options.output, (schema) => Schema.toStandardSchemaV1(Schema.flip(schema))),
    body
  }
}

/** Makes a handler of a plain function, async or not. Throws `TypeError` on a name or queue that cannot be one. */
const definePlain = <In extends AnySchema, Out extends AnySchema, Result extends ReturnOf<Out, unknown>>(
  options: Options<In, Out> & {
    readonly run: (input: TypeOf<In>, ctx: TaskContext) => Result | Promise<Result>
  }
): TaskDefinition<InputOf<In>, ResultOf<Out, Awaited<Result>>> =>
  define(options, { kind: "plain", run: options.run })

/**
 * The same record in Effect: typed errors, services by `layer`, the context as the service `CurrentTask`. The
 * layer may ask for `Settings`; everything else it brings itself.
 */
const defineEffect = <
  In extends AnySchema,
  Out extends AnySchema,
  Result extends ReturnOf<Out, unknown>,
  E,
  R = never,
  LE = never,
  LR = never
>(
  options: Options<In, Out> & {
    readonly run: (input: TypeOf<In>) => Effect.Effect<Result, E, R | CurrentTask>
    readonly layer?: Layer.Layer<R, LE, LR>
  }
): TaskDefinition<InputOf<In>, ResultOf<Out, Result>> =>
  define(options, { kind: "effect", run: options.run, layer: options.layer })

export const defineTask = Object.assign(definePlain, { effect: defineEffect })

export const isTaskDefinition = (value: unknown): value is TaskDefinition =>
  typeof value === "object" && value !== null && brand in value

// ---------------------------------------------------------------------------------------------------------
// Checking input and output
// ---------------------------------------------------------------------------------------------------------

/** One fault of a value: where, as a JSON pointer (RFC 6901; empty for the whole), and what is wrong. */
export const Fault = Schema.Struct({ path: Schema.String, message: Schema.String })
export type Fault = typeof Fault.Type

/** The value does not fit the schema. `faults` lists every fault, each with its path. */
export class Misfit extends Schema.TaggedError<Misfit>()("Misfit", { faults: Schema.Array(Fault) }) {
  override get message() {
    return this.faults.map((fault) => `${fault.path || "/"}: ${fault.message}`).join("; ")
  }
}

/** A path as a JSON pointer. */
export const pointer = (
  path: ReadonlyArray<PropertyKey | StandardSchema.StandardSchemaV1.PathSegment> | undefined
) =>
  (path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("")

/** The faults that a Standard Schema found. */
export const faultsOfIssues = (
  issues: ReadonlyArray<StandardSchema.StandardSchemaV1.Issue>
): ReadonlyArray<Fault> => issues.map(({ message, path }) => ({ path: pointer(path), message }))

/** What a check says: the value as the schema gives it out, or every fault. A promise only where the schema is async. */
export type Checked = Result.Result<unknown, Misfit> | Promise<Result.Result<unknown, Misfit>>

/** Makes the check of a schema; `standard` says how a schema of `effect` is read. */
const check = (
  schema: AnySchema | undefined,
  standard: (schema: EffectSchema) => Standard
): ((value: unknown) => Checked) => {
  if (schema === undefined) return Result.succeed
  const { validate } = ("~standard" in schema ? schema : standard(schema))["~standard"]
  const settle = (result: StandardSchema.StandardSchemaV1.Result<unknown>): Result.Result<unknown, Misfit> =>
    result.issues === undefined
      ? Result.succeed(result.value)
      : Result.fail(new Misfit({ faults: faultsOfIssues(result.issues) }))
  return (value) => {
    const result = validate(value)
    return result instanceof Promise ? result.then(settle) : settle(result)
  }
}
