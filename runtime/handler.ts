/**
 * The plug-in contract: what a handler says of itself.
 *
 * A handler is a value made by `defineTask`: a name, optional schemas for its input and output (any Standard
 * Schema: zod, valibot, effect, …), options, and `run`. It returns the output, or throws: `Fatal` ends the task
 * at once, `RetryAfter` and `Snooze` say when to come back, anything else is tried again as its retry policy says. A
 * run may happen more than once (a worker can die after the work and before the commit), so its outside effects must be
 * safe to repeat; `idempotencyKey` is the same in every run of a task and is made to be handed to the services it
 * calls.
 */
import { type Duration, type Effect, type Layer, Schema, type StandardSchema } from "effect"
import { type KeyOptions, type Keyed, keyedOf, type Limit, type LimitOptions, limitsOf } from "./terms.ts"
import {
  type AnySchema,
  check,
  type Checked,
  type EffectSchema,
  faultsOfIssues,
  isSchema,
  Misfit,
  type Whatever
} from "./check.ts"
import type { BatchContext, BatchItem, CurrentTask, TaskContext } from "./current-task.ts"
import { millisOf, written } from "./duration.ts"
import { type Isolation, isolationOf, type IsolationOptions } from "./isolation.ts"
import { brand, type Typed } from "./named.ts"
import {
  type BackoffFunction,
  type HandlerRetryOptions,
  RetryJson,
  retryJson,
  type RetryJson as Retry
} from "./retry.ts"
import { laneOf, type Lane, lanes, Priority, QueueName } from "./task.ts"

export * from "./current-task.ts"
export type { Limit } from "./terms.ts"
export { type Checked, Fault, faultsOfIssues, Misfit, pointer } from "./check.ts"
export { Fatal, RetryAfter, Snooze } from "./verdict.ts"

export interface Options<In extends AnySchema, Out extends AnySchema> {
  /** How tasks name this handler, forever: renaming it strands the tasks already queued. */
  readonly name: string

  /** Checked before a submit is acknowledged, and applied again before a run. Default: any JSON value. */
  readonly input?: In

  /**
   * Checked before a result is committed; one that does not fit fails the task at once. A schema of `effect` encodes
   * it. Default: any JSON value.
   */
  readonly output?: Out

  /** Default `default`. */
  readonly queue?: string

  /** Default `normal`. */
  readonly priority?: Priority

  /** How long one run may last before it is interrupted and counted as failed. Default: no limit. */
  readonly timeout?: Duration.Input

  /** A task that has not started by then, counted from its submit, is expired. Default: never. */
  readonly expires?: Duration.Input

  /** A task that has not ended by then, counted from its submit, has failed; so have its children. Default: never. */
  readonly deadline?: Duration.Input

  /** Default: three attempts, exponential from one second, full jitter. */
  readonly retry?: HandlerRetryOptions

  /** What its tasks use that all processes share; a task starts when every limit allows it. */
  readonly limits?: ReadonlyArray<LimitOptions<TypeOf<In>>>

  /** How tasks of one key wait for each other. */
  readonly key?: KeyOptions<TypeOf<In>>

  /**
   * `"process"`: each run happens in a process of its own, where it may compute, block or crash without hurting others.
   * The handler is found there by its module, so it must be in the workers' folder of handlers. Default: in the worker.
   */
  readonly isolation?: IsolationOptions
}

/** What a schema gives out, and what it takes in. */
export type TypeOf<S> =
  S extends StandardSchema.StandardSchemaV1<Whatever, infer Out>
    ? Out
    : S extends EffectSchema
      ? S["Type"]
      : unknown
export type TakenBy<S> =
  S extends StandardSchema.StandardSchemaV1<infer In, Whatever>
    ? In
    : S extends EffectSchema
      ? S["Encoded"]
      : unknown

/** What a run must return, and what its submitter then reads: `effect` schemas encode, others give out. */
export type ReturnOf<S, Otherwise> =
  unknown extends TypeOf<S> ? Otherwise : S extends EffectSchema ? S["Type"] : TakenBy<S>
export type ResultOf<S, Otherwise> =
  unknown extends TypeOf<S> ? Otherwise : S extends EffectSchema ? S["Encoded"] : TypeOf<S>

/**
 * A handler, ready to be found. `Input` is what callers submit (before the schema's transformations), `Output`
 * what they get back.
 */
