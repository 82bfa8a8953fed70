/**
 * Runs tasks of the queues this process serves, for as long as the scope is open.
 *
 * It lives in incarnations: each has a fresh id, and one that lost its lease is over at once, with everything it
 * ran, and followed by the next. When the scope closes it drains, in the phases of `Shutdown`: it claims no more, lets
 * running tasks finish for `Settings.drain`, hands the rest back, and leaves.
 *
 * It is an actor: what it is told, by an operator, by its node or by its own incarnation, comes as messages. Turns and
 * runs do not.
 */
import { Cause, Clock, Context, Duration, Effect, Fiber, Latch, Layer, Request, Scope } from "effect"
import * as Actor from "../../runtime/actor/actor.ts"
import { Census } from "../../runtime/census.ts"
import { defineActor } from "../../runtime/actor/definition.ts"
import { Settings } from "../../runtime/config.ts"
import { concurrencyDefault, type Subscription } from "../../runtime/setting-texts.ts"
import type { TaskDefinition } from "../../runtime/handler.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Route, routeOf } from "../../runtime/routes.ts"
import { type Fenced, type Order, Store, type StoreError } from "../../runtime/store.ts"
import { partitionOf } from "../../runtime/task.ts"
import * as Births from "../dispatch/births.ts"
import { makeCensus } from "../operate/census.ts"
import { serveHere } from "../dispatch/served-here.ts"
import { Complaints } from "../../runtime/telemetry/complaints.ts"
import { counter } from "../../runtime/telemetry/instruments.ts"
import type { Task } from "../../runtime/supervision/shutdown.ts"
import { type PhaseName, Shutdown } from "../shutdown.ts"
import type { Services } from "./attempt.ts"
import { type Incarnation, live, type Needs } from "./incarnation.ts"
import type { Puller } from "./puller.ts"
import { openIsolation } from "./isolation/isolate.ts"
import { makeServices } from "./services.ts"

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

/** Claim no more, and begin no other incarnation. */
class StopClaiming extends Request.TaggedClass("StopClaiming")<{}, void> {}

type Message =
  /** A fresh incarnation is to begin. */
  | { readonly _tag: "Begin" }
  /** The incarnation is over. */
  | { readonly _tag: "Over"; readonly error: Fenced | StoreError }
  | { readonly _tag: "Order"; readonly order: Order }
  | StopClaiming

/** How long it takes until an incarnation that is over is followed by the next. */
const pause = "100 millis"

const lostLease = counter("troupe_leases_fenced_total")

/**
 * A worker that others can look at, and how it is started: it runs for as long as the scope of its start is open, and
 * its drain has a deadline of its own. It may be started again when it failed.
 */
