/**
 * Takes tasks in and tells what became of them: the one way in for the API, the command line and the library.
 *
 * A submit succeeds only after the task is stored, and nothing that would be refused later is acknowledged: the
 * handler is known, the input fits its schema, the options are in their bounds.
 */
import { Clock, Context, DateTime, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Fault, type Misfit, type TaskDefinition } from "../runtime/handler.ts"
import { faultsOf } from "../runtime/input.ts"
import { Handlers, type UnknownHandler } from "../runtime/registry.ts"
import { RetryJson } from "../runtime/retry.ts"
import { type NewTask, Store, StoreError, StoreFull } from "../runtime/store.ts"
import {
  encodeRecord,
  entryOf,
  type Envelope,
  idIn,
  laneOf,
  partitionOf,
  partitionOfId,
  Priority,
  QueueName,
  TaskId,
  ulidOfId
} from "../runtime/task.ts"
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
  timeoutMs: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Duration.toMillis(delayMax) }))),
  /** Laid over the handler's policy. */
  retry: Schema.optionalKey(RetryJson),
  /** At most 16 of at most 64 characters, to find the task by. */
  tags: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64))).check(Schema.isMaxLength(16))
  )
})
export type NewTaskJson = typeof NewTaskJson.Type

export interface Submitted {
  readonly id: TaskId
  readonly state: "queued" | "scheduled"
}

export type SubmitError = UnknownHandler | SubmitRefused | StoreError | StoreFull

