/** Who submits to workers that only say that they are there: a dispatcher on a store, and workers that run nothing. */
import { Effect, Layer, Result } from "effect"
import * as Births from "../../actors/dispatch/births.ts"
import * as Tree from "../../actors/tree.ts"
import type { SettingsShape } from "../../runtime/config.ts"
import { defineTask } from "../../runtime/handler.ts"
import type { WorkerAbout } from "../../runtime/operations.ts"
import { Handlers } from "../../runtime/registry.ts"
import { readRoutes } from "../../runtime/routes.ts"
import { Store } from "../../runtime/store.ts"
import type { Partition } from "../../runtime/task.ts"
import { memorySettings, redisSettings } from "./redis.ts"
import { partition } from "./stores.ts"
import { aTurn } from "./tasks.ts"

const handlers = ["first", "second"].map((name) => defineTask({ name, run: () => null }))

/** The handlers `first` and `second`, submitted and asked for by whoever has no worker. */
export const dispatcherOn = (kind: "memory" | "redis", over: Partial<SettingsShape> = {}) =>
  Layer.orDie(
    Layer.merge(Tree.client, Births.layer).pipe(
      Layer.provideMerge(Layer.merge(Tree.store(kind), Handlers.layer({ given: handlers }))),
      Layer.provideMerge(kind === "redis" ? redisSettings(over) : memorySettings(over))
    )
  )

export const routes = (text: string) => Result.getOrThrow(readRoutes(text))

/** Joins a worker that says of itself what `about` says, and is believed for a minute. */
export const joined = Effect.fnUntraced(function* (
  about: Pick<WorkerAbout, "handlers"> & Partial<WorkerAbout>,
  at: Partition = partition
) {
  const worker = `w-${crypto.randomUUID().slice(0, 8)}`
  const whole: WorkerAbout = {
    node: "n",
    pid: 1,
    host: "h",
    startedAt: 0,
    memoryBytes: 1,
    done: 0,
    leaseMs: 60_000,
    concurrency: 8,
    ...about
  }
  const store = yield* Store
  yield* store.turn(at, aTurn(worker, { leaseMs: 60_000, about: JSON.stringify(whole) }))
  return worker
})

/** How many tasks wait for their turn or their time. */
export const waitingAt = (at: Partition = partition) =>
  Effect.map(
    Store.use((store) => store.depth(at)),
    ({ boxed, later, lanes }) => lanes.normal + boxed + later
  )
