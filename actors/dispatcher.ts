/**
 * Takes tasks in and tells what became of them: the one way in for the API, the command line and the library.
 *
 * A submit succeeds only after the task is stored, and nothing that would be refused later is acknowledged: the
 * handler is known, the input fits its schema, the options are in their bounds.
 */
import { Clock, Context, DateTime, Duration, Effect, Exit, Layer, Option, Result, Schema } from "effect"
import { Fault, faultsOfIssues, type Misfit, type TaskDefinition } from "../runtime/handler.ts"
import { faultsOf } from "../runtime/input.ts"
import { Handlers, type UnknownHandler } from "../runtime/registry.ts"
import { RetryJson } from "../runtime/retry.ts"
import { type NewTask, Store, type StoreError, type StoreFull } from "../runtime/store.ts"
import {
  encodeRecord,
  entryOf,
  type Envelope,
  idIn,
  laneOf,
  type Partition,
  partitionOf,
  partitionOfId,
  Priority,
  QueueName,
  TaskId,
  ulidOfId
} from "../runtime/task.ts"
import { makeUlid } from "../runtime/ulid.ts"
import { type Ended, endedOf, inputOf, type TaskView, viewOf } from "../runtime/view.ts"
import { makeOutbox } from "./outbox.ts"
import { Replies, TaskNotFound } from "./replies.ts"

/** The input or an option does not fit. Nothing was stored; `faults` says what to mend, and where. */
export class SubmitRefused extends Schema.TaggedError<SubmitRefused>()("SubmitRefused", {
  faults: Schema.Array(Fault)
}) {
  override get message() {
    return this.faults.map(({ message, path }) => `${path === "" ? "/" : path}: ${message}`).join("; ")
  }
}

/** The task had not ended when the time was over. It goes on; wait again. */
export class ResultTimeout extends Schema.TaggedError<ResultTimeout>()("ResultTimeout", {
  id: TaskId,
  waitedMs: Schema.Number
}) {
  override get message() {
    return `${this.id} has not ended within ${this.waitedMs} ms`
  }
}

/** The largest input, in characters of JSON. */
export const inputMax = 1024 * 1024

/** How far ahead a task may be scheduled. */
const delayMax = Duration.days(3650)

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Duration.toMillis(delayMax) }))

/** A task as callers describe it. */
export const NewTaskJson = Schema.Struct({
  name: Schema.String,
  input: Schema.optionalKey(Schema.Unknown),
  /** Default: the handler's. */
  queue: Schema.optionalKey(QueueName),
  /** Default: the handler's. */
  priority: Schema.optionalKey(Priority),
  /** It becomes due so much later; or at a time, ISO 8601. At most one of them. */
  delayMs: Schema.optionalKey(Millis),
  runAt: Schema.optionalKey(Schema.String),
  /** How long one run may last. Default: the handler's. */
  timeoutMs: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Duration.toMillis(delayMax) }))
  ),
  /** Laid over the handler's policy. */
  retry: Schema.optionalKey(RetryJson),
  /** At most 16 of at most 64 characters, to find the task by. */
  tags: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64))).check(
      Schema.isMaxLength(16)
    )
  )
})
export type NewTaskJson = typeof NewTaskJson.Type

export interface Submitted {
  readonly id: TaskId
  readonly state: "queued" | "scheduled"
}

export type SubmitError = Refused | StoreError | StoreFull

