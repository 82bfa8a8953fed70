/**
 * Troupe from code, in promises: `import { connect, defineTask } from "troupe"`.
 *
 *     await using troupe = await connect()
 *     const task = await troupe.submit(summarise, { url }, { delay: "10 minutes" })
 *     for await (const event of task.events()) console.log(event)
 *     const result = await task.result({ timeout: "1 minute" })
 *
 * What cannot be done rejects with an error of its own class, of those exported here. The types of inputs and
 * results are those of the definition; a name in its place knows neither.
 */
import { Context, Effect, Exit, Layer, Logger, ManagedRuntime, Result, Scope } from "effect"
import type { Refused } from "../../actors/dispatch/dispatcher.ts"
import type { FollowEvent } from "../../actors/follow/follower.ts"
import type { LifecycleFilter, LifecycleNews } from "../../actors/follow/lifecycle.ts"
import type { AgentPage } from "../../actors/operate/agents.ts"
import type { AgentQuery } from "../../actors/operate/agent-query.ts"
import type { AgentView } from "../../actors/operate/agent-view.ts"
import type { MessageInput, MessageOf, Reply } from "../../runtime/current-agent.ts"
import type { State, TaskId } from "../../runtime/task.ts"
import type { TaskView } from "../../runtime/view.ts"
import type { AgentIdentity, InquiryOptions, MessageOptions } from "./agents.ts"
import { Direct, type Done } from "./direct.ts"
import * as Fx from "./effect.ts"
import { type Operate, operationsOf, promised, type Promised } from "./operate.ts"
import type { PromisedSchedules } from "./schedules.ts"
import type { InputOf, Named, OutputOf, SubmitOptions } from "./submission.ts"
import { Handle } from "./task.ts"
import { openWaits, type Run } from "./waits.ts"

export { defineAgent } from "../../runtime/agent.ts"
export { defineTask, Fatal, RetryAfter, Snooze } from "../../runtime/handler.ts"
export { defineTool, type ToolContext, type ToolDefinition, type ToolOptions } from "../../runtime/tool.ts"
export type { AskOptions, ConnectOptions, EventOptions, WaitOptions, WorkOptions } from "./effect.ts"
export { TroupeClosed } from "./errors.ts"
export * from "./vocabulary.ts"

/** A submitted task. */
export interface Task<Output = unknown> {
  readonly id: TaskId
  /** Whether it was there already: a guard (idempotency key, unique, throttle, cache) found it. */
  readonly existing: boolean
  /** That it waits, as far as can be seen, for a worker that is not there. */
  readonly warning?: string
  readonly state: () => Promise<State>
  /** Waits for its end. Rejects with `TaskFailed` when that is no success, with `ResultTimeout` when it takes too long. */
  readonly result: (options?: Fx.WaitOptions) => Promise<Output>
  /** Ends it as cancelled, whoever runs it, and its children after it. Rejects with `TaskEnded` when it had ended. */
  readonly cancel: (options?: { readonly reason?: string }) => Promise<void>
  /** What has happened to it and what happens, up to its end. Throws what `state` rejects with, or `PositionInvalid`. */
  readonly events: (options?: Fx.EventOptions) => AsyncIterable<FollowEvent>
}

/** One agent. Nothing is asked before one of its methods is called. */
export interface Agent<A extends AgentIdentity = AgentIdentity> extends Pick<Fx.Agent, "name" | "key"> {
  /**
   * Stores a message, and resolves once it is stored: the reply is its task's result, and what it puts out are its events.
   * Rejects with `UnknownAgent`, `AgentQuarantined`, `AgentBusy`, and as `submit` does.
   */
  readonly tell: <M extends MessageOf<A>>(
    message: M,
    input: MessageInput<A, M>,
    options?: MessageOptions
  ) => Promise<Task<Reply<A, M>>>
  /** Stores a message and waits for its reply. Rejects as `tell`, and with `TaskFailed`, or with `AskTimeout` after `timeout`. */
  readonly ask: <M extends MessageOf<A>>(
    message: M,
    input: MessageInput<A, M>,
    options?: InquiryOptions
  ) => Promise<Reply<A, M>>
  /** Its state, its mailbox, and how it stands. This and what follows rejects with `AgentNotFound` where there is nothing of it. */
  readonly read: () => Promise<AgentView>
  /** Ends its quarantine: it goes on with its next message. */
  readonly resume: () => Promise<AgentView>
  /** The same, after its state and its timers were forgotten. What waits stays. */
  readonly reset: () => Promise<AgentView>
  /** Ends it: what it handles is interrupted, what waits is cancelled, state and timers are forgotten. Says how many. */
  readonly stop: (reason?: string) => Promise<number>
}