export const open = Effect.fnUntraced(function* ({
  onIncarnation = () => {},
  onPermits = () => {}
}: {
  readonly onIncarnation?: (incarnation: Incarnation) => void
  /** Told of all permits that are out, whenever some came and before a run starts with them. */
  readonly onPermits?: (permits: ReadonlyArray<string>) => void
} = {}) {
  const settings = yield* Settings
  const handlers = yield* Handlers
  const shutdown = yield* Shutdown
  const census = Layer.succeed(Census, yield* makeCensus)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const queues = subscriptionsOf(settings.queues, handlers.all, settings.routes)
  let pullers: ReadonlyArray<Puller> = []
  let services: Services | undefined
  let stopping = false
  /** An operator, or its node, wants it to take no more. */
  let draining = false
  const retiring = yield* Latch.make(false)
  /** Open once what is drained has lost its lease, so that there is nothing more to wait for. */
  const fenced = yield* Latch.make(false)
  /** That it has begun says itself that this is over. */
  const unbegun = (yield* Complaints).about(
    "the worker cannot begin, and tries again",
    "the worker has begun"
  )
  /** What earlier incarnations of this process have done. */
  let doneBefore = 0
  const done = () => pullers.reduce((sum, puller) => sum + puller.done(), doneBefore)
  const running = () => pullers.reduce((sum, puller) => sum + puller.running(), 0)
  const permits = () => pullers.flatMap((puller) => puller.permits())
  const startedAt = yield* Clock.currentTimeMillis
  /** Whether an incarnation has ended with an error. */
  let afterOutage = false

  const obey = (order: Order) => {
    if (order.kind === "drain") {
      draining = true
      retiring.openUnsafe()
    }
    for (const puller of pullers) puller.obey(order)
  }

  const incarnation = Effect.suspend(() => {
    doneBefore = done()
    pullers = []
    return live({
      queues,
      services: services!,
      afterOutage,
      about: () => ({ startedAt, done: done(), draining: draining || stopping }),
      onBegin: onIncarnation,
      onPermits: () => onPermits(permits()),
      onPullers: (fresh) => {
        pullers = fresh
        // Who was told to drain does not begin anew because it lost its lease.
        if (draining) obey({ kind: "drain" })
      },
      onOrder: (order) => actor.ref.tell({ _tag: "Order", order })
    })
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => actor.ref.tell({ _tag: "Over", error }))
  )

  const stopClaiming = Effect.sync(() => {
    stopping = true
    for (const puller of pullers) puller.stopClaiming()
  })

  /** Does something in all partitions, for as long as there is an incarnation to do it. */
  const everywhere = (what: (puller: Puller) => Effect.Effect<void>) =>
    Effect.suspend(() => Effect.forEach(pullers, what, { concurrency: "unbounded", discard: true })).pipe(
      Effect.raceFirst(fenced.await)
    )

  const runningTasks = () => ({
    count: running(),
    of: "running tasks",
    ids: pullers.flatMap((puller) => puller.tasks())
  })

  const actor: Actor.Actor<Message, never, Needs, "suspend"> = yield* Actor.make(
    defineActor<Message>()({
      name: "worker",
      whenFull: "suspend",
      onStart: ({ beside }) => beside(incarnation),
      handle: {
        Begin: (_, { beside }) => beside(incarnation),
        Over: ({ error }, { timers }) => {
          afterOutage = true
          if (error._tag === "Fenced") lostLease()
          return stopping
            ? Effect.andThen(Effect.logError(error.message), fenced.open)
            : Effect.andThen(
                error._tag === "Fenced"
                  ? Effect.logError(`${error.message}; a fresh incarnation takes over`)
                  : unbegun.wrong(error.message),
                timers.startSingle("begin", { _tag: "Begin" }, pause)
              )
        },
        Order: ({ order }) => Effect.sync(() => obey(order)),
        StopClaiming: (_, { timers }) => Effect.andThen(timers.cancel("begin"), stopClaiming)
      }
    })
  )

  const start = Effect.gen(function* () {
    // What the handlers opened serves them to their last moment.
    const handlersScope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Scope.close(scope, exit)
    )
    services = Object.assign(yield* makeServices(handlersScope, census), {
      isolate: yield* Scope.provide(openIsolation(handlers), handlersScope)
    })
    const living = yield* Effect.forkScoped(actor.life)
    // If it fails meanwhile, there is nobody any more to wait for.
    const during = (phase: PhaseName, run: Effect.Effect<unknown>, waitsFor?: Task["waitsFor"]) =>
      shutdown.during(phase, {
        name: "worker",
        run: Effect.raceFirst(Effect.asVoid(run), Effect.asVoid(Fiber.await(living))),
        ...(waitsFor === undefined ? {} : { waitsFor })
      })
    const told = Effect.ignore(actor.ref.ask(new StopClaiming(), { timeout: Duration.infinity }))
    yield* during("stop claiming", told)
    yield* during(
      "let running finish",
      everywhere(({ finished }) => finished),
      runningTasks
    )
    yield* during(
      "hand back",
      everywhere(({ handBack }) => handBack),
      runningTasks
    )
    yield* during(
      "settle",
      everywhere(({ said }) => said)
    )
    yield* during(
      "deregister",
      everywhere(({ leave }) => leave)
    )
    yield* Effect.addFinalizer(() =>
      living.pollUnsafe() === undefined ? shutdown.run("its worker is stopped") : Effect.void
    )
    // @effect-diagnostics-next-line returnEffectInGen:off
    return Fiber.join(living)
  })

  yield* serveHere(yield* Store, {
    concurrency: new Map(queues.map(({ concurrency, queue }) => [partitionOf(queue), concurrency])),
    has: (handler) => handlers.find(handler) !== undefined,
    claims: () => !stopping && !draining
  })
  const worker = Worker.of({
    queues,
    running,
    done,
    permits,
    retire: () => void run(actor.ref.tell({ _tag: "Order", order: { kind: "drain" } })),
    retiring: retiring.await,
    retired: Effect.andThen(
      retiring.await,
      Effect.repeat(Effect.sleep(retiredLookMs), {
        until: () => pullers.every((puller) => puller.idle())
      })
    )
  })
  return { worker, start }
})

/** A worker that nobody supervises. */
export const layer = (options: Parameters<typeof open>[0] = {}) =>
  Layer.effect(
    Worker,
    Effect.gen(function* () {
      const { start, worker } = yield* open(options)
      const life = yield* start
      yield* life.pipe(
        Effect.tapCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("the worker has failed", cause)
        ),
        Effect.forkScoped
      )
      return worker
    })
    // Runs submit as everybody else does.
  ).pipe(Layer.provide(Births.layer))
