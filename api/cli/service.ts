/**
 * The two processes that serve: `troupe worker` runs tasks, `troupe api` takes them in. Each runs alone, or as a child
 * of `troupe up`, which it tells when it is ready and with which it goes: a child whose node is gone drains.
 */
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import {
  beatsForNode,
  goesWithNode,
  seriesForNode,
  seriesOfNode,
  tellNode,
  workerForNode
} from "../../actors/node/channel.ts"
import { Figures } from "../../actors/operate/figures.ts"
import * as Tree from "../../actors/tree.ts"
import { Shutdown } from "../../actors/shutdown.ts"
import { Worker } from "../../actors/work/worker.ts"
import { withoutMessage } from "../../runtime/fault.ts"
import { Files } from "../../runtime/files.ts"
import { Supervisor } from "../../runtime/supervision/supervisor.ts"
import * as Traces from "../../runtime/telemetry/tracing.ts"
import { watchesLoop } from "../../runtime/telemetry/process.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { connected, logLevel } from "../client/settings.ts"
import * as MetricsServer from "../http/metrics-server.ts"
import * as Server from "../http/server.ts"
import * as Environment from "./environment.ts"
import { serves } from "./run.ts"

/** Runs tasks. Give it a store and settings. */
export const workerLayer = (handlers: ReadonlyArray<TaskDefinition>) =>
  workerForNode.pipe(
    Layer.provideMerge(
      Tree.worker({
        onIncarnation: (incarnation) => tellNode({ kind: "incarnation", ...incarnation }),
        onPermits: (permits) => tellNode({ kind: "permits", permits })
      })
    ),
    Layer.provideMerge(Tree.handlers(handlers))
  )

/** What the cluster counts is told from the first reading on: one is made at the start, whoever asks first. */
const countsFromNow = Layer.effectDiscard(Effect.flatMap(Figures, ({ read }) => Effect.forkScoped(read)))

/** Serves HTTP. Give it a store and settings. */
export const apiLayer = (handlers: ReadonlyArray<TaskDefinition>) =>
  Layer.provideMerge(Layer.merge(beatsForNode, countsFromNow), Server.layer).pipe(
    Layer.provideMerge(Tree.client),
    Layer.provideMerge(Layer.merge(Tree.handlers(handlers), Files.layer))
  )

/**
 * A promise that a handler has started and forgot may reject when nobody looks. That is no reason to end the process, and
 * with it the runs of everybody else; what is thrown past everybody is. Neither is printed with what it says.
 */
const survivesRejections = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = Effect.runForkWith(yield* Effect.context<never>())
    const hear = (reason: unknown) =>
      void log(Effect.logError("a promise that nobody waits for was rejected", withoutMessage(reason)))
    const end = (thrown: unknown) => {
      const told = Effect.logFatal(
        "something was thrown that nobody catches: the process ends",
        withoutMessage(thrown)
      )
      log(told).addObserver(() => process.exit(1))
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("unhandledRejection", hear).on("uncaughtException", end)),
      () => Effect.sync(() => process.off("unhandledRejection", hear).off("uncaughtException", end))
    )
  })
)

const serving = Layer.merge(serves, goesWithNode).pipe(Layer.provideMerge(Shutdown.layer))

export const worker = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "worker",
    { redis: Environment.redis, queues: Environment.queues, handlers: Environment.handlers },
    Effect.fnUntraced(function* (flags) {
      const life = Effect.gen(function* () {
        const { retired } = yield* Worker
        const { ended } = yield* Supervisor
        tellNode({ kind: "ready" })
        yield* Effect.raceFirst(retired, ended)
        yield* Effect.logInfo("all that it ran has ended, and it was asked to go")
      })
      return yield* Effect.provide(
        life,
        workerLayer(handlers).pipe(
          Layer.provideMerge(survivesRejections),
          Layer.provideMerge(Layer.mergeAll(seriesForNode, watchesLoop, MetricsServer.layer("worker"))),
          Layer.provide(Tree.store("redis")),
          Layer.provide(serving),
          Layer.provideMerge(logLevel),
          Layer.provideMerge(Traces.layer()),
          Layer.provide(connected({}, Environment.environment(flags)))
        )
      )
    })
  ).pipe(
    Command.withDescription("Runs tasks until it is told to stop; then it drains"),
    Command.withExamples([
      { command: "troupe worker --queues documents:8,default:4", description: "Serve two queues" }
    ])
  )

export const api = (handlers: ReadonlyArray<TaskDefinition>) =>
  Command.make(
    "api",
    { redis: Environment.redis, port: Environment.port, handlers: Environment.handlers },
    Effect.fnUntraced(function* (flags) {
      return yield* apiLayer(handlers).pipe(
        Layer.tap((context) => {
          const url = Server.urlIn(context)
          tellNode({ kind: "ready", url })
          return Effect.logInfo(`the API is at ${url}`)
        }),
        Layer.provide(Layer.merge(seriesOfNode, watchesLoop)),
        Layer.provide(Tree.store("redis")),
        Layer.provide(serving),
        Layer.provide(logLevel),
        Layer.provide(Traces.layer()),
        Layer.provide(connected({}, Environment.environment(flags))),
        Layer.launch
      )
    })
  ).pipe(
    Command.withDescription("Serves the HTTP API until it is told to stop"),
    Command.withExamples([
      { command: "troupe api --port 8080", description: "Listen on port 8080 of this machine" }
    ])
  )