/** What became of one of many submits, as `Promise.allSettled` says it. */
export type Settled<Output = unknown> =
  | { readonly status: "fulfilled"; readonly value: Task<Output> }
  | { readonly status: "rejected"; readonly reason: Refused }

/** Tasks run here until `stop`, or until the connection closes. */
export interface Work extends AsyncDisposable {
  /** Claims no more, lets what runs finish for the setting `drain`, and hands the rest back. */
  readonly stop: () => Promise<void>
}

/** A connection. Every method rejects with `StoreError` when Redis does not answer in time. */
export interface Troupe extends Promised<Operate>, AsyncDisposable {
  /**
   * Stores a task, and resolves once it is stored, or with the task that one of its guards found. Rejects with
   * `UnknownHandler`, `SubmitRefused`, `IdempotencyConflict`, `QueueFull` or `NoWorker`; after a `StoreError` the task may be
   * stored, under an id nobody was told: with an idempotency key, submit it again.
   */
  readonly submit: <T extends Named>(
    task: T,
    input: InputOf<T>,
    options?: SubmitOptions
  ) => Promise<Task<OutputOf<T>>>

  /** Stores many tasks in one go. One that is refused does not sink the others. */
  readonly submitAll: <const Ts extends ReadonlyArray<Named>>(tasks: {
    readonly [K in keyof Ts]: Fx.Submission<Ts[K]>
  }) => Promise<{ readonly [K in keyof Ts]: Settled<OutputOf<Ts[K]>> }>

  /**
   * Submits a task and waits for its result: the shortest way there and back. Rejects with `TaskFailed`, or with
   * `AskTimeout` after `timeout`.
   */
  readonly ask: <T extends Named>(task: T, input: InputOf<T>, options?: Fx.AskOptions) => Promise<OutputOf<T>>

  /** Everything about a task but its input and output. Rejects with `TaskNotFound` or `InvalidTaskId`. */
  readonly task: (id: string) => Promise<TaskView>

  /** Waits for a task's end, as the method of its handle does. */
  readonly result: (id: string, options?: Fx.WaitOptions) => Promise<unknown>

  /** What has happened to a task and what happens, up to its end. */
  readonly events: {
    (id: string, options?: Fx.EventOptions): AsyncIterable<FollowEvent>
    /**
     * What becomes of all tasks from now on, of those that fit: submitted, started, completed, and so on. `after` the `id`
     * of an event goes on from there, within a minute; otherwise a `gap` says that something is missing. Throws `QueryRefused`
     * for a filter that cannot be, or `LifecyclePositionInvalid`.
     */
    (filter?: LifecycleFilter, options?: Fx.EventOptions): AsyncIterable<LifecycleNews>
  }

  /** Runs tasks in this process. Rejects with `SettingsError` for queues that cannot be. */
  readonly work: (options?: Fx.WorkOptions) => Promise<Work>

  /** What submits tasks by a calendar, or at an interval. */
  readonly schedules: PromisedSchedules

  /** The agent of a definition, or of its name, that has this key. */
  readonly agent: <A extends AgentIdentity>(agent: A, key: string) => Agent<A>

  readonly agents: {
    /** A page of those that have a state, a timer or a failure, by name and key; `next` is the `cursor` of the next one. */
    readonly list: (query?: AgentQuery) => Promise<AgentPage>
  }

  /** Lets what runs here finish, and disconnects. What still waits rejects with `TroupeClosed`. */
  readonly close: () => Promise<void>
}

/** Connects. Rejects with `SettingsError` for what cannot be, or with `RedisUnusable` when there is nothing to connect to. */
export const connect = (options: Fx.ConnectOptions = {}): Promise<Troupe> =>
  connectOver(Layer.provideMerge(Fx.Troupe.layer({ ...options, work: false }), messages), options)

/**
 * The same for a connection that is made as an Effect layer. Rejects with what the layer fails with. `more` gives it other
 * methods, made of what else the layer brings.
 */