export interface TaskDefinition<Input = Whatever, Output = Whatever> extends Typed<Input, Output> {
  readonly queue: string
  readonly lane: Lane
  readonly timeoutMs: number | undefined
  readonly expiresMs: number | undefined
  readonly deadlineMs: number | undefined
  readonly retry: Retry
  /** Says the delay in place of `retry.backoff`, unless the task's submitter says a backoff. */
  readonly backoff: BackoffFunction | undefined
  readonly limits: ReadonlyArray<Limit>
  readonly keyed: Keyed
  /** Whether its runs happen in processes of their own. */
  readonly isolation: Isolation | undefined
  /** Gives the input as `run` wants it, or every fault it has. */
  readonly readInput: (input: unknown) => Checked
  /** Gives the output as it is stored, or every fault it has. */
  readonly writeOutput: (output: unknown) => Checked
  readonly body: Body
}

/** How a run is made: a plain function with a context, or an Effect with its services; many runs in one; an agent. */
export type Body =
  | { readonly kind: "plain"; readonly run: (input: Whatever, ctx: TaskContext) => unknown }
  | {
      readonly kind: "effect"
      readonly run: (input: Whatever) => Effect.Effect<unknown, unknown, Whatever>
      /** Built once per worker process, on first use. */
      readonly layer: Layer.Layer<Whatever, unknown, Whatever> | undefined
    }
  | {
      readonly kind: "batch"
      readonly size: number
      readonly waitMs: number
      readonly runAll: (items: ReadonlyArray<BatchItem<Whatever>>, ctx: BatchContext) => unknown
    }
  | AgentBody

/** How an agent handles its messages; its tasks are messages, whose input says which one. */
export interface AgentBody {
  readonly kind: "agent"
  readonly messages: ReadonlyMap<string, MessageSpec>
  readonly state: StateSpec
  /** How long its state is kept at hand after its last message, in milliseconds. */
  readonly passivateMs: number
  readonly onBusy: OnBusy
  /** Built once per worker process, on first use; for handlers in effects. */
  readonly layer: Layer.Layer<Whatever, unknown, Whatever> | undefined
}

/** What a new message does while its agent has others: wait, be refused, replace a waiting one of its kind, or cancel the first. */
export type OnBusy = "enqueue" | "reject" | "coalesce" | "interrupt"

export interface MessageSpec {
  readonly readInput: (input: unknown) => Checked
  readonly writeOutput: (output: unknown) => Checked
  /** A value or a promise of one; or, in effects, an effect. */
  readonly handle: (input: Whatever, ctx: Whatever) => unknown
  readonly inEffects: boolean
}

export interface StateSpec {
  readonly version: number
  readonly initial: (key: string) => unknown
  readonly migrate: ((old: Whatever, from: number) => unknown) | undefined
  /** Gives the state as its handlers see it, and as it is stored. */
  readonly read: (stored: unknown) => Checked
  readonly write: (state: unknown) => Checked
}

/** How runs are gathered. */
export interface BatchOptions {
  /** At most so many tasks in one call, 1 to 1 000. */
  readonly size: number
  /** How long the first of them waits for others. Default 50 ms, at most a minute. */
  readonly wait?: Duration.Input
}

const handlerName = /^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/

/** A duration of a handler in whole milliseconds, at least one. Throws `TypeError` on one that is none. */
export const millis = (handler: string, field: string, duration: Duration.Input): number => {
  const millis = millisOf(duration)
  if (millis === undefined || !Number.isFinite(millis) || millis <= 0) {
    throw new TypeError(`handler ${handler}: ${field} ${written(duration)} is no duration above 0`)
  }
  return Math.ceil(millis)
}

const optionalMillis = (handler: string, field: string, duration: Duration.Input | undefined) =>
  duration === undefined ? undefined : millis(handler, field, duration)

const retryIssues = Schema.toStandardSchemaV1(RetryJson, { parseOptions: { errors: "all" } })

const retryOf = (handler: string, options: HandlerRetryOptions): Retry => {
  let retry: Retry
  try {
    retry = retryJson(options)
  } catch (thrown) {
    throw new TypeError(
      `handler ${handler}: retry: ${thrown instanceof Error ? thrown.message : String(thrown)}`
    )
  }
  // The schema is synchronous, and so is its validation.
  const result = retryIssues["~standard"].validate(retry) as StandardSchema.StandardSchemaV1.Result<Retry>
  if (result.issues === undefined) return retry
  throw new TypeError(
    `handler ${handler}: retry${new Misfit({ faults: faultsOfIssues(result.issues) }).message}`
  )
}