export class Dispatcher extends Context.Service<
  Dispatcher,
  {
    /** Stores one task. After a `StoreError` it may be stored, under an id nobody was told. */
    readonly submit: (task: unknown) => Effect.Effect<Submitted, SubmitError>
    /** Stores many in one go. One that is refused does not sink the others. */
    readonly submitAll: (
      tasks: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, Refused>>, StoreError | StoreFull>
    /** Submits a task and waits for its end. */
    readonly ask: (task: unknown) => Effect.Effect<Ended, SubmitError | TaskNotFound>
    readonly task: (id: TaskId) => Effect.Effect<TaskView, TaskNotFound | StoreError>
    /** Waits for a task's end; by default for as long as it takes. However short the wait, it looks once. */
    readonly result: (
      id: TaskId,
      wait?: Duration.Input
    ) => Effect.Effect<Ended, TaskNotFound | ResultTimeout | StoreError>
    /** What was submitted; `none` when a large input was dropped at the task's end. */
    readonly input: (id: TaskId) => Effect.Effect<Option.Option<unknown>, TaskNotFound | StoreError>
  }
>()("troupe/Dispatcher") {}

interface Prepared extends NewTask {
  readonly id: TaskId
}

type Refused = UnknownHandler | SubmitRefused

/** A promise only where the schema of the handler's input is async. */
type Preparation = Result.Result<Prepared, Refused> | Promise<Result.Result<Prepared, Refused>>

interface Circumstances {
  /** Unix milliseconds. */
  readonly now: number
  readonly unique: string
  readonly reply: string | undefined
}

const standard = Schema.toStandardSchemaV1(NewTaskJson, {
  parseOptions: { errors: "all", onExcessProperty: "error" }
})

const refuse = (path: string, message: string) =>
  Result.fail(new SubmitRefused({ faults: [{ path, message }] }))

/** A task of a name and an input alone, as most are: there is nothing to decode. */
const isBare = (task: unknown): task is NewTaskJson => {
  if (typeof task !== "object" || task === null) return false
  let keys = 0
  for (const key in task) {
    if (key !== "name" && key !== "input") return false
    keys += 1
  }
  return keys > 0 && "name" in task && typeof task.name === "string"
}

/** The options as they are, or every fault they have. */
const readOptions = (task: unknown): Result.Result<NewTaskJson, SubmitRefused> => {
  if (isBare(task)) return Result.succeed(task)
  // The schema is synchronous, and so is its validation.
  const result = standard["~standard"].validate(task) as Awaited<
    ReturnType<(typeof standard)["~standard"]["validate"]>
  >
  return result.issues === undefined
    ? Result.succeed(result.value)
    : Result.fail(
        new SubmitRefused({
          faults: faultsOfIssues(result.issues)
        })
      )
}

const inside = (faults: ReadonlyArray<Fault>) =>
  new SubmitRefused({ faults: faults.map(({ message, path }) => ({ path: `/input${path}`, message })) })

/** What is stored of a task: only what differs from its handler's defaults. */
const envelopeOf = (task: NewTaskJson, reply: string | undefined): Envelope => ({
  name: task.name,
  input: task.input ?? null,
  ...(task.tags === undefined ? {} : { tags: task.tags }),
  ...(task.timeoutMs === undefined ? {} : { timeoutMs: task.timeoutMs }),
  ...(task.retry === undefined ? {} : { retry: task.retry }),
  ...(reply === undefined ? {} : { reply })
})

const dueOf = (task: NewTaskJson, now: number): Result.Result<NewTask["due"], SubmitRefused> => {
  if (task.runAt === undefined) return Result.succeed(task.delayMs ? { afterMs: task.delayMs } : undefined)
  if (task.delayMs !== undefined) return refuse("/runAt", "give either delayMs or runAt")
  const at = DateTime.make(task.runAt)
  if (Option.isNone(at)) return refuse("/runAt", "not a time in ISO 8601, such as 2030-01-31T09:00:00Z")
  const millis = DateTime.toEpochMillis(at.value)
  if (millis - now > Duration.toMillis(delayMax)) return refuse("/runAt", "more than ten years ahead")
  return Result.succeed(millis <= now ? undefined : { at: millis })
}

const make = Effect.gen(function* () {
  const store = yield* Store
  const handlers = yield* Handlers
  const replies = yield* Replies
  const outbox = yield* makeOutbox

  /** Lays a checked task out as it is stored. */
  const layOut = (
    task: NewTaskJson,
    definition: TaskDefinition,
    { now, reply, unique }: Circumstances
  ): Result.Result<Prepared, SubmitRefused> => {
    const due = dueOf(task, now)
    if (Result.isFailure(due)) return Result.fail(due.failure)
    const lane = task.priority === undefined ? definition.lane : laneOf(task.priority)
    const json = JSON.stringify(envelopeOf(task, reply))
    if (json.length > inputMax) return refuse("/input", `more than ${inputMax} characters of JSON`)
    return Result.succeed({
      id: idIn(partitionOf(task.queue ?? definition.queue), unique),
      entry: entryOf(unique, lane, 1),
      record: encodeRecord({ letter: "Q", lane, run: 1, crashes: 0 }, json),
      ...(due.success === undefined ? {} : { due: due.success })
    })
  }

  /** Everything that can refuse a task happens here, before anything is stored: plain values, no effects. */
  const prepare = (given: unknown, at: Circumstances): Preparation => {
    const options = readOptions(given)
    if (Result.isFailure(options)) return Result.fail(options.failure)
    const task = options.success
    const definition = handlers.find(task.name)
    if (definition === undefined) return Result.fail(handlers.unknown(task.name))
    const faults = faultsOf(task.input)
    if (faults.length > 0) return Result.fail(inside(faults))
    const fits = definition.readInput(task.input ?? null)
    const decide = (result: Result.Result<unknown, Misfit>) =>
      Result.isFailure(result) ? Result.fail(inside(result.failure.faults)) : layOut(task, definition, at)
    return fits instanceof Promise ? fits.then(decide) : decide(fits)
  }

  const clock = yield* Clock.Clock
  const ulid = makeUlid()
  const prepareNow = (task: unknown, reply: string | undefined): Preparation => {
    const now = clock.currentTimeMillisUnsafe()
    return prepare(task, { now, reply, unique: ulid(now) })
  }

  /** Goes on with what was prepared, or fails with why it was refused. */
  const prepared = <A, E>(
    task: unknown,
    reply: string | undefined,
    then: (prepared: Prepared) => Effect.Effect<A, E>
  ) =>
    Effect.suspend((): Effect.Effect<A, E | Refused> => {
      const given = prepareNow(task, reply)
      const decide = (result: Result.Result<Prepared, Refused>): Effect.Effect<A, E | Refused> =>
        Result.isFailure(result) ? Effect.fail(result.failure) : then(result.success)
      return given instanceof Promise
        ? Effect.flatMap(
            Effect.promise(() => given),
            decide
          )
        : decide(given)
    })

  const submitted = ({ due, id }: Prepared): Submitted => ({
    id,
    state: due === undefined ? "queued" : "scheduled"
  })

  const submit = (task: unknown) =>
    prepared(task, undefined, (one) => Effect.as(outbox.submit(partitionOfId(one.id), [one]), submitted(one)))

  const submitAll = Effect.fnUntraced(function* (tasks: ReadonlyArray<unknown>) {
    const all: Array<Result.Result<Prepared, Refused>> = []
    const byPartition = new Map<string, Array<Prepared>>()
    for (const task of tasks) {
      const given = prepareNow(task, undefined)
      const result = given instanceof Promise ? yield* Effect.promise(() => given) : given
      all.push(result)
      if (Result.isFailure(result)) continue
      const partition = partitionOfId(result.success.id)
      const others = byPartition.get(partition) ?? []
      byPartition.set(partition, others)
      others.push(result.success)
    }
    yield* Effect.forEach(byPartition, ([partition, some]) => outbox.submit(partition, some), {
      concurrency: "unbounded",
      discard: true
    })
    return all.map(Result.map(submitted))
  })

  /** Submits and waits in one go: the answer may come before the submit is known to be stored. */
  const exchange = (one: Prepared) =>
    Effect.callback<Ended, TaskNotFound | StoreError | StoreFull>((resume) => {
      const forget = replies.expect(one.id, (exit) => resume(Exit.map(exit, endedOf)))
      outbox.push(partitionOfId(one.id), [one], (exit) => {
        if (Exit.isSuccess(exit)) return
        forget()
        resume(Effect.failCause(exit.cause))
      })
      return Effect.sync(forget)
    })

  const tuned = new Set<Partition>()
  const ask = (task: unknown) =>
    prepared(task, replies.inbox, (one): Effect.Effect<Ended, TaskNotFound | StoreError | StoreFull> => {
      const partition = partitionOfId(one.id)
      if (tuned.has(partition)) return exchange(one)
      return Effect.flatMap(replies.tune(partition), () => {
        tuned.add(partition)
        return exchange(one)
      })
    })

  const find = Effect.fnUntraced(function* (id: TaskId) {
    const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
    return found ?? (yield* new TaskNotFound({ id }))
  })

  const result: Dispatcher["Service"]["result"] = Effect.fnUntraced(function* (id, wait) {
    if (wait === undefined) return endedOf(yield* replies.ended(id))
    // Outside of the time limit: to wait for no time at all is to ask.
    const [record] = yield* store.ended(partitionOfId(id), [ulidOfId(id)])
    if (record === undefined) return yield* new TaskNotFound({ id })
    if (record !== true) return endedOf(record)
    const waitedMs = Duration.toMillis(wait)
    return yield* Effect.map(replies.ended(id), endedOf).pipe(
      Effect.timeoutOrElse({ duration: wait, orElse: () => Effect.fail(new ResultTimeout({ id, waitedMs })) })
    )
  })

  return Dispatcher.of({
    submit,
    submitAll,
    ask,
    task: (id) => Effect.map(find(id), (found) => viewOf(id, found, handlers.find)),
    result,
    input: (id) => Effect.map(find(id), inputOf)
  })
})

/** Give it the store, the handlers and the reply channel. */
export const layer = Layer.effect(Dispatcher, make)
