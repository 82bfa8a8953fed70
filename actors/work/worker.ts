/**
 * Runs tasks of the queues this process serves, for as long as the scope is open.
 *
 * It lives in incarnations: each has a fresh id, and one that lost its lease is over at once, with everything it
 * ran, and followed by the next. When the scope closes it drains: it claims no more, lets running tasks finish for
 * `Settings.drain`, hands the rest back, and leaves.
 */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  Schedule,
  Scope
} from "effect"
import { hostname } from "node:os"
import { concurrencyDefault, Settings, type Subscription } from "../../runtime/config.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import type { Limits } from "../../runtime/limits.ts"
import { handlersSaid, Operations, type WorkerAbout } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Route, routeOf } from "../../runtime/routes.ts"
import { type Fenced, type Order, Store, type StoreError, type WorkerId } from "../../runtime/store.ts"
import type { Steps } from "../../runtime/steps.ts"
import { type Partition, partitionOf } from "../../runtime/task.ts"
import type { Services } from "./attempt.ts"
import * as Dispatcher from "../dispatch/dispatcher.ts"
import type { Offspring } from "../dispatch/offspring.ts"
import { serveHere } from "../dispatch/served-here.ts"
import { nodeName } from "../node/name.ts"
import { openPuller, type Puller } from "./puller.ts"
import { Shutdown } from "../shutdown.ts"

/** Who takes turns where: what a supervisor must know to hand a dead process's work back. */
export interface Incarnation {
  readonly worker: WorkerId
  readonly partitions: ReadonlyArray<Partition>
}

export class Worker extends Context.Service<
  Worker,
  {
    readonly queues: ReadonlyArray<Subscription>
    /** How many tasks run now. */
    readonly running: () => number
    /** How many runs have ended in this process. */
    readonly done: () => number
    /** The permits of limits that are out in its name. */
    readonly permits: () => ReadonlyArray<string>
    /** Claims no more, and lets what runs end: what an operator's order does. */
    readonly retire: () => void
    /** Succeeds once it is to go, at its node's wish or an operator's. */
    readonly retiring: Effect.Effect<void>
    /** Succeeds once it is to go and all that it ran has ended. */
    readonly retired: Effect.Effect<void>
  }
>()("troupe/Worker") {}

/** The queues to serve: those of the settings, or every queue that a handler or a route to one names. */
export const subscriptionsOf = (
  queues: ReadonlyArray<Subscription> | undefined,
  handlers: ReadonlyArray<TaskDefinition>,
  routes: ReadonlyArray<Route> = []
): ReadonlyArray<Subscription> =>
  queues ??
  [
    ...new Set([
      "default",
      ...handlers.flatMap(({ name, queue }) => [queue, ...(routeOf(routes, name) ?? [])])
    ])
  ].map((queue) => ({
    queue,
    concurrency: concurrencyDefault
  }))

/** How often one that is to go looks whether all that it ran has ended, in milliseconds. */
const retiredLookMs = 25

/** Host, process and a random part: never used twice. */
const freshId = (): WorkerId =>
  `${hostname()
    .replace(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 40)}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`

/**
 * Builds each handler's layer once, on first use, for as long as `scope` is open; a layer that failed is built again
 * by the next run.
 */
const makeServices = Effect.fnUntraced(function* (scope: Scope.Scope) {
  const settings = yield* Settings
  const built = new Map<unknown, Deferred.Deferred<Context.Context<unknown>, unknown>>()
  const services: Services = (layer) =>
    Effect.suspend(() => {
      const there = built.get(layer)
      if (there !== undefined) return Deferred.await(there)
      const fresh = Deferred.makeUnsafe<Context.Context<unknown>, unknown>()
      built.set(layer, fresh)
      return Layer.buildWithScope(Layer.provide(layer, Layer.succeed(Settings, settings)), scope).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) built.delete(layer)
            Deferred.doneUnsafe(fresh, exit)
          })
        )
      ) as Effect.Effect<Context.Context<unknown>, unknown>
    })
  return services
})

