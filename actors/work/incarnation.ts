/**
 * One incarnation of a worker: under a fresh id it takes turns for its queues and hears what it is told, until it has
 * lost its lease. Then it is over, with everything it ran.
 */
import { Duration, Effect, type Scope } from "effect"
import { hostname } from "node:os"
import { Settings } from "../../runtime/config.ts"
import type { Subscription } from "../../runtime/setting-texts.ts"
import type { Limits } from "../../runtime/limits.ts"
import { handlersSaid, Operations, type WorkerAbout } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { type Fenced, type Order, Store, type StoreError } from "../../runtime/store.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import type { Agents } from "../../runtime/agents.ts"
import type { Steps } from "../../runtime/steps.ts"
import { type Partition, partitionOf } from "../../runtime/task.ts"
import type { Offspring } from "../dispatch/offspring.ts"
import { nodeName } from "../node/name.ts"
import type { Services } from "./attempt.ts"
import { openPuller, type Puller } from "./puller.ts"

/** Who takes turns where: what a supervisor must know to hand a dead process's work back. */
export interface Incarnation {
  readonly worker: WorkerId
  readonly partitions: ReadonlyArray<Partition>
}

/** What an incarnation needs besides the stores, the handlers and the settings. */
export type Needs = Store | Steps | Agents | Limits | Operations | Offspring | Handlers | Settings

/** Host, process and a random part: never used twice. */
const freshId = (): WorkerId =>
  `${hostname()
    .replace(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 40)}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`

/** Never succeeds. Closing its scope ends it without a word: drain its pullers before. */
export const live = Effect.fnUntraced(function* (options: {
  readonly queues: ReadonlyArray<Subscription>
  readonly services: Services
  /** The incarnation before it ended with an error: others may have been out of reach of the store as well. */
  readonly afterOutage: boolean
  /** What is said of the worker besides what is the same for all of its incarnations. */
  readonly about: () => Pick<WorkerAbout, "startedAt" | "done" | "draining">
  readonly onBegin: (incarnation: Incarnation) => void
  /** Permits of limits came, or were refused. */
  readonly onPermits: () => void
  readonly onPullers: (pullers: ReadonlyArray<Puller>) => void
  readonly onOrder: (order: Order) => Effect.Effect<unknown>
}): Effect.fn.Return<never, Fenced | StoreError, Needs | Scope.Scope> {
  const { queues, services } = options
  const settings = yield* Settings
  const handlers = yield* Handlers
  const operations = yield* Operations
  const worker = freshId()
  const partitions = queues.map(({ queue }) => partitionOf(queue))
  options.onBegin({ worker, partitions })
  const store = yield* Store
  const { next } = yield* store.orders(worker, partitions)
  // Before anything is claimed: what cannot be opened ends nothing that runs, and costs no task a crash.
  const bells = yield* Effect.forEach(partitions, (partition) => store.bell(partition))
  yield* Effect.forEach(partitions, (partition) => operations.note(partition), { discard: true })
  const about = (concurrency: number): WorkerAbout => ({
    ...options.about(),
    node: nodeName(),
    pid: process.pid,
    host: hostname(),
    memoryBytes: process.memoryUsage.rss(),
    concurrency,
    leaseMs: Duration.toMillis(settings.lease),
    handlers: handlers.all
      .map(({ name }) => name)
      .sort()
      .slice(0, handlersSaid)
  })
  const pullers = yield* Effect.forEach(
    queues,
    ({ concurrency, queue }, at) =>
      openPuller({
        partition: partitionOf(queue),
        bell: bells[at]!,
        worker,
        concurrency,
        lease: settings.lease,
        heartbeat: settings.heartbeat,
        afterOutage: options.afterOutage,
        onPermits: options.onPermits,
        services,
        about: () => about(concurrency)
      }),
    { concurrency: "unbounded" }
  )
  options.onPullers(pullers)
  // What is to be run is hot, and goes past the mailbox of the worker.
  const hear = (order: Order) =>
    order.kind === "run"
      ? Effect.sync(() => {
          for (const puller of pullers) puller.obey(order)
        })
      : options.onOrder(order)
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(next, hear)))
  yield* Effect.logInfo(
    `worker ${worker} serves ${queues.map((q) => `${q.queue}:${q.concurrency}`).join(", ")}`
  )
  return yield* Effect.raceAllFirst(pullers.map(({ fenced }) => fenced))
})
