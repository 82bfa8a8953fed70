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
import { type KeyOptions, keyedOf, type LimitOptions, limitsOf } from "./terms.ts"
import {
  type AnySchema,
  check,
  type EffectSchema,
  faultsOfIssues,
  isSchema,
  Misfit,
  type Whatever
} from "./check.ts"
import type { BatchContext, BatchItem, CurrentTask, TaskContext } from "./current-task.ts"
import { millisOf, written } from "./duration.ts"
import { isolationOf, type IsolationOptions } from "./isolation.ts"
import { brand } from "./named.ts"
import { type Names, refuseStranger } from "./option-names.ts"
import { type HandlerRetryOptions, RetryJson, retryJson, type RetryJson as Retry } from "./retry.ts"
import { laneOf, lanes, Priority, QueueName } from "./task.ts"
import type { Body, TaskDefinition } from "./task-definition.ts"

export type { AllOptions, Child, ChildOutcome } from "./children.ts"
export * from "./current-task.ts"
export * from "./run-errors.ts"
export * from "./task-definition.ts"
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

const optionNames: Names<Options<never, never>> = {
  name: true,
  input: true,
  output: true,
  queue: true,
  priority: true,
  timeout: true,
  expires: true,
  deadline: true,
  retry: true,
  limits: true,
  key: true,
  isolation: true
}
const plainNames = { ...optionNames, run: true, batch: true, runAll: true } as const
const effectNames = { ...optionNames, run: true, layer: true } as const

const retryNames: Names<HandlerRetryOptions> = { attempts: true, backoff: true }
const backoffNames = { base: true, factor: true, cap: true, jitter: true, fixed: true } as const
const batchNames: Names<BatchOptions> = { size: true, wait: true }

const retryIssues = Schema.toStandardSchemaV1(RetryJson, { parseOptions: { errors: "all" } })

const retryOf = (handler: string, options: HandlerRetryOptions): Retry => {
  const { backoff } = options
  refuseStranger(`handler ${handler}: retry/`, options, retryNames)
  if (typeof backoff === "object" && backoff !== null)
    refuseStranger(`handler ${handler}: retry/backoff/`, backoff, backoffNames)
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

const batchOf = (name: string, options: BatchOptions) => {
  const { size, wait = batchWaitDefault } = options
  refuseStranger(`handler ${name}: batch.`, options, batchNames)
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
): TaskDefinition<TakenBy<In>, ResultOf<Out, Awaited<Result>>> => {
  refuseStranger(`handler ${options.name}: `, options, plainNames)
  return define(
    options,
    options.batch === undefined
      ? { kind: "plain", run: options.run }
      : { kind: "batch", ...batchOf(options.name, options.batch), runAll: options.runAll }
  )
}

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
): TaskDefinition<TakenBy<In>, ResultOf<Out, Result>> => {
  refuseStranger(`handler ${options.name}: `, options, effectNames)
  return define(options, { kind: "effect", run: options.run, layer: options.layer })
}

/**
 * Defines a handler: what runs the tasks of one name. Throws a `TypeError` that names the field when the definition
 * cannot be. `defineTask.effect` takes a `run` that gives an Effect, with typed errors, and a `layer` of what it needs.
 */
export const defineTask = Object.assign(definePlain, { effect: defineEffect })