export const connectOver = async <Services = never, More extends object = object>(
  layer: Layer.Layer<Fx.Troupe | Direct | Services, unknown>,
  options: Pick<Fx.ConnectOptions, "work"> = {},
  more?: (context: Context.Context<Services>, run: Run) => More
): Promise<Troupe & More> => {
  const runtime = ManagedRuntime.make(layer)
  const context = await runtime.context().catch(async (error: unknown) => {
    await runtime.dispose()
    throw error
  })
  const service = Context.get(context, Fx.Troupe)
  const direct = Context.get(context, Direct)
  const waits = openWaits(context)
  const { iterate, run, tell } = waits

  const methods = {
    state: (task: Fx.Task) => () => run(() => task.state),
    result: (task: Fx.Task) => (options?: Fx.WaitOptions) => run(() => task.result(options)),
    cancel: (task: Fx.Task) => (options?: { readonly reason?: string }) => run(() => task.cancel(options)),
    events: (task: Fx.Task) => (options?: Fx.EventOptions) => iterate(() => task.events(options))
  }
  const handle = <Output>(task: Fx.Task<Output>) => new Handle(task, methods) as Task<Output>

  const agentHandle = <A extends AgentIdentity>(identity: A, key: string): Agent<A> => {
    const agent = service.agent(identity, key)
    return {
      name: agent.name,
      key,
      tell: async (message, input, options) => handle(await run(() => agent.tell(message, input, options))),
      ask: (message, input, options) => run(() => agent.ask(message, input, options)),
      read: () => run(() => agent.read),
      resume: () => run(() => agent.resume),
      reset: () => run(() => agent.reset),
      stop: (reason) => run(() => agent.stop(reason))
    }
  }

  const settled = (result: Result.Result<Fx.Task, Refused>): Settled =>
    Result.isSuccess(result)
      ? { status: "fulfilled", value: handle(result.success) }
      : { status: "rejected", reason: result.failure }

  /** What runs tasks here: each ends it, and is done when it has drained. */
  const stops = new Set<() => Promise<void>>()
  const work = async (options?: Fx.WorkOptions): Promise<Work> => {
    const scope = Scope.makeUnsafe()
    const stop = once(async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      stops.delete(stop)
    })
    stops.add(stop)
    await run((troupe) => Scope.provide(troupe.work(options), scope))
    return { stop, [Symbol.asyncDispose]: stop }
  }

  const close = once(async () => {
    waits.close()
    // First, so that what runs here can still write its results; also what was told to stop before.
    await Promise.all([...stops].map((stop) => stop()))
    await waits.end()
    await runtime.dispose()
  })

  try {
    if (options.work) await work(options.work === true ? {} : options.work)
    else await run(() => Effect.void)
  } catch (error) {
    await close()
    throw error
  }
  const troupe: Troupe = {
    ...promised(operationsOf(service), (effect) => run(() => effect)),
    // What they are given is what the types say; that it fits, the operator checks.
    schedules: promised(service.schedules, (effect) => run(() => effect)) as PromisedSchedules,
    agent: agentHandle,
    agents: { list: (query) => run((troupe) => troupe.agents.list(query)) },
    submit: <T extends Named>(task: T, input: InputOf<T>, options?: SubmitOptions) =>
      tell(
        (done: Done<Fx.Task>) => direct.submit(task, input, options, done),
        (task) => handle(task as Fx.Task<OutputOf<T>>)
      ),
    submitAll: async (tasks) =>
      ((await run((troupe) => troupe.submitAll(tasks))) as ReadonlyArray<Parameters<typeof settled>[0]>).map(
        settled
      ) as never,
    ask: <T extends Named>(task: T, input: InputOf<T>, options?: Fx.AskOptions) =>
      options?.timeout === undefined
        ? tell(
            (done) => direct.ask(task, input, options, done),
            (output) => output as OutputOf<T>
          )
        : run((troupe) => troupe.ask(task, input, options)),
    task: (id) => run((troupe) => troupe.task(id)),
    result: (id, options) => run((troupe) => troupe.result(id, options)),
    events: ((of?: string | LifecycleFilter, options?: Fx.EventOptions) =>
      typeof of === "string"
        ? iterate((troupe) => troupe.events(of, options))
        : iterate((troupe) => troupe.events(of ?? {}, options))) as Troupe["events"],
    work,
    close,
    [Symbol.asyncDispose]: close
  }
  return { ...troupe, ...more?.(context, run) } as Troupe & More
}

/** What a connection has to say is no output of the program that made it. */
const messages = Layer.succeed(Logger.LogToStderr, true)

/** Done once, however often it is asked for: whoever asks again waits for the same end. */
const once = (job: () => Promise<void>): (() => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => (done ??= job())
}
