/** What operators do from code: finding tasks, cancelling, other times, dead letters, queues, workers, statistics. */
import { Effect, Schema } from "effect"
import type {
  Dispatcher,
  NotReschedulable,
  Rescheduled,
  TaskEnded
} from "../../actors/dispatch/dispatcher.ts"
import type { NodeView, WorkerView } from "../../actors/operate/crew.ts"
import type { QueryRefused } from "../../actors/operate/fields.ts"
import type { Move } from "../../actors/operate/move.ts"
import type { SubmitRefused } from "../../actors/dispatch/new-task.ts"
import type { DryRun, NodeNotFound, Operator, WorkerNotFound } from "../../actors/operate/operator.ts"
import type { Page } from "../../actors/operate/finder.ts"
import type { DeadQuery, DeadSelection, TaskQuery } from "../../actors/operate/query.ts"
import type { QueueView } from "../../actors/operate/queues.ts"
import type { TaskNotFound } from "../../actors/dispatch/replies.ts"
import type { Count, DeadPage, NotRetryable } from "../../actors/operate/revival.ts"
import type { Stats } from "../../actors/operate/stats.ts"
import type { QueueLimits } from "../../runtime/operations.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import type { QueueFull, StoreError, StoreFull } from "../../runtime/store.ts"
import { TaskId } from "../../runtime/task.ts"
import type { Names } from "../../runtime/option-names.ts"
import { InvalidTaskId } from "./errors.ts"
import { inOptions } from "./fault-names.ts"
import { heeded } from "./method-options.ts"
import { type DueOptions, dueIn } from "./submission.ts"
import { reasonIn } from "./task.ts"

/** A filter as code writes it: its times may be dates. */
type Timed<Filter> = Omit<Filter, "from" | "to"> & {
  /** Tasks of this time on; a text is ISO 8601. */
  readonly from?: Date | string
  /** Tasks before this time. */
  readonly to?: Date | string
}

/** Another input for one task that goes back to work. It is checked as a submit would check it. */
export interface AnotherInput {
  readonly input?: unknown
}

export interface Operate {
  /** A page of the tasks that fit all that is said. It may be short and not the last: `next` tells, for `cursor`. */
  readonly tasks: (query?: Timed<TaskQuery>) => Effect.Effect<Page, QueryRefused | StoreError>

  /** Ends a living task as cancelled, wherever it is, and its children after it. */
  readonly cancel: (
    id: string,
    options?: { readonly reason?: string }
  ) => Effect.Effect<void, InvalidTaskId | TaskNotFound | TaskEnded | StoreError>

  /**
   * Gives a task that is `scheduled` or `retrying` another time, earlier or later; `{ delay: 0 }` lets it run now. Said again it
   * does no harm.
   */
  readonly reschedule: (
    id: string,
    when: DueOptions
  ) => Effect.Effect<
    Rescheduled,
    InvalidTaskId | TaskNotFound | NotReschedulable | SubmitRefused | StoreError
  >

  /** Puts a failed task back to work, under its id and with its history; its attempts are counted anew. */
  readonly retry: (
    id: string,
    options?: AnotherInput
  ) => Effect.Effect<
    void,
    InvalidTaskId | TaskNotFound | NotRetryable | SubmitRefused | UnknownHandler | StoreError
  >

  /** Failed tasks. Their times are those of their failures. */
  readonly dead: {
    readonly list: (query?: Timed<DeadQuery>) => Effect.Effect<DeadPage, QueryRefused | StoreError>
    /** Puts all that are meant back to work; `{}` means all there are. */
    readonly retry: (
      selection: Timed<DeadSelection>,
      options?: AnotherInput & DryRun
    ) => Effect.Effect<Count, QueryRefused | SubmitRefused | UnknownHandler | StoreError>
    /** Drops all that are meant; `{}` means all there are. */
    readonly purge: (
      selection: Timed<DeadSelection>,
      options?: DryRun
    ) => Effect.Effect<Count, QueryRefused | StoreError>
  }

  readonly queues: {
    readonly list: () => Effect.Effect<ReadonlyArray<QueueView>, QueryRefused | StoreError>
    readonly get: (queue: string) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Lets it hand out nothing, or nothing of one key; what runs goes on. */
    readonly pause: (
      queue: string,
      options?: { readonly key?: string }
    ) => Effect.Effect<QueueView, QueryRefused | StoreError>
    readonly resume: (
      queue: string,
      options?: { readonly key?: string }
    ) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Sets all its bounds: one that is left out is off. */
    readonly limit: (
      queue: string,
      limits: QueueLimits
    ) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Cancels what waits in it and what is delayed; what runs goes on. */
    readonly purge: (
      queue: string,
      options?: DryRun & { readonly reason?: string }
    ) => Effect.Effect<Count, QueryRefused | StoreError>
    /** Moves its tasks that have not started to another queue: as copies under other ids. */
    readonly move: (
      queue: string,
      move: Move,
      options?: DryRun
    ) => Effect.Effect<Count, QueryRefused | StoreError | StoreFull | QueueFull>
  }

  readonly workers: {
    readonly list: () => Effect.Effect<ReadonlyArray<WorkerView>, StoreError>
    /** Asks it to claim no more, and to go when what it runs has ended. */
    readonly drain: (worker: string) => Effect.Effect<void, WorkerNotFound | StoreError>
  }