/** Makes a definition of options that fit. Throws `TypeError` on one that cannot be. */
export const define = <Input, Output>(
  options: Options<Whatever, Whatever>,
  body: Body
): TaskDefinition<Input, Output> => {
  const { name } = options
  if (!handlerName.test(name) || name.length > 128) {
    throw new TypeError(
      `"${name}" cannot name a handler: use words of A-Z a-z 0-9 _ - joined by dots, at most 128 characters`
    )
  }
  if (!Schema.is(QueueName)(options.queue ?? "default")) {
    throw new TypeError(`handler ${name}: queue "${options.queue}" is not 1 to 63 of a-z 0-9 _ -`)
  }
  const { priority = "normal" } = options
  const [input, output] = [options.input as unknown, options.output as unknown]
  if (!Schema.is(Priority)(priority)) {
    throw new TypeError(
      `handler ${name}: priority ${JSON.stringify(priority)} is none of ${lanes.join(", ")}, and not 15, 10, 5 or 0`
    )
  }
  if ("run" in body && typeof body.run !== "function") {
    throw new TypeError(`handler ${name}: run is no function`)
  }
  for (const [field, schema] of Object.entries({ input, output })) {
    if (schema !== undefined && !isSchema(schema))
      throw new TypeError(`handler ${name}: ${field} is no schema`)
  }
  const backoff = options.retry?.backoff
  return {
    [brand]: undefined as never,
    name,
    queue: options.queue ?? "default",
    lane: laneOf(priority),
    timeoutMs: optionalMillis(name, "timeout", options.timeout),
    expiresMs: optionalMillis(name, "expires", options.expires),
    deadlineMs: optionalMillis(name, "deadline", options.deadline),
    retry: retryOf(name, options.retry ?? {}),
    backoff: typeof backoff === "function" ? backoff : undefined,
    limits: limitsOf(name, options.limits ?? []),
    keyed: keyedOf(name, options.key ?? {}),
    isolation: isolationOf(name, options.isolation, body.kind),
    readInput: check(input as AnySchema | undefined, Schema.toStandardSchemaV1),
    writeOutput: check(output as AnySchema | undefined, (schema) =>
      Schema.toStandardSchemaV1(Schema.flip(schema))
    ),
    body
  }
}

const batchSizeMax = 1_000
const batchWaitDefault = "50 millis"
const batchWaitMaxMs = 60_000

const batchOf = (name: string, { size, wait = batchWaitDefault }: BatchOptions) => {
  if (!Number.isInteger(size) || size < 1 || size > batchSizeMax) {
    throw new TypeError(`handler ${name}: batch.size ${size} is no whole number from 1 to ${batchSizeMax}`)
  }
  const waitMs = millis(name, "batch.wait", wait)
  if (waitMs > batchWaitMaxMs) throw new TypeError(`handler ${name}: batch.wait is more than a minute`)
  return { size, waitMs }
}

/** What a plain handler runs: one task at a time, or many in one call with an outcome for each, in their order. */
type PlainRun<In, Result> =
  | {
      readonly run: (input: TypeOf<In>, ctx: TaskContext) => Result | Promise<Result>
      readonly batch?: never
      readonly runAll?: never
    }
  | {
      readonly batch: BatchOptions
      /**
       * Runs several tasks at once. It gives as many outcomes as there are items: an output, or an error for that task
       * alone, which is settled as if its run had thrown it. What it throws itself every one of them has failed with.
       */
      readonly runAll: (
        items: ReadonlyArray<BatchItem<TypeOf<In>>>,
        ctx: BatchContext
      ) => ReadonlyArray<Result | Error> | Promise<ReadonlyArray<Result | Error>>
      readonly run?: never
    }

/** Makes a handler of a plain function, async or not. Throws `TypeError` on an option that cannot be. */
const definePlain = <In extends AnySchema, Out extends AnySchema, Result extends ReturnOf<Out, unknown>>(
  options: Options<In, Out> & PlainRun<In, Result>
): TaskDefinition<TakenBy<In>, ResultOf<Out, Awaited<Result>>> =>
  define(
    options,
    options.batch === undefined
      ? { kind: "plain", run: options.run }
      : { kind: "batch", ...batchOf(options.name, options.batch), runAll: options.runAll }
  )

/** What gives a run its services; it must be there where the run asks for any beside the task that it is for. */
type Served<R, L> = [Exclude<R, CurrentTask>] extends [never] ? { readonly layer?: L } : { readonly layer: L }

/**
 * The same record in Effect: typed errors, services by `layer`, the context as the service `CurrentTask`. The
 * layer may ask for `Settings` and for `Census`; everything else it brings itself.
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
  } & Served<R, Layer.Layer<R, LE, LR>>
): TaskDefinition<TakenBy<In>, ResultOf<Out, Result>> =>
  define(options, { kind: "effect", run: options.run, layer: options.layer })

/**
 * Defines a handler: what runs the tasks of one name. Throws a `TypeError` that names the field when the definition
 * cannot be. `defineTask.effect` takes a `run` that gives an Effect, with typed errors, and a `layer` of what it needs.
 */
export const defineTask = Object.assign(definePlain, { effect: defineEffect })

export const isTaskDefinition = (value: unknown): value is TaskDefinition =>
  typeof value === "object" && value !== null && brand in value