export class Dispatcher extends Context.Service<Dispatcher, {
  /** Stores one task. After a `StoreError` it may be stored, under an id nobody was told. */
  readonly submit: (task: unknown) => Effect.Effect<Submitted, SubmitError>
  /** Stores many in one go. One that is refused does not sink the others. */
  readonly submitAll: (
    tasks: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, UnknownHandler | SubmitRefused>>, StoreError | StoreFull>
  /** Submits a task and waits for its end. */
  readonly ask: (task: unknown) => Effect.Effect<Ended, SubmitError | TaskNotFound>
  readonly task: (id: TaskId) => Effect.Effect<TaskView, TaskNotFound | StoreError>
  /** Waits for a task's end; by default for as long as it takes. */
  readonly result: (
    id: TaskId,
    wait?: Duration.Input
  ) => Effect.Effect<Ended, TaskNotFound | ResultTimeout | StoreError>
  /** What was submitted; `none` when a large input was dropped at the task's end. */
  readonly input: (id: TaskId) => Effect.Effect<Option.Option<unknown>, TaskNotFound | StoreError>
}>()("troupe/Dispatcher") {}

interface Prepared extends NewTask {
  readonly id: TaskId
}

const decode = Schema.decodeUnknownResult(NewTaskJson, { errors: "all", onExcessProperty: "error" })
const standard = Schema.toStandardSchemaV1(NewTaskJson, { parseOptions: { errors: "all", onExcessProperty: "error" } })

const refuse = (path: string, message: string) => new SubmitRefused({ faults: [{ path, message }] })

/** The options as they are, or every fault they have. */
const readOptions = Effect.fnUntraced(function*(task: unknown) {
  const fast = decode(task)
  if (Result.isSuccess(fast)) return fast.success
  const { issues = [] } = yield* Effect.promise(async () => standard["~standard"].validate(task))
  return yield* new SubmitRefused({
    faults: issues.map(({ message, path = [] }) => ({
      path: path.map((part) => `/${String(typeof part === "object" ? part.key : part)}`).join(""),
      message
    }))
  })
})

const inside = (misfit: Misfit) =>
  new SubmitRefused({ faults: misfit.faults.map(({ message, path }) => ({ path: `/input${path}`, message })) })

/** What is stored of a task: only what differs from its handler's defaults. */
const envelopeOf = (task: NewTaskJson, reply: string | undefined): Envelope => ({
  name: task.name,
  input: task.input ?? null,
  ...(task.tags === undefined ? {} : { tags: task.tags }),
  ...(task.timeoutMs === undefined ? {} : { timeoutMs: task.timeoutMs }),
  ...(task.retry === undefined ? {} : { retry: task.retry }),
  ...(reply === undefined ? {} : { reply })
})

const dueOf = Effect.fnUntraced(function*(task: NewTaskJson) {
  if (task.runAt === undefined) return task.delayMs ? { afterMs: task.delayMs } : undefined
  if (task.delayMs !== undefined) return yield* refuse("/runAt", "give either delayMs or runAt")
  const at = DateTime.make(task.runAt)
  if (Option.isNone(at)) return yield* refuse("/runAt", "not a time in ISO 8601, such as 2030-01-31T09:00:00Z")
  const now = yield* Clock.currentTimeMillis
  const millis = DateTime.toEpochMillis(at.value)
  if (millis - now > Duration.toMillis(delayMax)) return yield* refuse("/runAt", "more than ten years ahead")
  return millis <= now ? undefined : { at: millis }
})

const make = Effect.gen(function*() {
  const store = yield* Store
  const handlers = yield* Handlers
  const replies = yield* Replies
  const outbox = yield* makeOutbox
  const { ulid } = yield* SecureRandom.SecureRandom

  const check = Effect.fnUntraced(function*(definition: TaskDefinition, task: NewTaskJson) {
    const faults = faultsOf(task.input)
    if (faults.length > 0) {
      return yield* new SubmitRefused({ faults: faults.map(({ message, path }) => ({ path: `/input${path}`, message })) })
    }
    yield* Effect.mapError(definition.readInput(task.input ?? null), inside)
  })

  /** Everything that can refuse a task happens here, before anything is stored. */
  const prepare = Effect.fnUntraced(function*(given: unknown, reply: string | undefined): Effect.fn.Return<
    Prepared,
    UnknownHandler | SubmitRefused
  > {
    const task = yield* readOptions(given)
    const definition = yield* handlers.get(task.name)
    yield* check(definition, task)
    const due = yield* dueOf(task)
    const lane = task.priority === undefined ? definition.lane : laneOf(task.priority)
    const json = JSON.stringify(envelopeOf(task, reply))
    if (json.length > inputMax) return yield* refuse("/input", `more than ${inputMax} characters of JSON`)
    const unique = yield* ulid
    return {
      id: idIn(partitionOf(task.queue ?? definition.queue), unique),
      entry: entryOf(unique, lane, 1),
      record: encodeRecord({ letter: "Q", lane, run: 1, crashes: 0 }, json),
      ...(due === undefined ? {} : { due })
    }
  })

  const submitted = ({ due, id }: Prepared): Submitted => ({ id, state: due === undefined ? "queued" : "scheduled" })

  const submit = Effect.fnUntraced(function*(task: unknown) {
    const prepared = yield* prepare(task, undefined)
    yield* outbox.submit(partitionOfId(prepared.id), [prepared])
    return submitted(prepared)
  })

  const submitAll = Effect.fnUntraced(function*(tasks: ReadonlyArray<unknown>) {
    const prepared = yield* Effect.forEach(tasks, (task) => Effect.result(prepare(task, undefined)))
    const byPartition = new Map<string, Array<Prepared>>()
    for (const result of prepared) {
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
    return prepared.map((result) => Result.map(result, submitted))
  })

  const ask = Effect.fnUntraced(function*(task: unknown) {
    const prepared = yield* prepare(task, replies.inbox)
    const partition = partitionOfId(prepared.id)
    yield* replies.tune(partition)
    const reply = replies.expect(prepared.id)
    return yield* Effect.raceFirst(
      Effect.map(reply, endedOf),
      Effect.andThen(outbox.submit(partition, [prepared]), Effect.never)
    )
  })

  const find = Effect.fnUntraced(function*(id: TaskId) {
    const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
    return found ?? (yield* new TaskNotFound({ id }))
  })

  return Dispatcher.of({
    submit,
    submitAll,
    ask,
    task: (id) => Effect.map(find(id), (found) => viewOf(id, found, handlers.find)),
    result: (id, wait) => {
      const ended = Effect.map(replies.ended(id), endedOf)
      if (wait === undefined) return ended
      const waitedMs = Duration.toMillis(wait)
      return Effect.timeoutOrElse(ended, {
        duration: wait,
        orElse: () => Effect.fail(new ResultTimeout({ id, waitedMs }))
      })
    },
    input: (id) => Effect.map(find(id), inputOf)
  })
})

/** Give it the store, the handlers, the reply channel and randomness. */
export const layer = Layer.effect(Dispatcher, make).pipe(Layer.provide(SecureRandom.layerWebCrypto))
