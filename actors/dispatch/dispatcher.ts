/**
 * Takes tasks in and tells what became of them: the one way in for the API, the command line and the library.
 *
 * A submit succeeds only after the task is stored, and nothing that would be refused later is acknowledged: the
 * handler is known, the input fits its schema, the options are in their bounds.
 */
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, type Option, Result, Schema } from "effect"
import { Settings } from "../../runtime/config.ts"
import type { PayloadUnreadable } from "../../runtime/encryption/key-ring.ts"
import { Handlers } from "../../runtime/registry.ts"
import { Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import { type Partition, partitionOfId, submittedAt, TaskId, ulidOfId } from "../../runtime/task.ts"
import { storedTenant, Tenant } from "../../runtime/tenant.ts"
import { type Ended, endedOf, inputOf, type TaskView, viewOf } from "../../runtime/view.ts"
import { makeCancel, type TaskEnded } from "./cancelling.ts"
import { makeIntake, type NotTaken, type Submitted, submitted, TaskGone, type Turned } from "./intake.ts"
import type { SubmitRefused } from "./new-task.ts"
import { makeLookout } from "./lookout.ts"
import { makeMadeUpQueues } from "./made-up-queues.ts"
import { isGuarded, type Preparation, type Prepared, type Unfit } from "./preparation.ts"
import { makePreparing, settle, sharedQueues, whenPrepared } from "./preparing.ts"
import { makeOwnership } from "./ownership.ts"
import { Replies, TaskNotFound } from "./replies.ts"
import { makeReschedule, type NotReschedulable, type Rescheduled } from "./rescheduling.ts"
import { traced } from "./traced.ts"
import { followedBy } from "../../runtime/telemetry/following.ts"
import type { Carried } from "../../runtime/telemetry/trace-context.ts"
import { Tracing } from "../../runtime/telemetry/tracing.ts"
import { makeUnserved, type NoWorker } from "./unserved.ts"

export { reasonMax, TaskEnded } from "./cancelling.ts"
export { NoWorker } from "./unserved.ts"
export { IdempotencyConflict, type Submitted, TaskGone } from "./intake.ts"
export { NewTaskJson, SubmitRefused } from "./new-task.ts"
export { inputMax } from "./preparation.ts"
export { NotReschedulable, type Rescheduled, RescheduleJson } from "./rescheduling.ts"

/** The task had not ended when the time was over. It goes on; wait again. */
export class ResultTimeout extends Schema.TaggedError<ResultTimeout>()("ResultTimeout", {
  id: TaskId,
  waitedMs: Schema.Finite
}) {
  override get message() {
    return `${this.id} has not ended within ${this.waitedMs} ms`
  }
}

/** How many tasks of a batch are looked after at once whose queues may be made up. */
const checksAtOnce = 16

/** Why a task is not taken in, when the others of its batch may be. */
export type Refused = Unfit | Turned | NoWorker

export type SubmitError = Refused | StoreError | StoreFull

/** How a task that was asked for ended. */
export type Asked = Ended & { readonly id: TaskId }

/** Is called once, maybe before the call that it was given to returns. */
export type Done<A, E> = (exit: Exit.Exit<A, E>) => void

export class Dispatcher extends Context.Service<
  Dispatcher,
  {
    /**
     * Stores one task, or finds the one that its guards point at. After a `StoreError` it may be stored, under an id
     * nobody was told; with an idempotency key, saying it again finds out.
     */
    readonly submit: (task: unknown) => Effect.Effect<Submitted, SubmitError>
    /** Stores many in one go. One that is refused does not sink the others. */
    readonly submitAll: (
      tasks: ReadonlyArray<unknown>
    ) => Effect.Effect<ReadonlyArray<Result.Result<Submitted, Refused>>, StoreError | StoreFull>
    /** Submits a task and waits for its end, or for that of the task that its guards point at. */
    readonly ask: (task: unknown) => Effect.Effect<Asked, SubmitError | TaskNotFound>
    /**
     * `submit` and `ask` for who has no fiber, and so says for whom. What is returned ends the wait, and `done` is not
     * called after that. Where nothing has to be looked at first they make no effect, which costs half as much.
     */
    readonly submitThen: (task: unknown, tenant: string, done: Done<Submitted, SubmitError>) => () => void
    readonly askThen: (
      task: unknown,
      tenant: string,
      done: Done<Asked, SubmitError | TaskNotFound>
    ) => () => void
    readonly task: (id: TaskId) => Effect.Effect<TaskView, TaskNotFound | StoreError>
    /** Waits for a task's end; by default for as long as it takes. However short the wait, it looks once. */
    readonly result: (
      id: TaskId,
      wait?: Duration.Input
    ) => Effect.Effect<Ended, TaskNotFound | TaskGone | ResultTimeout | PayloadUnreadable | StoreError>
    /** What was submitted; `none` when a large input was dropped at the task's end. */
    readonly input: (
      id: TaskId
    ) => Effect.Effect<Option.Option<unknown>, TaskNotFound | TaskGone | PayloadUnreadable | StoreError>
    /** Ends a living task as cancelled, whoever runs it, and its living children after it. */
    readonly cancel: (
      id: TaskId,
      reason?: string
    ) => Effect.Effect<void, TaskNotFound | TaskEnded | StoreError>
    /** Sets another time, a `RescheduleJson`, for a task that waits for its time: for its first run, or to be tried again. */
    readonly reschedule: (
      id: TaskId,
      when: unknown
    ) => Effect.Effect<Rescheduled, TaskNotFound | NotReschedulable | SubmitRefused | StoreError>
  }
>()("troupe/Dispatcher") {}

/** How a task ended, if that can be read here. */
const readable = (record: string): Effect.Effect<Ended, PayloadUnreadable> => {
  const ended = endedOf(record)
  return ended.state === "succeeded" || ended.unreadable === undefined
    ? Effect.succeed(ended)
    : Effect.fail(ended.unreadable)
}

const make = Effect.gen(function* () {
  const store = yield* Store
  const handlers = yield* Handlers
  const replies = yield* Replies
  const retentionMs = Duration.toMillis((yield* Settings).retention)
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const intake = yield* makeIntake
  const lookout = yield* makeLookout(sharedQueues(yield* Settings))
  const unserved = yield* makeUnserved(lookout)
  const madeUp = yield* makeMadeUpQueues(lookout)
  const preparing = yield* makePreparing(lookout)
  const ownership = yield* makeOwnership
  const cancel = yield* makeCancel(ownership)
  const reschedule = yield* makeReschedule(ownership)

  const find = Effect.fnUntraced(function* (id: TaskId) {
    const [found] = yield* store.read(partitionOfId(id), [ulidOfId(id)])
    if (found === undefined) return yield* new TaskNotFound({ id })
    yield* ownership.checkRecord(id, found.record)
    return found
  })

  const submitAll: Dispatcher["Service"]["submitAll"] = Effect.fnUntraced(function* (tasks) {
    const tenant = storedTenant(yield* Tenant)
    const carried = yield* Effect.withFiberSucceed(followedBy)
    const prepared: Array<Result.Result<Prepared, Unfit>> = []
    const strange = new Map<number, Prepared>()
    for (const task of tasks) {
      const preparation = preparing(task, { tenant, carried })
      // An effect only where a schema is async: batches are large.
      const one = preparation instanceof Promise ? yield* settle(preparation) : preparation
      if (Result.isSuccess(one) && !madeUp.isFine(one.success)) strange.set(prepared.length, one.success)
      prepared.push(one)
    }
    if (strange.size > 0) {
      const refuse = (at: number) => (error: SubmitRefused) =>
        Effect.sync(() => void (prepared[at] = Result.fail(error)))
      yield* Effect.forEach(
        strange,
        ([at, one]) => Effect.catchTag(madeUp.check(one), "SubmitRefused", refuse(at)),
        {
          concurrency: checksAtOnce,
          discard: true
        }
      )
    }
    const fit = prepared.filter(Result.isSuccess).map(({ success }) => success)
    const answers = (yield* unserved.mindedAll(fit, intake.takeAll)).values()
    return prepared.map((one): Result.Result<Submitted, Refused> =>
      Result.isFailure(one) ? Result.fail(one.failure) : answers.next().value!
    )
  })

  /** Submits and waits in one go: the answer may come before the submit is known to be stored. */
  const exchangeThen = (one: Prepared, done: Done<Asked, TaskNotFound | NotTaken>) => {
    const { forget, stored } = replies.expect(one.id, (exit) =>
      done(Exit.map(exit, (record) => ({ id: one.id, ...endedOf(record) })))
    )
    intake.push(one, (exit) => {
      if (Exit.isSuccess(exit)) return stored()
      forget()
      done(Exit.failCause(exit.cause))
    })
    return forget
  }
  const exchange = (one: Prepared) =>
    Effect.callback<Asked, TaskNotFound | NotTaken>((resume) => Effect.sync(exchangeThen(one, resume)))

  const tuned = new Set<Partition>()
  const askPlain = (one: Prepared) => {
    const partition = partitionOfId(one.id)
    if (tuned.has(partition)) return exchange(one)
    return Effect.flatMap(replies.tune(partition), () => {
      tuned.add(partition)
      return exchange(one)
    })
  }

  const askGuarded = Effect.fnUntraced(function* (one: Prepared) {
    const { id } = yield* intake.take(one)
    return { id, ...endedOf(yield* replies.ended(id)) }
  })

  const prepareAsk = (task: unknown, tenant: string | undefined, carried?: Carried) =>
    preparing(task, { reply: replies.inbox, tenant, carried })
  /** Does what stores a task, where its queue is not one too many that was made up. */
  const checked = <A, E, R>(one: Prepared, storing: Effect.Effect<A, E, R>) =>
    madeUp.isFine(one) ? storing : Effect.andThen(madeUp.check(one), storing)
  const askPrepared = (
    one: Prepared
  ): Effect.Effect<Asked, NotTaken | NoWorker | TaskNotFound | SubmitRefused> =>
    checked(
      one,
      unserved.unanswered(one, !isGuarded(one) ? intake.whileThereIsRoom(askPlain(one)) : askGuarded(one))
    )
  const submitPrepared = (one: Prepared) => checked(one, unserved.minded(one, intake.take))

  /** What was prepared, if nothing has to be looked at before it is stored. */
  const readyIn = (preparation: Preparation): Prepared | undefined => {
    if (preparation instanceof Promise || Result.isFailure(preparation)) return undefined
    const one = preparation.success
    return !isGuarded(one) && madeUp.isFine(one) && intake.hasRoom() ? one : undefined
  }

  const begin = <A, E>(effect: Effect.Effect<A, E>, done: Done<A, E>) => {
    const fiber = fork(effect)
    fiber.addObserver(done)
    return () => void fork(Fiber.interrupt(fiber))
  }

  /** What was refused says when to come back. */
  const refused = <A, E>(exit: Exit.Failure<unknown, E | NotTaken>, done: Done<A, E | NotTaken>) =>
    fork(intake.whileThereIsRoom(Effect.failCause(exit.cause))).addObserver(done)

  const submitThen: Dispatcher["Service"]["submitThen"] = (task, tenant, done) => {
    const preparation = preparing(task, { tenant: storedTenant(tenant) })
    const one = readyIn(preparation)
    const minded = one && unserved.mindedAtOnce(one)
    if (one === undefined || minded === undefined) {
      return begin(
        whenPrepared(() => preparation, submitPrepared),
        done
      )
    }
    intake.push(one, (exit) => {
      if (Exit.isSuccess(exit)) done(Exit.succeed(minded(submitted(one))))
      else refused(exit, done)
    })
    return () => {}
  }

  const askThen: Dispatcher["Service"]["askThen"] = (task, tenant, done) => {
    const preparation = prepareAsk(task, storedTenant(tenant))
    const one = readyIn(preparation)
    return one !== undefined && tuned.has(partitionOfId(one.id)) && unserved.mindedAtOnce(one) !== undefined
      ? exchangeThen(one, (exit) => (Exit.isSuccess(exit) ? done(exit) : refused(exit, done)))
      : begin(
          whenPrepared(() => preparation, askPrepared),
          done
        )
  }

  const isPast = (id: TaskId) => submittedAt(ulidOfId(id)) + retentionMs < clock.currentTimeMillisUnsafe()

  /** Why what a task was given or has made is not there: it was kept for as long as such is, or it never was. */
  const orGone = <A, E>(effect: Effect.Effect<A, E | TaskNotFound>, id: TaskId) =>
    Effect.catchTag(effect, "TaskNotFound", (missing) =>
      Effect.fail(isPast(id) ? new TaskGone({ id }) : missing)
    )

  const result: Dispatcher["Service"]["result"] = Effect.fnUntraced(function* (
    id: TaskId,
    wait?: Duration.Input
  ) {
    yield* ownership.check(id)
    if (wait === undefined) return yield* readable(yield* replies.ended(id))
    // Outside of the time limit: to wait for no time at all is to ask.
    const [record] = yield* store.ended(partitionOfId(id), [ulidOfId(id)])
    if (record === undefined) return yield* new TaskNotFound({ id })
    if (record !== true) return yield* readable(record)
    const waitedMs = Duration.toMillis(wait)
    return yield* Effect.flatMap(replies.ended(id), readable).pipe(
      Effect.timeoutOrElse({
        duration: wait,
        orElse: () => Effect.fail(new ResultTimeout({ id, waitedMs }))
      })
    )
  }, orGone)

  const dispatcher = Dispatcher.of({
    submit: (task) => whenPrepared((tenant, carried) => preparing(task, { tenant, carried }), submitPrepared),
    submitAll,
    ask: (task) => whenPrepared((tenant, carried) => prepareAsk(task, tenant, carried), askPrepared),
    submitThen,
    askThen,
    task: (id) => Effect.map(find(id), (found) => viewOf(id, found, handlers.find)),
    result,
    input: Effect.fnUntraced(function* (id: TaskId) {
      const found = yield* find(id)
      return found.unreadable === undefined ? inputOf(found) : yield* found.unreadable
    }, orGone),
    cancel,
    reschedule
  })
  return traced(dispatcher, yield* Tracing)
})

/** Give it the stores, the handlers, the settings and the reply channel. */
export const layer = Layer.effect(Dispatcher, make)
