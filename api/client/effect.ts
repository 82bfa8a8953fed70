/**
 * Troupe from code, as Effects, Streams and Layers: `import { Troupe } from "troupe/effect"`.
 *
 *     const program = Effect.gen(function*() {
 *       const troupe = yield* Troupe
 *       const task = yield* troupe.submit(summarise, { url }, { delay: "10 minutes" })
 *       yield* Stream.runForEach(task.events(), Console.log)
 *       return yield* task.result({ timeout: "1 minute" })
 *     })
 *     program.pipe(Effect.provide(Troupe.layer()))
 *
 * The types of inputs and results are those of the definition; a name in its place knows neither.
 */
import { Cause, Context, Effect, Exit, Layer, Result, Schema, type Scope, Stream } from "effect"
import { Dispatcher, type Refused, type SubmitError } from "../../actors/dispatch/dispatcher.ts"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import { Follow } from "../../actors/follow/follow.ts"
import { type QueryRefused, reader } from "../../actors/operate/fields.ts"
import { AgentOperator } from "../../actors/operate/agents.ts"
import { actingFor } from "../../actors/access/acting.ts"
import { Operator } from "../../actors/operate/operator.ts"
import {
  Lifecycle,
  LifecycleFilter,
  type LifecycleNews,
  type LifecyclePositionInvalid
} from "../../actors/follow/lifecycle.ts"
import type { TaskNotFound } from "../../actors/dispatch/replies.ts"
import { ScheduleOperator } from "../../actors/schedule/operator.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import * as Tree from "../../actors/tree.ts"
import type { Admission } from "../../runtime/admission.ts"
import { Settings, SettingsError } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { Limits } from "../../runtime/limits.ts"
import type { Operations } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import type * as Stored from "../../runtime/schedules.ts"
import type { Agents } from "../../runtime/agents.ts"
import type { Steps } from "../../runtime/steps.ts"
import { type Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import { Tenant, tenantDefault, TenantName } from "../../runtime/tenant.ts"
import type { TaskView } from "../../runtime/view.ts"
import { type Agent, type AgentIdentity, agentOf, type Agents as AgentList } from "./agents.ts"
import { answeredWithin } from "./asking.ts"
import { inOptions } from "./fault-names.ts"
import { type AskTimeout, type InvalidTaskId, TaskFailed } from "./errors.ts"
import { type Operate, operate, readId, said } from "./operate.ts"
import * as Schedules from "./schedules.ts"
import * as Traces from "../../runtime/telemetry/tracing.ts"
import { Direct } from "./direct.ts"
import {
  type ConnectOptions,
  handlersIn,
  logLevel,
  queuesIn,
  settingsOf,
  type WorkOptions
} from "./settings.ts"
import {
  type InputOf,
  type Named,
  nameOf,
  noTask,
  type OutputOf,
  submission,
  type SubmitOptions
} from "./submission.ts"
import {
  afterIn,
  type EventError,
  type EventOptions,
  outputOf,
  type ResultError,
  type Task,
  tasksOver,
  type WaitOptions
} from "./task.ts"

export type { Agent } from "./agents.ts"
export type { ConnectOptions, WorkOptions } from "./settings.ts"
export type { EventError, EventOptions, ResultError, Task, WaitOptions } from "./task.ts"
export { defineAgent } from "../../runtime/agent.ts"
export { Census, type Counted } from "../../runtime/census.ts"
export { CurrentTask, defineTask, Fatal, RetryAfter, Snooze } from "../../runtime/handler.ts"
export { defineTool, type ToolContext, type ToolDefinition, type ToolOptions } from "../../runtime/tool.ts"
export * from "./vocabulary.ts"

/** There is somebody who waits, so `timeout` is how long: default, as long as it takes. */
export type AskOptions = Omit<SubmitOptions, "timeout"> & WaitOptions

/** One of the tasks of a `submitAll`. */
export interface Submission<T extends Named> extends SubmitOptions {
  readonly task: T
  readonly input: InputOf<T>
}

/** A connection, as a service. */
export class Troupe extends Context.Service<
  Troupe,
  {
    /**
     * Stores a task, and succeeds once it is stored, or with the task that one of its guards found. After a `StoreError`
     * it may be stored, under an id nobody was told: with an idempotency key, submit it again.
     */
    readonly submit: <T extends Named>(
      task: T,
      input: InputOf<T>,
      options?: SubmitOptions
    ) => Effect.Effect<Task<OutputOf<T>>, SubmitError>

    /** Stores many tasks in one go. One that is refused does not sink the others. */
    readonly submitAll: <const Ts extends ReadonlyArray<Named>>(tasks: {
      readonly [K in keyof Ts]: Submission<Ts[K]>
    }) => Effect.Effect<
      { readonly [K in keyof Ts]: Result.Result<Task<OutputOf<Ts[K]>>, Refused> },
      StoreError | StoreFull
    >

    /** Submits a task and waits for its result: the shortest way there and back. */
    readonly ask: <T extends Named>(
      task: T,
      input: InputOf<T>,
      options?: AskOptions
    ) => Effect.Effect<OutputOf<T>, SubmitError | TaskNotFound | TaskFailed | AskTimeout>

    /** Everything about a task but its input and output. */
    readonly task: (id: string) => Effect.Effect<TaskView, InvalidTaskId | TaskNotFound | StoreError>

    /** Waits for a task's end. */
    readonly result: (
      id: string,
      options?: WaitOptions
    ) => Effect.Effect<unknown, InvalidTaskId | ResultError>

    readonly events: {
      /** What has happened to a task and what happens, up to its end. */
      (id: string, options?: EventOptions): Stream.Stream<FollowEvent, InvalidTaskId | EventError>
      /**
       * What becomes of all tasks from now on, of those that fit: submitted, started, completed, and so on. `after` the
       * `id` of an event goes on from there, within a minute; otherwise a `gap` says that something is missing.
       */
      (
        filter?: LifecycleFilter,
        options?: EventOptions
      ): Stream.Stream<LifecycleNews, QueryRefused | LifecyclePositionInvalid | StoreError>
    }

    /** Runs tasks in this process until the scope closes; then it drains. */
    readonly work: (options?: WorkOptions) => Effect.Effect<void, SettingsError, Scope.Scope>

    /** What submits tasks by a calendar, or at an interval. */
    readonly schedules: Schedules.Schedules

    /** The agent of a definition, or of its name, that has this key. */
    readonly agent: <A extends AgentIdentity>(agent: A, key: string) => Agent<A>

    readonly agents: AgentList
  } & Operate
>()("troupe/Troupe") {
  /** The same over a store, handlers and settings that are brought along. */
  static readonly over = (options: Pick<ConnectOptions, "work" | "tenant"> = {}) =>
    Layer.effectContext(make(options)).pipe(Layer.provide(Tree.client))

  /** Connects, and disconnects with the scope. */
  static readonly layer = (options: ConnectOptions = {}) =>
    Troupe.over(options).pipe(
      Layer.provide(Layer.mergeAll(Tree.store(options.store ?? "redis"), handlersOf(options))),
      Layer.provide(logLevel),
      Layer.provide(Traces.layer()),
      Layer.provide(settingsOf(options))
    )
}

const handlersOf = ({ handlers }: ConnectOptions) =>
  Layer.unwrap(Effect.map(Effect.fromResult(handlersIn(handlers ?? [])), Tree.handlers))

const readFilter = reader(LifecycleFilter)

const make = Effect.fnUntraced(function* (options: Pick<ConnectOptions, "work" | "tenant">) {
  const tenant = options.tenant ?? (yield* Tenant)
  if (!Schema.is(TenantName)(tenant)) {
    return yield* new SettingsError({
      setting: "tenant",
      reason: `"${String(tenant)}" is not 1 to 63 of a-z 0-9 _ -, the first a letter or a digit`
    })
  }
  const own = <Service>(service: Service): Service =>
    tenant === tenantDefault ? service : actingFor(service, tenant)
  const dispatcher = own(yield* Dispatcher)
  const follow = own(yield* Follow)
  const lifecycle = own(yield* Lifecycle)
  const handlers = yield* Handlers
  const settings = yield* Settings
  // What a worker of this process shares with the rest of it.
  const known = Layer.succeedContext(
    yield* Effect.context<
      Store | Steps | Agents | Admission | Limits | Operations | Stored.Schedules | Handlers
    >()
  )

  /** A definition says itself what fits it, whether or not somebody announced it. */
  const learn = (definition: TaskDefinition) => {
    const refused = noTask(definition)
    if (refused !== undefined) throw new TypeError(refused.message)
    if (handlers.find(definition.name) !== definition) handlers.learn(definition)
  }

  const describe = (task: Named, input: unknown, options?: SubmitOptions) => {
    const refused = noTask(task)
    if (refused !== undefined) return Result.fail(refused)
    if (typeof task !== "string") learn(task)
    return submission(task, input, options)
  }

  const describeFully = ({ input, task, ...options }: Submission<Named>) => describe(task, input, options)
  /** One of a batch, of which mostly nothing is said but what to do, with what. */
  const describeOne = (one: Submission<Named>) => {
    for (const field in one) if (field !== "task" && field !== "input") return describeFully(one)
    return describe(one.task, one.input)
  }

  const { events, handle, result } = tasksOver(dispatcher, follow)

  const work = Effect.fn("Troupe.work")(function* (options: WorkOptions = {}) {
    const queues = yield* Effect.fromResult(queuesIn(options))
    const over = queues === undefined ? settings : { ...settings, queues }
    const layer = Tree.worker().pipe(
      Layer.provide(Shutdown.layer),
      Layer.provide(logLevel),
      Layer.provide(Layer.succeed(Settings, over)),
      Layer.provide(known)
    )
    // Its own memo map: a second worker of this process shares nothing with the first.
    yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
  })

  const agents = own(yield* AgentOperator)

  if (options.work) yield* work(options.work === true ? {} : options.work)

  const nothing = () => {}
  const direct = Direct.of({
    submit: (task, input, options, done) => {
      const described = describe(task, input, options)
      if (Result.isSuccess(described)) {
        return dispatcher.submitThen(described.success, tenant, (exit) =>
          done(
            Exit.isSuccess(exit)
              ? Exit.succeed(handle(exit.value))
              : Exit.failCause(Cause.map(exit.cause, inOptions))
          )
        )
      }
      done(Exit.fail(described.failure))
      return nothing
    },
    ask: (task, input, options, done) => {
      const described = describe(task, input, options)
      if (Result.isSuccess(described)) {
        return dispatcher.askThen(described.success, tenant, (exit) => {
          if (Exit.isFailure(exit)) return done(Exit.failCause(Cause.map(exit.cause, inOptions)))
          const { value } = exit
          done(value.state === "succeeded" ? Exit.succeed(value.output) : Exit.fail(new TaskFailed(value)))
        })
      }
      done(Exit.fail(described.failure))
      return nothing
    }
  })

  const troupe = Troupe.of({
    ...operate(own(yield* Operator), dispatcher),
    schedules: Schedules.schedulesOf(own(yield* ScheduleOperator), describe),
    agent: agentOf(agents, { learn, handle }),
    agents: { list: (query = {}) => agents.list(query) },
    submit: <T extends Named>(task: T, input: InputOf<T>, options?: SubmitOptions) =>
      Effect.suspend(() => Effect.fromResult(describe(task, input, options))).pipe(
        Effect.flatMap(dispatcher.submit),
        Effect.mapBoth({ onSuccess: (submitted) => handle<T>(submitted), onFailure: inOptions })
      ),

    submitAll: Effect.fnUntraced(function* (tasks: ReadonlyArray<Submission<Named>>) {
      const described = tasks.map(describeOne)
      const stored = yield* dispatcher.submitAll(
        described.filter(Result.isSuccess).map(({ success }) => success)
      )
      const answers = stored.values()
      // What was refused here has no answer there; the others have theirs in order.
      return described.map((one) =>
        Result.flatMap(one, () =>
          Result.mapBoth(answers.next().value!, {
            onSuccess: (submitted) => handle(submitted),
            onFailure: inOptions
          })
        )
      ) as never
    }),

    ask: <T extends Named>(task: T, input: InputOf<T>, { timeout, ...options }: AskOptions = {}) =>
      Effect.suspend(() => {
        const described = describe(task, input, options)
        if (Result.isFailure(described)) return Effect.fail(described.failure)
        return Effect.flatMap(
          answeredWithin(
            timeout,
            nameOf(task),
            Effect.mapError(dispatcher.ask(described.success), inOptions)
          ),
          (ended) => outputOf(ended, ended.id) as Effect.Effect<OutputOf<T>, TaskFailed>
        )
      }),

    task: (id) => Effect.flatMap(readId(id), dispatcher.task),
    result: (id, options) => Effect.flatMap(readId(id), (id) => result(id, options)),
    events: ((of?: string | LifecycleFilter, options?: EventOptions) =>
      typeof of === "string"
        ? Stream.unwrap(Effect.map(readId(of), (id) => events(id, options)))
        : Stream.unwrap(
            Effect.gen(function* () {
              const after = yield* afterIn(options)
              return lifecycle.follow(yield* Effect.fromResult(readFilter(said(of ?? {}))), after)
            })
          )) as Troupe["Service"]["events"],
    work
  })
  return Context.make(Troupe, troupe).pipe(Context.add(Direct, direct))
})