export const layer = (options: { readonly onIncarnation?: (incarnation: Incarnation) => void } = {}) =>
  Layer.effect(
    Worker,
    Effect.gen(function* () {
      const settings = yield* Settings
      const handlers = yield* Handlers
      const shutdown = yield* Shutdown
      const handlersScope = yield* Scope.make()
      const services = yield* makeServices(handlersScope)
      const context = yield* Effect.context<never>()
      const queues = subscriptionsOf(settings.queues, handlers.all, settings.routes)
      let pullers: ReadonlyArray<Puller> = []
      let stopping = false
      /** An operator, or its node, wants it to take no more. */
      let draining = false
      const retiring = yield* Latch.make(false)
      /** What earlier incarnations of this process have done. */
      let doneBefore = 0
      const done = () => pullers.reduce((sum, puller) => sum + puller.done(), doneBefore)
      const startedAt = yield* Clock.currentTimeMillis

      const obey = (order: Order) => {
        if (order.kind === "drain") {
          draining = true
          retiring.openUnsafe()
        }
        for (const puller of pullers) puller.obey(order)
      }

      const live = Effect.fnUntraced(function* (): Effect.fn.Return<
        never,
        Fenced | StoreError,
        Store | Steps | Limits | Operations | Offspring | Handlers | Scope.Scope
      > {
        // Stopping may begin between the end of one incarnation and the start of the next.
        if (stopping) return yield* Effect.never
        const worker = freshId()
        options.onIncarnation?.({ worker, partitions: queues.map(({ queue }) => partitionOf(queue)) })
        const partitions = queues.map(({ queue }) => partitionOf(queue))
        const { next } = yield* (yield* Store).orders(worker, partitions)
        const operations = yield* Operations
        yield* Effect.forEach(partitions, (partition) => operations.note(partition), { discard: true })
        const about = (concurrency: number): WorkerAbout => ({
          node: nodeName(),
          pid: process.pid,
          host: hostname(),
          startedAt,
          memoryBytes: process.memoryUsage.rss(),
          done: done(),
          concurrency,
          leaseMs: Duration.toMillis(settings.lease),
          handlers: handlers.all
            .map(({ name }) => name)
            .sort()
            .slice(0, handlersSaid),
          draining
        })
        doneBefore = done()
        pullers = []
        pullers = yield* Effect.forEach(
          queues,
          ({ concurrency, queue }) =>
            openPuller({
              partition: partitionOf(queue),
              worker,
              concurrency,
              lease: settings.lease,
              heartbeat: settings.heartbeat,
              services,
              about: () => about(concurrency)
            }),
          { concurrency: "unbounded" }
        )
        // Who was told to drain does not begin anew because it lost its lease.
        if (draining) obey({ kind: "drain" })
        yield* Effect.forkScoped(Effect.forever(Effect.map(next, obey)))
        yield* Effect.logInfo(
          `worker ${worker} serves ${queues.map((q) => `${q.queue}:${q.concurrency}`).join(", ")}`
        )
        return yield* Effect.raceAllFirst(pullers.map(({ fenced }) => fenced))
      })

      // Its own scope, closed only after the drain.
      const incarnations = yield* Scope.make()
      yield* Effect.scoped(live()).pipe(
        Effect.tapError((error) => Effect.logError(`${error.message}; a fresh incarnation takes over`)),
        Effect.retry({ schedule: Schedule.spaced("100 millis"), while: () => !stopping }),
        Effect.tapCause((cause) => Effect.logDebug("the worker ended", cause)),
        Effect.forkIn(incarnations)
      )
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          stopping = true
          const running = pullers.reduce((sum, puller) => sum + puller.running(), 0)
          yield* Effect.logInfo(
            `draining: ${running} tasks run, and may do so for ${Duration.format(settings.drain)}`
          )
          const hurry = Effect.raceFirst(shutdown.hurried, Effect.sleep(settings.drain))
          const drain = Effect.forEach(pullers, (puller) => puller.drain(hurry), {
            concurrency: "unbounded",
            discard: true
          })
          // In a fiber of its own: a finalizer's is interrupted already, or cannot be, and draining races with time.
          yield* Fiber.await(Effect.runForkWith(context)(drain))
          yield* Scope.close(incarnations, Exit.void)
          // What the handlers opened serves them to their last moment.
          yield* Scope.close(handlersScope, Exit.void)
        })
      )
      yield* serveHere(yield* Store, {
        concurrency: new Map(queues.map(({ concurrency, queue }) => [partitionOf(queue), concurrency])),
        has: (handler) => handlers.find(handler) !== undefined,
        claims: () => !stopping && !draining
      })
      return Worker.of({
        queues,
        running: () => pullers.reduce((sum, puller) => sum + puller.running(), 0),
        done,
        permits: () => pullers.flatMap((puller) => puller.permits()),
        retire: () => obey({ kind: "drain" }),
        retiring: retiring.await,
        retired: Effect.andThen(
          retiring.await,
          Effect.repeat(Effect.sleep(retiredLookMs), {
            until: () => pullers.every((puller) => puller.idle())
          })
        )
      })
    })
    // Runs submit as everybody else does.
  ).pipe(Layer.provide(Dispatcher.offspring))
