/**
 * Who starts whom.
 *
 * Read upward: a layer starts after those below it and stops before them. So a worker has drained before anything it
 * writes to is closed, and the store is the last to go.
 */
import { Context, Effect, Layer } from "effect"
import * as Actor from "../runtime/actor/actor.ts"
import { Settings } from "../runtime/config.ts"
import type { TaskDefinition } from "../runtime/handler.ts"
import * as Memory from "../runtime/memory/stores.ts"
import * as Redis from "../runtime/redis/stores.ts"
import { Handlers } from "../runtime/registry.ts"
import { start as supervise, Supervisor } from "../runtime/supervision/supervisor.ts"
import { render } from "../runtime/supervision/tree.ts"
import * as Gate from "./access/gate.ts"
import * as Keys from "./access/keys.ts"
import { deliver } from "./callback/deliver.ts"
import * as Births from "./dispatch/births.ts"
import * as Dispatcher from "./dispatch/dispatcher.ts"
import * as Follow from "./follow/follow.ts"
import * as Lifecycle from "./follow/lifecycle.ts"
import * as Janitor from "./janitor.ts"
import * as Figures from "./operate/figures.ts"
import * as AgentOperator from "./operate/agents.ts"
import * as Operator from "./operate/operator.ts"
import * as Replies from "./dispatch/replies.ts"
import * as ScheduleOperator from "./schedule/operator.ts"
import * as Scheduler from "./schedule/scheduler.ts"
import { Gathering } from "./work/emitter.ts"
import * as Worker from "./work/worker.ts"

/** The store of a process: the Redis of its settings, or memory that it shares with nobody. */
export const store = (kind: "redis" | "memory") =>
  kind === "redis" ? Layer.merge(Redis.layer(), Layer.succeed(Gathering, 4)) : Memory.layer

/** The handlers given in code, those of the settings' folder, and the one that tells callbacks where they are signed. */
export const handlers = (given: ReadonlyArray<TaskDefinition>) =>
  Layer.unwrap(
    Settings.useSync(({ handlers: folder, webhookSecrets }) =>
      Handlers.layer({ given: webhookSecrets === undefined ? given : [...given, deliver], folder })
    )
  )

/** What it takes to submit, to ask, to follow and to operate. Give it a store, handlers and settings. */
export const client = Layer.mergeAll(
  Follow.layer,
  Lifecycle.layer,
  Operator.layer,
  AgentOperator.layer,
  ScheduleOperator.layer,
  Gate.layer,
  Keys.layer,
  Figures.layer
).pipe(Layer.provideMerge(Dispatcher.layer), Layer.provideMerge(Replies.layer))

/**
 * What it takes to run tasks, under one supervisor. Give it a store, handlers, settings and `Shutdown`. When what it
 * keeps cannot be kept alive, the supervisor fails, and the process is to end.
 */
export const worker = (options: Parameters<typeof Worker.open>[0] = {}) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { start, worker } = yield* Worker.open(options)
      const scheduler = yield* Actor.make(Scheduler.scheduler)
      const janitor = yield* Actor.make(Janitor.janitor)
      const supervisor = yield* supervise<
        | Effect.Services<typeof start>
        | Effect.Services<typeof scheduler.begin>
        | Effect.Services<typeof janitor.begin>
      >({
        name: "worker process",
        strategy: "rest_for_one",
        intensity: 5,
        period: "1 minute",
        children: [
          // Its drain has a deadline of its own.
          { id: "worker", start, shutdown: "infinity" },
          { id: scheduler.ref.name, start: scheduler.begin },
          { id: janitor.ref.name, start: janitor.begin }
        ]
        // None of them fails to start but by a fault of ours.
      }).pipe(Effect.provideService(Worker.Worker, worker), Effect.orDie)
      yield* Effect.logDebug(render(yield* supervisor.tree))
      yield* supervisor.ended.pipe(
        Effect.tapError(({ message }) => Effect.logError(message)),
        Effect.ignore,
        Effect.forkScoped
      )
      return Context.make(Worker.Worker, worker).pipe(Context.add(Supervisor, supervisor))
    })
  ).pipe(Layer.provide(Births.layer))