  readonly nodes: {
    readonly list: () => Effect.Effect<ReadonlyArray<NodeView>, StoreError>
    /** Asks it to stop all it runs, in order, and to end; it hears it with its next heartbeat. */
    readonly drain: (node: string) => Effect.Effect<void, NodeNotFound | StoreError>
  }

  /** How things stand, and what happened in the last minutes; by default, in 60 of them. */
  readonly stats: (options?: { readonly minutes?: number }) => Effect.Effect<Stats, StoreError>
}

/** The same in promises. */
export type Promised<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (
    ...args: infer Args
  ) => Effect.Effect<infer A, unknown>
    ? (...args: Args) => Promise<A>
    : Promised<Methods[Name]>
}

/** Makes promises of methods, however deep they lie. */
export const promised = <Methods extends object>(
  methods: Methods,
  run: <A>(effect: Effect.Effect<A, unknown>) => Promise<A>
): Promised<Methods> =>
  Object.fromEntries(
    Object.entries(methods as Record<string, Method | Record<string, Method>>).map(([name, method]) => [
      name,
      typeof method === "function"
        ? // Who calls from JavaScript may give what makes a method throw.
          (...args: ReadonlyArray<never>) => run(Effect.suspend(() => method(...args)))
        : promised(method, run)
    ])
  ) as Promised<Methods>

type Method = (...args: ReadonlyArray<never>) => Effect.Effect<unknown, unknown>

export const readId = (id: string) =>
  Schema.is(TaskId)(id) ? Effect.succeed(id) : Effect.fail(new InvalidTaskId({ id: String(id) }))

const time = (at: Date | string) =>
  at instanceof Date && !Number.isNaN(at.getTime()) ? at.toISOString() : String(at)

/** The filter as it is read, without what was left `undefined`. What is no object goes on as it is, to be refused. */
export const said = (filter: object): object =>
  typeof filter === "object" && filter !== null
    ? Object.fromEntries(
        Object.entries(filter as Record<string, Date | string>)
          .filter(([, value]: readonly [string, unknown]) => value !== undefined)
          .map(([name, value]) => [name, name === "from" || name === "to" ? time(value) : value])
      )
    : filter

const names = {
  retry: { input: true } satisfies Names<AnotherInput>,
  retryDead: { input: true, dryRun: true } satisfies Names<AnotherInput & DryRun>,
  dryRun: { dryRun: true } satisfies Names<DryRun>,
  key: { key: true },
  purge: { dryRun: true, reason: true } satisfies Names<DryRun & { readonly reason?: string }>,
  stats: { minutes: true }
} as const

const inputOf = <Options extends AnotherInput>({ input, ...options }: Options) =>
  input === undefined ? options : { ...options, input: { value: input } }

export const operate = (operator: Operator["Service"], dispatcher: Dispatcher["Service"]): Operate => ({
  tasks: (query = {}) => operator.tasks(said(query)),
  cancel: (id, options) =>
    Effect.flatMap(readId(id), (id) =>
      Effect.flatMap(reasonIn(options), (reason) => dispatcher.cancel(id, reason))
    ),
  reschedule: Effect.fnUntraced(function* (id, when) {
    const due = yield* Effect.fromResult(dueIn(when))
    return yield* Effect.mapError(dispatcher.reschedule(yield* readId(id), due), inOptions)
  }),
  retry: (id, options) =>
    Effect.flatMap(readId(id), (id) =>
      heeded("retry", options, names.retry, (options) => operator.retry(id, inputOf(options)))
    ),
  dead: {
    list: (query = {}) => operator.dead(said(query)),
    retry: (selection, options) =>
      heeded("dead.retry", options, names.retryDead, (options) =>
        operator.retryDead(said(selection), inputOf(options))
      ),
    purge: (selection, options) =>
      heeded("dead.purge", options, names.dryRun, (options) => operator.purgeDead(said(selection), options))
  },
  queues: {
    list: () => operator.queues,
    get: operator.queue,
    pause: (queue, options) =>
      heeded("queues.pause", options, names.key, ({ key }) => operator.pause(queue, true, key)),
    resume: (queue, options) =>
      heeded("queues.resume", options, names.key, ({ key }) => operator.pause(queue, false, key)),
    limit: operator.limit,
    purge: (queue, options) =>
      heeded("queues.purge", options, names.purge, (options) => operator.purge(queue, options)),
    move: (queue, move, options) =>
      heeded("queues.move", options, names.dryRun, (options) => operator.move(queue, move, options))
  },
  workers: { list: () => operator.workers, drain: operator.drain },
  nodes: { list: () => operator.nodes, drain: operator.drainNode },
  stats: (options) => heeded("stats", options, names.stats, ({ minutes }) => operator.stats(minutes))
})

/** Those of these methods that an object has among others. */
export const operationsOf = ({
  cancel,
  dead,
  nodes,
  queues,
  reschedule,
  retry,
  stats,
  tasks,
  workers
}: Operate): Operate => ({
  cancel,
  dead,
  nodes,
  queues,
  reschedule,
  retry,
  stats,
  tasks,
  workers
})
