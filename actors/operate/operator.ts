/**
 * What operators ask of a system and do to it: the one way in for the API, the command line and the library.
 *
 * What it reads is bounded in every call. What changes something may be said again without harm, and what destroys
 * something can be asked first how much that would be (`dryRun`). Filters come as strangers wrote them, and are
 * refused with every fault.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { Settings } from "../../runtime/config.ts"
import { Members, type NodeName } from "../../runtime/members.ts"
import { Operations } from "../../runtime/operations.ts"
import type { UnknownHandler } from "../../runtime/registry.ts"
import { type QueueFull, Store, type StoreError, type StoreFull } from "../../runtime/store.ts"
import type { WorkerId } from "../../runtime/turn.ts"
import type { TaskId } from "../../runtime/task.ts"
import { crewOf, type NodeView, nodeViewOf, type WorkerView } from "./crew.ts"
import type { QueryRefused } from "./fields.ts"
import { makeMover } from "./move.ts"
import type { SubmitRefused } from "../dispatch/new-task.ts"
import { makeFinder, type Page } from "./finder.ts"
import { makeQueues, type QueueView } from "./queues.ts"
import type { TaskNotFound } from "../dispatch/replies.ts"
import {
  type Count,
  type DeadPage,
  makeDeadLetters,
  type NotRetryable,
  type RetryOptions
} from "./revival.ts"
import { type Stats, statsOf } from "./stats.ts"

/** No worker has this id: it has left, or its lease ended and others took over what it held. */
export class WorkerNotFound extends Schema.TaggedError<WorkerNotFound>()("WorkerNotFound", {
  worker: Schema.String
}) {
  override get message() {
    return `there is no worker ${this.worker}`
  }
}

/** No node has this name: it has stopped, or was lost some time ago. */
export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", {
  node: Schema.String
}) {
  override get message() {
    return `there is no node ${this.node}`
  }
}

export interface DryRun {
  /** Only says how many it would be. */
  readonly dryRun?: boolean
}

/** Of how many minutes statistics are when nobody says. */
export const statsMinutes = 60

export class Operator extends Context.Service<
  Operator,
  {
    /** A page of the tasks that a `TaskQuery` means, without their inputs and outputs. */
    readonly tasks: (query: unknown) => Effect.Effect<Page, QueryRefused | StoreError>

    /** A page of the dead letters that a `DeadQuery` means, and what the newest of them all failed with. */
    readonly dead: (query: unknown) => Effect.Effect<DeadPage, QueryRefused | StoreError>
    /** Puts one dead letter back to work, under its id and with its history. */
    readonly retry: (
      id: TaskId,
      options?: RetryOptions
    ) => Effect.Effect<void, TaskNotFound | NotRetryable | SubmitRefused | UnknownHandler | StoreError>
    /** Puts all that a `DeadSelection` means back to work; another input only to one. */
    readonly retryDead: (
      selection: unknown,
      options?: RetryOptions & DryRun
    ) => Effect.Effect<Count, QueryRefused | SubmitRefused | UnknownHandler | StoreError>
    /** Drops all that a `DeadSelection` means. */
    readonly purgeDead: (
      selection: unknown,
      options?: DryRun
    ) => Effect.Effect<Count, QueryRefused | StoreError>

    /** Every queue that has, or lately had, a task. */
    readonly queues: Effect.Effect<ReadonlyArray<QueueView>, QueryRefused | StoreError>
    readonly queue: (name: string) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Lets a queue hand out nothing, or again; or one key of it only. */
    readonly pause: (
      name: string,
      paused: boolean,
      key?: string
    ) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Sets the bounds of a queue, all of them: one that is left out is off. */
    readonly limit: (name: string, limits: unknown) => Effect.Effect<QueueView, QueryRefused | StoreError>
    /** Cancels what waits in a queue and what is delayed; what runs goes on. */
    readonly purge: (
      name: string,
      options?: DryRun & { readonly reason?: string }
    ) => Effect.Effect<Count, QueryRefused | StoreError>
    /** Moves tasks that have not started, of those that a `Move` means, to its queue: as copies under other ids. */
    readonly move: (
      name: string,
      move: unknown,
      options?: DryRun
    ) => Effect.Effect<Count, QueryRefused | StoreError | StoreFull | QueueFull>

    readonly workers: Effect.Effect<ReadonlyArray<WorkerView>, StoreError>
    /** Asks a worker to claim no more, and to go when what it runs has ended. */
    readonly drain: (worker: WorkerId) => Effect.Effect<void, WorkerNotFound | StoreError>

    /** Every node that lives, and those that were lost lately. */
    readonly nodes: Effect.Effect<ReadonlyArray<NodeView>, StoreError>
    /** Asks a node to stop all it runs, in order, and to end. It hears it with its next heartbeat. */
    readonly drainNode: (node: NodeName) => Effect.Effect<void, NodeNotFound | StoreError>

    /** How things stand, and what happened in the last minutes. */
    readonly stats: (minutes?: number) => Effect.Effect<Stats, StoreError>
  }
>()("troupe/Operator") {}

const make = Effect.gen(function* () {
  const store = yield* Store
  const operations = yield* Operations
  const members = yield* Members
  const { lease } = yield* Settings
  const leaseMs = Duration.toMillis(lease)
  const finder = yield* makeFinder
  const letters = yield* makeDeadLetters(finder)
  const queues = yield* makeQueues(finder)
  const move = yield* makeMover(finder)

  const inEach = <A>(ask: (partition: string) => Effect.Effect<A, StoreError>) =>
    Effect.flatMap(operations.partitions, (partitions) => Effect.forEach(partitions, ask, { concurrency: 4 }))

  const sightings = Effect.map(
    inEach((partition) =>
      Effect.map(operations.workers(partition), (workers) => workers.map((worker) => ({ partition, worker })))
    ),
    (all) => all.flat()
  )

  const workers = Effect.gen(function* () {
    const seen = yield* sightings
    return crewOf(seen, leaseMs)
  })

  const drain = Effect.fnUntraced(function* (id: WorkerId) {
    const homes = (yield* sightings).filter(({ worker }) => worker.worker === id)
    if (homes.length === 0) return yield* new WorkerNotFound({ worker: id })
    yield* Effect.forEach(homes, ({ partition }) => operations.drain(partition, id), { discard: true })
  })

  const nodes = Effect.map(members.nodes, (all) => all.map(nodeViewOf))

  const drainNode = Effect.fnUntraced(function* (node: NodeName) {
    if (!(yield* members.drain(node))) return yield* new NodeNotFound({ node })
  })

  const stats = Effect.fnUntraced(function* (minutes: number = statsMinutes) {
    const counted = yield* inEach((partition) => operations.minutes(partition, minutes))
    const depths = yield* inEach(store.depth)
    const crew = yield* workers
    return statsOf(counted.flat(), depths, crew.filter(({ state }) => state !== "lost").length)
  })

  return Operator.of({
    tasks: finder.tasks,
    ...letters,
    ...queues,
    move,
    workers,
    drain,
    nodes,
    drainNode,
    stats
  })
})

/** Give it a store, the handlers and settings. */
export const layer = Layer.effect(Operator, make)
